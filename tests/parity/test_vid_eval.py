"""Evaluation against mega.pytorch's recorded results."""

from dataclasses import replace

import numpy as np
import pytest

from mmvod_plugins.evaluation.functional import (
    ALL,
    MEGA,
    Detections,
    GroundTruth,
    Group,
    MotionIoU,
    evaluate,
    proposal_recall,
)

from .golden import case_name, cases, load, note

#: The recorded results are exact: only the order of sums may differ.
RTOL = 1e-12

all_cases = pytest.mark.parametrize('path', cases('mega_pytorch/vid_eval*.npz'))


def assert_equal(path, name, mine, golden):
    mine, golden = np.asarray(mine, dtype=np.float64), np.asarray(golden)
    assert mine.shape == golden.shape
    assert np.array_equal(np.isnan(mine), np.isnan(golden)), name
    worst = float(np.nan_to_num(np.abs(mine - golden)).max(initial=0))
    note(f'{case_name(path)} {name}', f'off by {worst:.1e}, limit {RTOL:.0e}')
    np.testing.assert_allclose(mine, golden, rtol=RTOL, atol=RTOL, err_msg=name)


def arrays(data):
    """Detections and ground truth of a recorded set; every frame is a video."""
    num_frames, num_boxes = len(data['gt_count']), len(data['gt_boxes'])
    frames = np.arange(num_frames)
    truth = GroundTruth(
        image_ids=frames.tolist(), video_ids=frames.tolist(), frame_ids=np.zeros_like(frames),
        num_boxes=data['gt_count'], boxes=data['gt_boxes'].astype(np.float64),
        labels=data['gt_labels'], instance_ids=None, crowd=np.zeros(num_boxes, dtype=bool),
        areas=np.ones(num_boxes), img_shapes=np.tile(data['frame_wh'][::-1], (num_frames, 1)),
        classes=tuple(f'class {c}' for c in range(len(data['plain_ap']))))
    detections = Detections(np.repeat(frames, data['pred_count']), data['pred_boxes'],
                            data['pred_scores'], data['pred_labels'])
    return detections, truth


def protocols(data):
    """mega.pytorch's rules at the file's threshold, with both rules for AP."""
    exact = replace(MEGA, iou=float(data['iou_threshold']))
    return exact, replace(exact, name='mega_07', ap_rule='11_points')


def assert_curves(path, data, kind, result):
    names = [name for name in data if name.startswith(f'{kind}_precision_')]
    assert names
    for name in names:
        label = int(name.rsplit('_', 1)[1])
        precision, recall = result.curves[label]
        assert_equal(path, name, precision, data[name])
        assert_equal(path, f'{kind}_recall_{label}', recall, data[f'{kind}_recall_{label}'])


@all_cases
def test_plain(path):
    data = load(path)
    results = evaluate(*arrays(data), protocols(data), curves=True)
    for suffix in ('', '_07'):
        result = results[f'mega{suffix}']['all']
        assert_equal(path, f'plain_ap{suffix}', result.ap, data[f'plain_ap{suffix}'])
        assert_equal(path, f'plain_map{suffix}', result.mean_ap, data[f'plain_map{suffix}'])
    assert_curves(path, data, 'plain', results['mega']['all'])


def motion_results(data, values, ranges, **options):
    groups = [Group(str(tuple(limits)), motion=tuple(limits)) for limits in ranges.tolist()]
    result = evaluate(*arrays(data), protocols(data)[:1], groups, MotionIoU(values),
                      **options)['mega']
    return [result[group.name] for group in groups]


@all_cases
def test_motion_groups(path):
    data = load(path)
    results = motion_results(data, data['gt_motion_iou'], data['motion_ranges'], curves=True)
    assert_equal(path, 'motion_ap', [result.ap for result in results], data['motion_ap'])
    assert_equal(path, 'motion_map', [result.mean_ap for result in results], data['motion_map'])
    fast = data['motion_ranges'].tolist().index([0, 0.7])
    assert_curves(path, data, 'fast', results[fast])


@all_cases
def test_groups_of_slow_objects_only(path):
    data = load(path)
    results = motion_results(data, data['motion2_iou'], data['motion2_ranges'])
    assert_equal(path, 'motion2_ap', [result.ap for result in results], data['motion2_ap'])


@all_cases
def test_plain_is_the_group_of_all_objects(path):
    data = load(path)
    plain = evaluate(*arrays(data), protocols(data)[:1], (ALL, ))['mega']['all']
    whole = motion_results(data, data['gt_motion_iou'], np.array([[0.0, 1.0]]))[0]
    np.testing.assert_array_equal(plain.ap, whole.ap)


@all_cases
def test_proposal_recall(path):
    data = load(path)
    names = [name for name in data if name.startswith('proposal_recall')]
    assert names
    for name in names:
        limit = int(name.partition('_limit')[2] or 300)
        recall = proposal_recall(*arrays(data), limit=limit,
                                 iou_threshold=float(data['iou_threshold']))
        # These were recorded in single precision.
        assert_equal(path, name, np.float32(recall), np.float32(data[name]))
