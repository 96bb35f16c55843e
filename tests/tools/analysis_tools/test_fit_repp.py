"""The link model found on made-up annotations, and the command as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fit_repp import Pairs, config_text, fit, main, quality, read_pairs, split

from mmvod_plugins.postprocessing import REPP, LinkModel

ROOT = Path(__file__).resolve().parents[3]
NAMES = ['iou', 'center_distance', 'width_ratio', 'height_ratio']


def write(path, num_videos=6, num_frames=5, num_objects=3):
    """Objects far apart that move a little; the ids of a video's objects start at 1."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for video_id in range(1, num_videos + 1):
        corners = np.arange(num_objects)[:, None] * [60.0, 20.0] + rng.uniform(0, 9, size=2)
        for frame_id in range(num_frames):
            corners = corners + rng.normal(0, 2, size=corners.shape)
            images.append(dict(id=len(images) + 1, file_name=f'{video_id}/{frame_id}.jpg',
                               height=200, width=300, frame_id=frame_id, video_id=video_id))
            annotations += [
                dict(id=len(annotations) + 1 + i, image_id=len(images), video_id=video_id,
                     category_id=1, instance_id=i + 1, iscrowd=0, area=800,
                     bbox=[*corner.tolist(), 40.0 - 5 * i, 20.0 + 5 * i])
                for i, corner in enumerate(np.maximum(corners, 0))]
    content = dict(images=images, annotations=annotations, categories=[dict(id=1, name='thing')],
                   videos=[dict(id=i + 1, name=str(i)) for i in range(num_videos)])
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def annotations(tmp_path):
    return write(tmp_path / 'train.json')


def test_pairs_of_neighbouring_frames(annotations):
    videos = read_pairs(annotations, NAMES, jitter=0, seed=0)
    assert len(videos) == 6
    for pairs in videos:
        assert pairs.features.shape == (4 * 3 * 3, 4)
        assert pairs.matches.sum() == 4 * 3
    # Width and height of an object do not change, and differ between objects.
    assert np.array_equal(videos[0].matches, videos[0].features[:, 2] > 0.999)


def test_jitter_changes_the_boxes_and_is_seeded(annotations):
    first, again, exact = (read_pairs(annotations, NAMES, jitter, 3) for jitter in (0.1, 0.1, 0))
    assert np.array_equal(first[0].features, again[0].features)
    assert first[0].features[:, 0].max() < 1
    assert not np.array_equal(first[0].features, exact[0].features)


def test_the_model_tells_objects_apart(annotations):
    fitted, held_out = split(read_pairs(annotations, NAMES, 0.05, 0), seed=0)
    model = fit(fitted, NAMES)
    result = quality(model, held_out, threshold=0.8)
    # The sizes of the objects differ and are constant, so that all pairs can be told apart, and
    # with more certainty than the threshold asks for.
    assert result._replace(log_loss=0) == (12, 24, 1.0, 0, 1.0, 0.0)
    assert result.log_loss < -np.log(0.8)


def test_coefficients_that_made_the_data_are_found():
    """Both kinds weigh the same, which moves the intercept by the log of their ratio."""
    rng = np.random.default_rng(0)
    features = rng.normal([3.0, -1.0], [2.0, 0.5], size=(200_000, 2))
    probability = 1 / (1 + np.exp(-(features @ [1.0, -2.0] - 6)))
    matches = rng.random(len(features)) < probability
    model = fit(Pairs(features, matches), ['iou', 'width_ratio'])
    ratio = matches.mean() / (1 - matches.mean())
    np.testing.assert_allclose(model.coefficients, [1, -2], rtol=0.05)
    np.testing.assert_allclose(model.intercept, -6 - np.log(ratio), rtol=0.05)


def test_quality_by_hand():
    """Logits 2, -1 of matches and -3, 1, -2, -2 of others."""
    pairs = Pairs(np.array([[2.0], [-1], [-3], [1], [-2], [-2]]),
                  np.array([True, True, False, False, False, False]))
    result = quality(LinkModel(['iou'], [1.0], 0.0), pairs, threshold=0.8)
    losses = np.log1p(np.exp([-2, 1, -3, 1, -2, -2]))
    assert result == (2, 4, pytest.approx((1 / 2 + 3 / 4) / 2),
                      pytest.approx((losses[:2].mean() + losses[2:].mean()) / 2), 0.5, 0)


def test_every_fifth_video_is_held_out():
    videos = [Pairs(np.full((2, 1), float(i)), np.array([True, False])) for i in range(10)]
    fitted, held_out = split(videos, seed=0)
    assert (len(fitted.matches), len(held_out.matches)) == (16, 4)
    assert not set(fitted.features.flat) & set(held_out.features.flat)


def test_the_command_prints_a_config_and_writes_json(annotations, tmp_path):
    out = tmp_path / 'link_model.json'
    done = subprocess.run(
        [sys.executable, str(ROOT / 'tools/analysis_tools/fit_repp.py'), str(annotations), '--out',
         str(out), '--jitter', '0.05'], capture_output=True, text=True, check=False, cwd=tmp_path,
        env=os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}, timeout=120)
    assert done.returncode == 0, done.stderr
    assert '# fitted: 60 matches, 120 other pairs; accuracy' in done.stdout
    assert '# held out: 12 matches, 24 other pairs' in done.stdout
    config = {}
    exec(done.stdout, config)
    assert config['link_model'] == json.loads(out.read_text())
    assert REPP(config['link_model']).link_model.features == NAMES


def test_the_config_has_the_numbers():
    config = {}
    exec(config_text(LinkModel(['iou'], [1.5], -2.0)), config)
    assert config['link_model'] == dict(features=['iou'], coefficients=[1.5], intercept=-2.0)


def test_one_video_is_fitted_and_not_judged(tmp_path, capsys):
    assert main([str(write(tmp_path / 'one.json', num_videos=1)), '--features', 'iou']) == 0
    printed = capsys.readouterr().out
    assert 'held out: nothing, as there is one video only' in printed
    assert "features=['iou']" in printed


def without(key, entries):
    return [{k: v for k, v in entry.items() if k != key} for entry in entries]


@pytest.mark.parametrize(('change', 'words'), [
    (lambda c: dict(c, annotations=without('instance_id', c['annotations'])),
     '90 annotations have no instance_id'),
    (lambda c: dict(c, images=without('height', c['images'])), 'whose size is unknown'),
    (lambda c: dict(c, annotations=[a for a in c['annotations'] if a['instance_id'] == 1]),
     'of 20 pairs of boxes in neighbouring frames (of 5 videos) are the same object'),
    (lambda c: dict(c, annotations=[]), '0 of 0 pairs'),
    (lambda _: dict(), 'lists no images'),
], ids=['instances', 'size', 'one object', 'no boxes', 'no images'])
def test_files_that_cannot_be_fitted_are_explained(annotations, capsys, change, words):
    annotations.write_text(json.dumps(change(json.loads(annotations.read_text()))))
    assert main([str(annotations)]) == 1
    error = capsys.readouterr().err
    assert error.startswith('error: ')
    assert words in error


def test_a_missing_file_is_explained(tmp_path, capsys):
    assert main([str(tmp_path / 'none.json')]) == 1
    assert 'none.json' in capsys.readouterr().err
