"""AP with and without the frames that the annotations mark as degraded (MST, table VIII)."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmvod_plugins.datasets.coco_vid_file import CocoVIDFile
from mmvod_plugins.evaluation import ImageNetVIDMetric, Predictions
from mmvod_plugins.evaluation.coco_json import from_coco_results, write_predictions
from mmvod_plugins.evaluation.functional import (
    Detections,
    GroundTruth,
    MotionIoU,
    degraded_frames,
    evaluate,
)
from mmvod_plugins.evaluation.report import Evaluation, ReportOptions
from tests.datasets.tiny_vid import make_tiny_vid

from .functional.scenes import random_scene, video_of

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools' / 'analysis_tools'))


@pytest.fixture(scope='module')
def ann_file(tmp_path_factory):
    """Two videos; every third frame is marked."""
    path = make_tiny_vid(tmp_path_factory.mktemp('degraded'), (4, 3))
    content = json.loads(path.read_text())
    for image in content['images']:
        image['degradations'] = ['motion_blur'] if image['id'] % 3 == 0 else []
    path.write_text(json.dumps(content))
    return path


def found_in_clean_frames(ann_file):
    """Perfect boxes in clean frames, none and a false one in degraded frames."""
    truth = GroundTruth.from_coco_vid(ann_file, degraded='degradations')
    rows = ~truth.degraded[truth.frame_index]
    false = np.flatnonzero(truth.degraded)
    detections = Detections(
        np.concatenate([truth.frame_index[rows], false]),
        np.concatenate([truth.boxes[rows], np.tile([0.0, 0.0, 3.0, 3.0], (len(false), 1))]),
        np.ones(rows.sum() + len(false)),
        np.concatenate([truth.labels[rows], np.zeros(len(false), int)])).in_frame_order()
    return [video_of(truth, video_id, detections) for video_id in truth.videos]


def test_frames_leave_with_their_detections(ann_file, tmp_path, capsys):
    from eval_predictions import main

    videos, out = found_in_clean_frames(ann_file), tmp_path / 'numbers.json'
    write_predictions(tmp_path / 'p.npz', Predictions(
        videos, ('class_0', 'class_1', 'class_2')))
    arguments = [str(tmp_path / 'p.npz'), str(ann_file), '--json', str(out)]
    assert main([*arguments, '--degraded', 'degradations']) == 0
    values = json.loads(out.read_text())
    for name in ('voc_AP50', 'fgfa_AP50', 'mega_AP50', 'coco_AP50', 'coco_mAP'):
        assert values[f'{name}_clean'] == pytest.approx(1)
        assert values[f'{name}_degraded'] == 0
        assert 0 < values[name] < 1
    table = capsys.readouterr().out.splitlines()
    assert table[0].split()[-2:] == ['clean', 'degraded']
    rows = {line.split()[0]: line.split()[1:] for line in table if line}
    assert rows['frames'][0] == '7'
    assert rows['frames'][-2:] == ['5', '2']
    assert main([*arguments, '--degraded', 'blurred']) == 1
    assert "no image has the key 'blurred'" in capsys.readouterr().err
    assert main(arguments) == 0
    assert not [key for key in json.loads(out.read_text()) if key.endswith('clean')]


@pytest.mark.filterwarnings('ignore:.*frames have no predictions')
def test_without_frames_is_the_evaluation_of_the_others():
    for seed in range(5):
        detections, truth, values = random_scene(seed, crowds=seed % 2 == 1)
        frames = np.random.default_rng(seed).random(truth.num_frames) < 0.5
        part, kept = truth.select(frames), detections.of_frames(frames)
        np.testing.assert_array_equal(part.image_ids, np.array(truth.image_ids)[frames])
        alone = np.isin(detections.frame_index, np.flatnonzero(frames))
        np.testing.assert_array_equal(kept.scores, detections.scores[alone])
        image = np.array(truth.image_ids)[detections.frame_index[alone]]
        np.testing.assert_array_equal(np.array(part.image_ids)[kept.frame_index], image)
        values = MotionIoU(values, 3).select(truth, frames)
        assert len(values.values) == len(part.boxes)
        assert evaluate(kept, part, ('voc', ))['voc']['all'].num_gt.sum() == part.num_objects.sum()


def test_pycocotools_agrees(ann_file):
    from toy_vid_difficulty import difficulty

    content, rng = json.loads(ann_file.read_text()), np.random.default_rng(0)
    results = [dict(image_id=a['image_id'], category_id=int(rng.integers(1, 4)), score=rng.random(),
                    bbox=(np.array(a['bbox']) + rng.integers(-6, 7, 4)).tolist())
               for a in content['annotations'] * 6]
    rows = difficulty(content, results)
    videos = from_coco_results(results, CocoVIDFile(str(ann_file))).videos
    truth = GroundTruth.from_coco_vid(ann_file, degraded='degradations')
    values = Evaluation(truth, ReportOptions('coco', motion=False)).report(videos).values
    for name, key in (('all', 'coco_AP50'), ('clean', 'coco_AP50_clean'),
                      ('degraded', 'coco_AP50_degraded')):
        assert 100 * values[key] == pytest.approx(rows[name][2], rel=1e-9)
    assert len({round(row[2], 6) for row in rows.values()}) == 3


def test_no_degraded_frame_or_nothing_else(ann_file):
    truth = GroundTruth.from_coco_vid(ann_file)
    videos = found_in_clean_frames(ann_file)
    for mark in (False, True):
        marked = replace(truth, degraded=np.full(truth.num_frames, mark))
        report = Evaluation(marked, ReportOptions(protocols='voc', motion=False)).report(videos)
        same, empty = ('degraded', 'clean') if mark else ('clean', 'degraded')
        assert report.values[f'voc_AP50_{same}'] == report.values['voc_AP50']
        assert np.isnan(report.values[f'voc_AP50_{empty}'])
        assert report.num_frames == {'all': 7, same: 7, empty: 0}


def test_the_metric_knows_before_the_first_frame(ann_file):
    with pytest.raises(ValueError, match=r"no image has the key 'blurred'.*'degradations'"):
        ImageNetVIDMetric(str(ann_file), degraded='blurred')
    metric = ImageNetVIDMetric(str(ann_file), degraded='degradations', videos=['video_1'])
    metric.dataset_meta = dict(classes=('class_0', 'class_1', 'class_2'))
    report = Evaluation(metric.truth, metric.options, [2]).report(found_in_clean_frames(ann_file))
    assert report.values['voc_AP50_clean'] == pytest.approx(1)
    assert report.num_frames['clean'] == 2


@pytest.mark.parametrize(('value', 'degraded'), [
    (True, True), (False, False), (1, True), (0, False), ([], False), (['blur'], True),
    ('', False), ('blur', True)])
def test_marks(value, degraded):
    images = [dict(id=1, mark=value), dict(id=2, mark=not value)]
    assert degraded_frames(images, 'mark', 'x.json').tolist() == [degraded, not degraded]


def test_odd_marks_are_said():
    with pytest.raises(ValueError, match=r'x\.json: image 2 has mark 0\.3, expected true or'):
        degraded_frames([dict(id=1, mark=0), dict(id=2, mark=0.3)], 'mark', 'x.json')
    with pytest.warns(UserWarning, match=r"1 of 2 images have no 'mark' and count as clean"):
        assert degraded_frames([dict(id=1, mark=1), dict(id=2)], 'mark', 'x').tolist() == [
            True, False]
