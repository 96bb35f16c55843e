"""AP by the protocols of ImageNet VID: tables, laws, and equality with a plain transcription."""

from dataclasses import replace

import numpy as np
import pytest
from plain_vid_eval import Frame, plain_ap

from mmvod_plugins.evaluation.functional import (
    ALL,
    AREA_GROUPS,
    FGFA,
    MEGA,
    MOTION_GROUPS,
    VOC,
    Group,
    MotionIoU,
    Protocol,
    evaluate,
    pairs,
)

from .scenes import make_detections, make_truth, random_scene, shuffled

THREE = (VOC, FGFA, MEGA)
GROUPS = (ALL, *MOTION_GROUPS)
NAN = float('nan')
BOX, FAR = [0, 0, 99, 99], [150, 150, 199, 199]
OFF = [0, 0, 99, 199]  # twice as high as BOX: IoU 99 / 199, or 0.5 with inclusive pixels


def plain_scene(detections, truth, values):
    return [Frame(detections.boxes[rows], detections.scores[rows], detections.labels[rows],
                  truth.boxes[own], truth.labels[own], values[own], truth.crowd[own])
            for rows, own in ((detections.frame_index == f, truth.frame_index == f)
                              for f in range(truth.num_frames))]


def assert_same(results, others):
    assert list(results) == list(others)
    for name, result in results.items():
        for group, value in result.groups.items():
            np.testing.assert_array_equal(value.ap, others[name][group].ap)
            np.testing.assert_array_equal(value.num_gt, others[name][group].num_gt)


@pytest.mark.parametrize('tied_scores', [False, True], ids=['scores differ', 'scores are tied'])
@pytest.mark.parametrize('crowds', [False, True], ids=['no crowds', 'crowds'])
def test_fast_is_plain(crowds, tied_scores):
    for seed in range(10):
        detections, truth, values = random_scene(seed, crowds=crowds, tied_scores=tied_scores)
        plain_protocols = (VOC, FGFA, replace(MEGA, clip_truth=False))
        motion = MotionIoU(values, num_empty=seed % 3)
        results = evaluate(detections, truth, plain_protocols, (*GROUPS, *AREA_GROUPS), motion)
        by_motion = plain_scene(detections, truth, values)
        by_area = plain_scene(detections, truth, truth.areas)
        for name, result in results.items():
            for group in GROUPS:
                plain = plain_ap(by_motion, truth.num_classes, name, group.motion, motion.num_empty)
                np.testing.assert_allclose(result[group.name].ap, plain, rtol=1e-12, atol=1e-14)
            for group in AREA_GROUPS:
                plain = plain_ap(by_area, truth.num_classes, name, group.area)
                np.testing.assert_allclose(result[group.name].ap, plain, rtol=1e-12, atol=1e-14)


def test_random_scenes_hold_what_is_hard():
    """Otherwise the comparison above says little."""
    scenes = [random_scene(seed) for seed in range(10)]
    results = [evaluate(detections, truth, THREE, GROUPS, MotionIoU(values))
               for detections, truth, values in scenes]
    aps = np.array([[[value.mean_ap for value in result.groups.values()]
                     for result in each.values()] for each in results])
    assert np.all(aps.std(axis=0) > 0.01)
    assert np.all(np.ptp(aps, axis=1).max(axis=0) > 0.01), 'protocols differ in every group'


@pytest.mark.parametrize(('protocol', 'detected', 'ap'), [
    # Doubled in height, 100 x 100 pixels: overlap 99/199, 100/200 and 101/201.
    pytest.param(VOC, OFF, 0, id='continuous: just below a half'),
    pytest.param(MEGA, OFF, 1, id='one pixel twice: just above'),
    pytest.param(replace(FGFA, threshold='fixed'), OFF, 1, id='a half is enough'),
    pytest.param(VOC, BOX, 1, id='same box'),
])
def test_pixels_count(protocol, detected, ap):
    truth = make_truth([(0, 0, BOX)])
    result = evaluate(make_detections([(0, 0, 0.9, detected)]), truth, (protocol, ))
    np.testing.assert_allclose(result[protocol.name]['all'].ap, [ap, NAN], rtol=1e-12)


@pytest.mark.parametrize(('side', 'needed'), [(10, 0.25), (5, 1 / 9), (100, 0.5)])
def test_fgfa_asks_less_of_small_objects(side, needed):
    boxes = np.array([[0, 0, side - 1, side - 1]], dtype=float)
    np.testing.assert_allclose(FGFA.thresholds(boxes), [needed])
    np.testing.assert_array_equal(MEGA.thresholds(boxes), [0.5])


@pytest.mark.parametrize(('rows', 'ap'), [
    pytest.param([(0.9, BOX)], 0.5, id='one of two found'),
    pytest.param([(0.9, BOX), (0.8, FAR)], 1.0, id='both found'),
    pytest.param([(0.9, [0, 200, 9, 209]), (0.8, BOX), (0.7, FAR)], 2 / 3, id='false first'),
    pytest.param([(0.9, BOX), (0.8, BOX), (0.7, FAR)], 0.5 + 0.5 * 2 / 3, id='found twice'),
    pytest.param([(0.9, BOX), (0.8, FAR), (0.7, BOX)], 1.0, id='found twice, but last'),
    pytest.param([], 0.0, id='nothing detected'),
])
@pytest.mark.parametrize('protocol', THREE, ids=lambda p: p.name)
def test_table_of_ap(protocol, rows, ap):
    truth = make_truth([(0, 0, BOX), (0, 0, FAR)])
    detections = make_detections([(0, 0, score, box) for score, box in rows])
    result = evaluate(detections, truth, (protocol, ))[protocol.name]['all']
    np.testing.assert_allclose(result.ap, [ap, NAN], rtol=1e-12)
    np.testing.assert_array_equal(result.num_gt, [2, 0])
    assert result.mean_ap == pytest.approx(ap)


SLOW, FAST = Group('slow', motion=(0.9, 1.0)), Group('fast', motion=(0.0, 0.7))
NEAR_FAR = [150, 170, 199, 219]  # touches FAR only, overlap 0.43 at most
NOWHERE = [250, 0, 299, 49]


@pytest.mark.parametrize(('protocol', 'group', 'score_first', 'false'), [
    # BOX is slow, FAR is fast, both of class 0; class 1 has a fast object in frame 1 only.
    pytest.param(MEGA, SLOW, (0, 0, FAR), 0, id='matched to an ignored object'),
    pytest.param(MEGA, SLOW, (0, 0, NEAR_FAR), 0, id='nearest to an ignored object'),
    pytest.param(MEGA, FAST, (0, 0, NEAR_FAR), 1, id='nearest to a counting object'),
    pytest.param(MEGA, SLOW, (0, 0, NOWHERE), 0.5, id='nearest to none: ignored share'),
    pytest.param(MEGA, SLOW, (1, 0, NOWHERE), 1 / 3, id='mega: frame without the class'),
    pytest.param(FGFA, SLOW, (1, 0, NOWHERE), 0, id='fgfa: all of the frame ignored'),
    pytest.param(FGFA, FAST, (1, 0, NOWHERE), 1, id='fgfa: all of the frame count'),
    pytest.param(FGFA, SLOW, (2, 0, NOWHERE), 1 / 3, id='fgfa: empty frame'),
    pytest.param(VOC, SLOW, (2, 0, NOWHERE), 1 / 3, id='voc is as mega'),
])
def test_table_of_false_positives(protocol, group, score_first, false):
    """A detection in question comes before a hit: precision is 1 / (1 + its weight)."""
    truth = make_truth([(0, 0, BOX), (0, 0, FAR), (1, 1, BOX)], num_frames=3)
    frame, label, box = score_first
    hit = BOX if group is SLOW else FAR
    detections = make_detections([(frame, label, 0.9, box), (0, 0, 0.8, hit)])
    result = evaluate(detections, truth, (protocol, ), (group, ),
                      MotionIoU(np.array([0.95, 0.5, 0.5])))
    assert result[protocol.name][group.name].ap[0] == pytest.approx(1 / (1 + false), rel=1e-12)


@pytest.mark.parametrize(('protocol', 'num_empty', 'weight'), [
    (FGFA, 0, 2 / 3), (FGFA, 3, 5 / 6), (MEGA, 3, 5 / 6), (VOC, 0, 2 / 3)], ids=str)
def test_empty_frames_weigh_as_the_share_of_the_group(protocol, num_empty, weight):
    truth = make_truth([(0, 0, BOX), (0, 0, FAR), (1, 1, BOX)], num_frames=3)
    detections = make_detections([(2, 0, 0.9, BOX), (0, 0, 0.8, FAR)])
    motion = MotionIoU(np.array([0.95, 0.5, 0.5]), num_empty)
    result = evaluate(detections, truth, (protocol, ), (FAST, ), motion)[protocol.name]
    assert result['fast'].ap[0] == pytest.approx(1 / (1 + weight), rel=1e-12)


@pytest.mark.parametrize(('protocol', 'weight'), [(FGFA, 1.0), (MEGA, 1.0)])
def test_a_group_of_all_objects_counts_all_false_positives(protocol, weight):
    assert protocol.empty_frame_weight(1.0) == weight


@pytest.mark.parametrize('values', [(0.95, 0.5), (0.5, 0.95)], ids=['first', 'second'])
def test_of_equal_overlaps_the_counting_object_wins(values):
    """Two objects with the same box, one detection: it is a hit whichever comes first."""
    truth = make_truth([(0, 0, BOX), (0, 0, BOX)])
    result = evaluate(make_detections([(0, 0, 0.9, BOX)]), truth, THREE, (SLOW, ),
                      MotionIoU(np.array(values)))
    for value in result.values():
        assert value['slow'].ap[0] == pytest.approx(1, rel=1e-12)


def test_mega_clips_ground_truth():
    truth = make_truth([(0, 0, [-100, 0, 99, 99])])
    detections = make_detections([(0, 0, 0.9, BOX)])
    assert evaluate(detections, truth, (MEGA, ))['mega']['all'].mean_ap == pytest.approx(1)
    inside = evaluate(detections, truth, (replace(MEGA, clip_truth=False, offset=0), ))
    assert inside['mega']['all'].mean_ap == 0


def test_clipping_ends_at_the_last_pixel():
    truth = make_truth([(0, 0, [300, 200, 340, 260])])
    np.testing.assert_array_equal(MEGA.boxes(truth), [[300, 200, 319, 239]])
    unknown = replace(truth, img_shapes=np.zeros((1, 2), dtype=np.int64))
    np.testing.assert_array_equal(MEGA.boxes(unknown), truth.boxes)
    np.testing.assert_array_equal(FGFA.boxes(truth), truth.boxes)


def test_eleven_points():
    """Found one of two: precision 1 up to recall 0.5, which are 6 of 11 points."""
    truth = make_truth([(0, 0, BOX), (0, 0, FAR)])
    protocol = Protocol('voc07', offset=0, ap_rule='11_points')
    result = evaluate(make_detections([(0, 0, 0.9, BOX)]), truth, (protocol, ))
    assert result['voc07']['all'].ap[0] == pytest.approx(6 / 11)


def test_curves():
    truth = make_truth([(0, 0, BOX), (0, 0, FAR)])
    detections = make_detections([(0, 0, 0.9, BOX), (0, 0, 0.8, NOWHERE), (0, 1, 0.7, BOX)])
    curves = evaluate(detections, truth, ('voc', ), curves=True)['voc']['all'].curves
    np.testing.assert_allclose(curves[0], [[1, 0.5], [0.5, 0.5]])
    np.testing.assert_allclose(curves[1], [[0], [NAN]])


def test_protocols_do_not_influence_each_other():
    for seed in range(3):
        detections, truth, values = random_scene(seed)
        names = ('voc', 'fgfa', 'mega', 'coco')
        together = evaluate(detections, truth, names, GROUPS, MotionIoU(values))
        for name in names:
            alone = evaluate(detections, truth, (name, ), GROUPS, MotionIoU(values))
            assert_same(alone, {name: together[name]})
        single = {name: evaluate(detections, truth, (name, ), (SLOW, ), MotionIoU(values))[name]
                  for name in names}
        for name in names:
            np.testing.assert_array_equal(single[name]['slow'].ap, together[name]['slow'].ap)


def test_chunks_are_the_whole(monkeypatch):
    for seed in range(3):
        detections, truth, values = random_scene(seed)
        arguments = (truth, (*THREE, 'coco'), (*GROUPS, *AREA_GROUPS), MotionIoU(values))
        whole = evaluate(detections, *arguments)
        monkeypatch.setattr(pairs, 'CHUNK', 1)
        assert_same(evaluate(detections, *arguments), whole)


def test_order_of_frames_and_precision_of_scores_do_not_matter():
    for seed in range(3):
        detections, truth, values = random_scene(seed, tied_scores=True)
        arguments = (truth, (*THREE, 'coco'), GROUPS, MotionIoU(values))
        expected = evaluate(detections, *arguments)
        other = shuffled(detections, np.random.default_rng(seed))
        assert_same(evaluate(other, *arguments), expected)
        double = replace(detections, scores=detections.scores.astype(np.float64),
                         labels=detections.labels.astype(np.int64))
        assert_same(evaluate(double, *arguments), expected)


def test_nothing_handed_in_is_changed():
    detections, truth, values = random_scene(0)
    copies = [array.copy() for array in (detections.boxes, detections.scores, truth.boxes, values)]
    evaluate(detections, truth, ('voc', 'fgfa', 'mega', 'coco'), GROUPS, MotionIoU(values))
    for copy, array in zip(copies, (detections.boxes, detections.scores, truth.boxes, values),
                           strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(('rows', 'num_frames'), [([], 0), ([], 3), ([(1, 0, BOX)], 3)])
@pytest.mark.parametrize('found', [False, True])
def test_empty_data(rows, num_frames, found):
    truth = make_truth(rows, num_frames)
    detections = make_detections([(0, 0, 0.9, BOX)] if found and num_frames else [])
    results = evaluate(detections, truth, (*THREE, 'coco'), (*GROUPS, *AREA_GROUPS),
                       MotionIoU(np.full(len(rows), 0.5), 2))
    for result in results.values():
        expected = [0, NAN] if rows else [NAN, NAN]
        np.testing.assert_array_equal(result['all'].ap, expected)
        np.testing.assert_array_equal(result['fast'].ap, expected)
        assert np.isnan(result['slow'].mean_ap)


@pytest.mark.parametrize(('options', 'message'), [
    (dict(protocols=('voc', 'pascal')), "unknown protocol 'pascal'"),
    (dict(protocols=('voc', VOC)), 'occurs twice'),
    (dict(groups=(ALL, ALL)), 'occurs twice'),
    (dict(groups=(SLOW, )), 'needs the motion IoU of 1 boxes, found none'),
    (dict(groups=(SLOW, ), motion=MotionIoU(np.ones(2))), 'found 2 values'),
])
def test_impossible_orders_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        evaluate(make_detections([]), make_truth([(0, 0, BOX)]), **options)


@pytest.mark.parametrize('field', ['threshold', 'compared', 'empty_weight', 'ap_rule'])
def test_misspelt_rules_are_refused(field):
    with pytest.raises(ValueError, match=f'{field} is'):
        Protocol('mine', offset=0, **{field: 'none'})


def test_a_group_has_one_range():
    with pytest.raises(ValueError, match='make two groups'):
        Group('both', motion=(0, 1), area=(0, 1))
