"""AP50 on clean and degraded frames, by hand-computed cases."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from toy_vid_difficulty import (
    PredictionError,
    difficulty,
    frame_groups,
    main,
    with_known_textures,
)

DEGRADATIONS = [{}, dict(defocus=0.9), {}, dict(rare_pose=1.0)]
ANNOTATIONS = dict(
    categories=[dict(id=1, name='dotted_disk'), dict(id=2, name='striped_disk'),
                dict(id=3, name='dotted_star')],
    images=[dict(id=i + 1, video_id=1, degradations=item) for i, item in enumerate(DEGRADATIONS)],
    annotations=[dict(id=i + 1, image_id=i + 1, category_id=1, bbox=[0, 0, 10, 10], area=100,
                      iscrowd=False) for i in range(4)])


def found(image_id, category_id=1, score=0.9, bbox=(0, 0, 10, 10)):
    return dict(image_id=image_id, category_id=category_id, score=score, bbox=list(bbox))


def test_frames_are_grouped_by_what_happens_in_them():
    assert frame_groups(ANNOTATIONS['images']) == dict(
        all=[1, 2, 3, 4], clean=[1, 3], degraded=[2, 4], defocus=[2], rare_pose=[4])


@pytest.mark.parametrize(('predictions', 'clean', 'degraded'), [
    ([found(i) for i in range(1, 5)], 100.0, 100.0),
    ([found(1), found(3)], 100.0, 0.0),
    ([found(1), found(3), found(2), found(4, category_id=2)], 100.0, 51 / 101 * 100),
    ([found(1), found(3, bbox=(0, 0, 10, 4)), found(4)], 51 / 101 * 100, 51 / 101 * 100),
    ([found(1), found(3), found(2, bbox=(50, 50, 9, 9)), found(2, score=0.5), found(4, score=0.5)],
     100.0, 200 / 3),
], ids=['all', 'none degraded', 'wrong class', 'overlap below half', 'false alarm first'])
def test_ap50_of_each_group(predictions, clean, degraded):
    rows = difficulty(ANNOTATIONS, predictions)
    assert rows['clean'][:3] == (2, 2, pytest.approx(clean, abs=0.1))
    assert rows['degraded'][:3] == (2, 2, pytest.approx(degraded, abs=0.1))


def test_known_textures_mend_the_class_and_nothing_else():
    boxes = [
        found(1, 2, 0.4), found(1, 1, 0.3),  # two textures at the object: one box, scores added
        found(2, 3, 0.9),  # another shape
        found(3, 2, 0.9, (50, 50, 9, 9)),  # another place
        found(4, 2, 0.9), found(4, 2, 0.2, (0, 0, 10, 6))]  # a second box of the same object
    mended = with_known_textures(ANNOTATIONS, boxes)
    assert [(item['image_id'], item['category_id'], item['score']) for item in mended] == [
        (2, 3, 0.9), (3, 2, 0.9), (4, 1, 0.9), (1, 1, pytest.approx(0.7))]
    _, _, found_ap, known_ap = difficulty(ANNOTATIONS, boxes)['degraded']
    assert known_ap > found_ap


def test_group_without_objects_has_no_ap():
    annotations = dict(ANNOTATIONS, annotations=ANNOTATIONS['annotations'][:1])
    rows = difficulty(annotations, [found(1)])
    assert rows['clean'][2] == pytest.approx(100)
    assert np.isnan(rows['degraded'][2])


@pytest.mark.parametrize(('annotations', 'predictions', 'message'), [
    (ANNOTATIONS, [found(77)], 'for instance 77'),
    (ANNOTATIONS, [], 'no predictions'),
    (dict(ANNOTATIONS, images=[dict(id=1)]), [found(1)], 'has no "degradations"'),
])
def test_files_that_do_not_fit_are_explained(annotations, predictions, message):
    with pytest.raises(PredictionError, match=message):
        difficulty(annotations, predictions)


def test_script_prints_the_gap_and_can_require_one(tmp_path):
    paths = [tmp_path / 'truth.json', tmp_path / 'found.bbox.json']
    paths[0].write_text(json.dumps(ANNOTATIONS))
    paths[1].write_text(json.dumps([found(1), found(3), found(2)]))
    script = Path(__file__).parents[3] / 'tools/analysis_tools/toy_vid_difficulty.py'
    done = subprocess.run([sys.executable, str(script), *map(str, paths)], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert 'degraded frames are 49.5 points below clean ones' in done.stdout
    assert main([*map(str, paths), '--min-gap', '49']) == 0
    assert main([*map(str, paths), '--min-gap', '50']) == 1
    assert main([str(paths[0]), str(tmp_path / 'none.json')]) == 1


def test_sample_picture_is_drawn(tmp_path):
    from draw_toy_vid_samples import main as draw
    assert draw([str(tmp_path / 'a.png')]) == 0
    assert 20_000 < (tmp_path / 'a.png').stat().st_size < 300_000
