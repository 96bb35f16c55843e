"""Per-frame suppression, pooled detectors, tubelets."""

import copy

import numpy as np
import pytest
from mmdet.registry import TASK_UTILS

from mmvod_plugins.postprocessing import (
    PerFrameNMS,
    SeqNMS,
    ensemble,
    kept_by_nms,
    looks_suppressed,
    tubelets,
)
from mmvod_plugins.structures.boxes import pairwise_iou

from .videos import content, random_video, shuffled_in_frames, video_of


def plain_nms(video, iou, pixel_offset):
    kept = np.zeros(len(video), dtype=bool)
    for row in np.argsort(-video.scores, kind='stable'):
        same = (kept & (video.labels == video.labels[row])
                & (video.frame_index == video.frame_index[row]))
        overlaps = pairwise_iou(video.boxes[[row]], video.boxes[same], pixel_offset)
        kept[row] = not (overlaps > iou).any()
    return kept


@pytest.mark.parametrize('iou', [0.0, 0.3, 0.5, 0.7, 1.0])
def test_keeps_what_a_plain_loop_keeps(iou):
    for seed in range(4):
        video = random_video(seed, num_boxes=25)
        for offset in (0.0, 1.0):
            np.testing.assert_array_equal(kept_by_nms(video, iou, offset),
                                          plain_nms(video, iou, offset))


def test_a_suppressed_box_suppresses_nothing():
    out = PerFrameNMS(iou=0.5)(video_of([[(0, 0.9), (3, 0.8), (6, 0.7)]]))
    assert out.boxes[:, 0].tolist() == [0, 6]
    assert out.suppressed is True


def test_overlap_at_the_threshold_stays():
    assert len(PerFrameNMS(iou=0.6)(video_of([[(0, 0.9), (2.5, 0.8)]]))) == 2


def test_of_equal_boxes_the_first_stays():
    video = video_of([[(0, 0.5), (0, 0.5)]], proposal_ids=np.array([4, 7]))
    assert PerFrameNMS()(video).proposal_ids.tolist() == [4]


def test_threshold_and_cap():
    video = video_of([[(0, 0.9), (30, 0.1), (60, 0.3, 1), (90, 0.2)], [(0, 0.05)]])
    processor = TASK_UTILS.build(dict(type='PerFrameNMS', max_per_frame=2, score_threshold=0.05))
    out = processor(video)
    assert out.scores.tolist() == [0.9, 0.3]
    assert out.num_boxes.tolist() == [2, 0]


def test_the_order_of_boxes_inside_a_frame_does_not_matter():
    video = random_video(1, num_boxes=25)
    before = copy.deepcopy(video)
    shuffled, _ = shuffled_in_frames(video)
    assert content(PerFrameNMS()(shuffled)) == content(PerFrameNMS()(video))
    assert video.equals(before)


def test_suppression_is_told_from_the_boxes():
    video = random_video(2, num_frames=30, num_boxes=25)
    assert not looks_suppressed(video)
    assert looks_suppressed(PerFrameNMS(iou=0.6)(video))
    assert not looks_suppressed(video_of([[]]))


def test_refuses_impossible_options():
    with pytest.raises(ValueError, match='iou must be from 0 to 1'):
        PerFrameNMS(iou=1.5)


def test_an_ensemble_pools_frame_by_frame():
    first = video_of([[(0, 0.4)], [(0, 0.6)]], class_scores=np.full((2, 3), 0.4))
    second = video_of([[(1, 0.8), (30, 0.2)], []], class_scores=np.full((2, 3), 0.8),
                      image_ids=np.array([7, 8]))
    pool = ensemble([first, second], weights=[1, 0.5])
    assert pool.num_boxes.tolist() == [3, 1]
    assert pool.scores.tolist() == [0.4, 0.4, 0.1, 0.6]
    assert pool.class_scores[:, 0].tolist() == [0.4, 0.4, 0.4, 0.4]
    assert pool.image_ids.tolist() == [7, 8]
    assert pool.suppressed is False


def test_an_ensemble_can_be_suppressed():
    first, second = video_of([[(0, 0.4)]]), video_of([[(1, 0.8), (30, 0.2)]])
    pool = ensemble([first, second], nms_iou=0.5)
    assert pool.scores.tolist() == [0.8, 0.2]
    assert pool.suppressed is True


def test_an_ensemble_drops_what_counts_within_one_detector():
    first, second = random_video(1, relations=True), random_video(1, relations=True)
    pool = ensemble([first.with_arrays(suppressed=True), second])
    assert (pool.proposal_ids, pool.relations, pool.class_scores, pool.suppressed) == (None, ) * 4


def test_an_ensemble_of_one_is_its_detections():
    video = random_video(2)
    assert ensemble([video]).equals(video)


@pytest.mark.parametrize(('change', 'message'), [
    (dict(frame_ids=np.array([0, 2])), r'\[1, 2\]'), (dict(video_id='other'), "'other'")])
def test_an_ensemble_needs_the_same_frames(change, message):
    video = video_of([[(0, 0.4)], [(0, 0.6)]])
    with pytest.raises(ValueError, match=message):
        ensemble([video, video.with_arrays(**change)])


def test_an_ensemble_needs_a_weight_for_each():
    with pytest.raises(ValueError, match='0 videos'):
        ensemble([])
    with pytest.raises(ValueError, match='1 videos and 2 weights'):
        ensemble([video_of([[]])], weights=[1, 2])


def test_tubelets_are_the_tracks():
    found = tubelets(SeqNMS()(video_of([[(0, 0.2, 2)], [(1, 0.4, 2), (40, 0.9, 2)]],
                                       frame_ids=[5, 6])))
    assert [(t.track_id, t.label, t.frame_ids.tolist(), t.boxes[:, 0].tolist()) for t in found] == [
        (0, 2, [6], [40]), (1, 2, [5, 6], [0, 1])]
    np.testing.assert_allclose(found[1].scores, 0.3)


def test_tubelets_leave_boxes_without_a_track_out():
    video = video_of([[(0, 0.2), (30, 0.4)]])
    assert [t.track_id for t in tubelets(video.with_arrays(track_ids=np.array([-1, 3])))] == [3]
    assert tubelets(video_of([[]], track_ids=np.zeros(0, np.int64))) == []


def test_a_track_of_several_classes_is_a_tubelet_for_each():
    video = video_of([[(0, 0.9, 1), (0, 0.3, 2)], [(1, 0.8, 1)]], track_ids=np.array([4, 4, 4]))
    found = tubelets(video)
    assert [(t.track_id, t.label, t.frame_ids.tolist()) for t in found] == [
        (4, 1, [0, 1]), (4, 2, [0])]


def test_tubelets_need_tracks():
    video = video_of([[(0, 0.2, 1), (30, 0.4, 2)]])
    with pytest.raises(ValueError, match='no track_ids'):
        tubelets(video)
    assert tubelets(video_of([[]], track_ids=np.zeros(0, np.int64))) == []


def test_whole_boxes_are_suppressed_with_all_their_classes():
    frame = [(0, 0.3, 0), (0, 0.6, 1), (3, 0.5, 2), (3, 0.55, 1), (40, 0.1, 0), (40, 0.2, 2)]
    out = PerFrameNMS(class_agnostic=True)(video_of([frame, [(0, 0.1)]]))
    rows = zip(out.boxes[:, 0].tolist(), out.labels.tolist(), out.scores.tolist(), strict=True)
    assert list(rows) == [(0, 0, 0.3), (0, 1, 0.6), (40, 0, 0.1), (40, 2, 0.2), (0, 0, 0.1)]
    assert out.num_boxes.tolist() == [4, 1]


def test_whole_boxes_of_one_class_are_suppressed_as_ever():
    video = random_video(3, num_classes=1, num_boxes=25)
    plain, whole = PerFrameNMS()(video), PerFrameNMS(class_agnostic=True)(video)
    assert plain.equals(whole)


@pytest.mark.parametrize('class_agnostic', [False, True])
def test_nothing_is_above_the_threshold(class_agnostic):
    processor = PerFrameNMS(score_threshold=0.95, class_agnostic=class_agnostic)
    assert processor(video_of([[(0, 0.9)], []])).num_boxes.tolist() == [0, 0]
