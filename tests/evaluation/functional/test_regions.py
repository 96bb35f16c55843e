"""Ignore regions: what lies in them and matches no object is neither right nor wrong."""

import numpy as np
import pytest

from mmvod_plugins.evaluation.functional import (
    ALL,
    MOTION_GROUPS,
    GroundTruth,
    MotionIoU,
    evaluate,
    evaluate_per_video,
    motion_iou,
)

from .scenes import make_detections, make_truth

PROTOCOLS = ('voc', 'fgfa', 'mega', 'uavdt', 'coco')
CAR, REGION, INSIDE = [0, 0, 40, 40], [100, 100, 300, 200], [150, 120, 190, 160]
OVER_THE_EDGE = [85, 120, 125, 160]  # 25 of 40 columns inside: 0.625 of the box
FAR = [200, 0, 240, 40]
IN_A_REGION = [250, 150, 290, 190]
ROWS = [(0, 0, CAR), (0, 0, REGION), (0, 0, IN_A_REGION), (1, 0, REGION)]


def truth(**changes):
    crowd = np.array([box is REGION for *_, box in ROWS])
    return make_truth(ROWS, num_frames=3, crowd=crowd, **changes)


@pytest.mark.parametrize('protocol', PROTOCOLS)
@pytest.mark.parametrize(('before', 'false'), [
    pytest.param([(0, 0, INSIDE)], 0, id='in a region'),
    pytest.param([(0, 0, INSIDE)] * 3, 0, id='a region takes any number'),
    pytest.param([(1, 0, INSIDE)], 0, id='a frame with regions alone'),
    pytest.param([(0, 0, FAR)], 1, id='outside, in a frame with a region'),
    pytest.param([(1, 0, FAR)], 1, id='outside, in a frame with regions alone'),
    pytest.param([(2, 0, INSIDE)], 1, id='the region is in another frame'),
    pytest.param([(0, 0, [60, 50, 320, 240])], 1, id='a box around the region'),
])
def test_table(protocol, before, false):
    """The detections in question come before the hits of both objects."""
    hits = [(0, 0, 0.5, CAR), (0, 0, 0.4, IN_A_REGION)]
    detections = make_detections([
        *((frame, label, 0.9, box) for frame, label, box in before), *hits])
    result = evaluate(detections, truth(), (protocol, ))[protocol]['all']
    assert result.num_gt.tolist() == [2, 0]
    expected = [1.0, 2 / (2 + false)][bool(false)]
    assert result.ap[0] == pytest.approx(expected, rel=1e-9)
    video = evaluate_per_video(detections, truth(), (protocol, ))[protocol]
    if protocol != 'coco':
        assert video.ap[0, 0] == result.ap[0]


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_the_class_counts(protocol):
    """A region of class 0 says nothing of class 1, whose object is in the last frame."""
    both = make_truth([*ROWS, (2, 1, CAR)], num_frames=3,
                      crowd=np.array([*truth().crowd, False]))
    detections = make_detections([(0, 1, 0.9, INSIDE), (2, 1, 0.8, CAR)])
    assert evaluate(detections, both, (protocol, ))[protocol]['all'].ap[1] == pytest.approx(0.5)


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_objects_in_regions_come_first(protocol):
    """An object that overlaps less than the region does is found; its second box is passed over."""
    loose = [252, 150, 292, 190]
    detections = make_detections([(0, 0, 0.9, loose), (0, 0, 0.8, IN_A_REGION), (0, 0, 0.7, CAR)])
    result = evaluate(detections, truth(), (protocol, ))[protocol]['all']
    found = result.ap_by_iou[0] if protocol == 'coco' else result.ap
    assert found[0] == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize(('protocol', 'passed'), [('voc', True), ('fgfa', True), ('uavdt', False)])
def test_the_threshold_is_that_of_the_protocol(protocol, passed):
    detections = make_detections([(0, 0, 0.9, OVER_THE_EDGE), (0, 0, 0.5, CAR),
                                  (0, 0, 0.4, IN_A_REGION)])
    ap = evaluate(detections, truth(), (protocol, ))[protocol]['all'].ap[0]
    assert ap == pytest.approx(1 if passed else 2 / 3)


def test_uavdt_asks_for_more_overlap():
    detections = make_detections([(0, 0, 0.9, [0, 0, 40, 30]), (0, 0, 0.8, [250, 150, 290, 176])])
    results = evaluate(detections, truth(), ('voc', 'uavdt'))
    assert results['voc']['all'].ap[0] == pytest.approx(1)  # IoU 0.75 and 0.65
    assert results['uavdt']['all'].ap[0] == pytest.approx(0.5)


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_regions_change_nothing_where_nothing_is_detected_in_them(protocol):
    """Motion groups too: neither shares nor what a false positive is compared with."""
    plain = make_truth([row for row in ROWS if row[2] is not REGION], num_frames=3)
    detections = make_detections([(0, 0, 0.9, FAR), (1, 0, 0.8, FAR), (2, 0, 0.7, FAR),
                                  (0, 0, 0.6, CAR), (0, 0, 0.5, IN_A_REGION)])
    groups = (ALL, *MOTION_GROUPS)
    with_regions = evaluate(detections, truth(), (protocol, ), groups,
                            MotionIoU(np.array([0.95, 0.5, 0.5, 0.95]), 2))[protocol]
    without = evaluate(detections, plain, (protocol, ), groups,
                       MotionIoU(np.array([0.95, 0.5]), 2))[protocol]
    for name, value in without.groups.items():
        np.testing.assert_allclose(with_regions[name].ap, value.ap, rtol=1e-12)


def test_regions_need_no_instance_id_and_are_no_objects():
    box = dict(image_id=1, category_id=1, bbox=[0, 0, 20, 20])
    content = dict(
        categories=[dict(id=1, name='car')], videos=[dict(id=1, name='v')],
        images=[dict(id=n, video_id=1, frame_id=n - 1, file_name=f'{n}.jpg') for n in (1, 2)],
        annotations=[dict(id=1, instance_id=5, **box), dict(id=2, iscrowd=1, **box),
                     dict(id=3, iscrowd=1, **box | dict(image_id=2))])
    found = GroundTruth.from_coco_vid(content)
    assert found.has_instances
    assert len(np.unique(found.tracks)) == 3
    assert found.num_objects.tolist() == [1, 0]
    assert motion_iou(found).num_empty == 1
