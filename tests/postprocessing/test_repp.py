"""REPP by hand-computed cases, and the laws of a post-processor."""

import copy

import numpy as np
import pytest
from mmdet.registry import TASK_UTILS

from mmvod_plugins.postprocessing import REPP
from mmvod_plugins.postprocessing.greedy_tubelets import joined_so_far
from mmvod_plugins.postprocessing.repp import repp_distance

from .score_videos import FULL_MODEL, IOU_MODEL, random_video, table, video

HALF = (0.0, 0.0, 10.0, 20.0)  # of the box at 0 it is twice as high: IoU and P(match) are 0.5


def repp(**options):
    return REPP(IOU_MODEL, **options)


def test_distance():
    vectors_a, vectors_b = np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[0.2, 0.6], [0.0, 1.0]])
    found = repp_distance(np.array([[0.9, 0.79], [0.8, 1.0]]), vectors_a, vectors_b, 0.8)
    np.testing.assert_allclose(found, [[1 - 0.4 * 0.9, np.inf], [1 - 0.2 * 0.8, np.inf]])


@pytest.mark.parametrize(('match_threshold', 'num_linked'), [
    (0.4, 2), (0.5, 2), (0.5001, 0), (0.8, 0)])
def test_boxes_below_the_threshold_are_not_linked_and_dropped(match_threshold, num_linked):
    given = video([[(0, 0, 0.9)], [(HALF, 0, 0.9)]])
    assert len(repp(match_threshold=match_threshold)(given)) == num_linked


def test_every_box_of_a_tubelet_has_its_mean_scores():
    given = video([[(0, 0, 0.9), (0, 1, 0.3)], [(0, 0, 0.6)], [(0, 0, 0.3), (0, 1, 0.6)]])
    assert table(repp()(given)) == [(t, 0, label, score) for t in range(3)
                                    for label, score in ((0, 0.6), (1, 0.3))]


def test_classes_that_are_not_above_min_score_are_left_out():
    given = video([[(0, 0, 0.9), (0, 1, 0.5), (0, 2, 0.1)], [(0, 0, 0.9), (0, 1, 0.5)]])
    assert repp(min_score=0.5)(given).labels.tolist() == [0, 0]
    assert repp(min_score=0.04)(given).labels.tolist() == [0, 1, 2] * 2


def test_boxes_are_smoothed():
    """Two boxes at 0 and 0.2 of the taps 0.2741, 0.4519, 0.2741 see 0 | 0 0.2 | 0.2."""
    given = video([[(0, 0, 0.9)], [(0.2, 0, 0.9)]])
    near = np.exp(-0.5) / (1 + 2 * np.exp(-0.5))
    result = repp(smooth_std=1.0)(given)
    np.testing.assert_allclose(result.boxes[:, 0], [0.2 * near, 0.2 * (1 - near)])
    np.testing.assert_allclose(result.boxes[:, 2], [10 + 0.2 * near, 10 + 0.2 * (1 - near)])
    assert np.array_equal(repp(smooth_std=None)(given).boxes, given.boxes)


@pytest.mark.parametrize(('options', 'expected', 'track_ids'), [
    (dict(), [(0, 0, 0, 0.7), (1, 0, 0, 0.7)], [0, 0]),
    (dict(add_unmatched=True),
     [(0, 0, 0, 0.7), (0, 50, 1, 0.8), (1, 0, 0, 0.7), (2, 90, 0, 0.6)], [0, -1, 0, -1]),
    (dict(causal=True), [(1, 0, 0, 0.7)], [0]),
    (dict(causal=True, add_unmatched=True),
     [(0, 0, 0, 0.9), (0, 50, 1, 0.8), (1, 0, 0, 0.7), (2, 90, 0, 0.6)], [0, 1, 0, 2]),
], ids=['dropped', 'kept', 'causal', 'causal, kept'])
def test_boxes_linked_to_none(options, expected, track_ids):
    given = video([[(0, 0, 0.9), (50, 1, 0.8)], [(0, 0, 0.5)], [(90, 0, 0.6)]])
    result = repp(**options)(given)
    assert table(result) == expected
    assert result.track_ids.tolist() == track_ids
    assert result.num_frames == 3


def test_scores_decide_between_boxes_that_fit_alike():
    given = video([[(0, 0, 0.9)], [(1, 1, 0.9), (-1, 0, 0.2)]])
    assert table(repp(smooth_std=None)(given)) == [(0, 0, 0, 0.55), (1, -1, 0, 0.55)]


def test_boxes_without_a_common_class_are_not_linked():
    assert len(repp()(video([[(0, 0, 0.9)], [(0, 1, 0.9)]]))) == 0


@pytest.mark.parametrize(('frame_ids', 'track_ids'), [
    ([0, 1, 2, 3], [0, 0, 0, 0]),
    ([5, 15, 25, 35], [0, 0, 0, 0]),
    ([0, 1, 3, 4], [0, 0, 1, 1]),
    ([0, 1, 2, 9], [0, 0, 0]),
], ids=['all', 'every tenth', 'gap', 'last one apart'])
def test_frames_with_others_between_are_not_linked(frame_ids, track_ids):
    given = video([[(0, 0, 0.9)]] * 4, frame_ids=frame_ids)
    assert repp()(given).track_ids.tolist() == track_ids


@pytest.mark.parametrize(('frame_ids', 'expected'), [
    ([0, 1, 3, 4], [True, False, True]), ([0, 10, 20, 25], [True, True, True]), ([7], [])])
def test_a_step_is_judged_by_those_before(frame_ids, expected):
    assert joined_so_far(np.array(frame_ids)).tolist() == expected


def test_one_frame_has_no_tubelets():
    given = video([[(0, 0, 0.9)]])
    assert len(repp()(given)) == 0
    assert table(repp(add_unmatched=True)(given)) == table(given)


def test_a_video_without_detections_stays():
    given = video([[], []])
    assert repp()(given) is given


def test_fields_of_a_detection_follow_its_box():
    given = video([[(0, 0, 0.9), (50, 1, 0.8)], [(50, 1, 0.8), (0, 0, 0.9)]]).with_arrays(
        proposal_ids=np.array([3, 4, 5, 6]), image_ids=np.array([11, 12]),
        class_scores=np.array([[0.9, 0.1], [0.2, 0.8], [0.2, 0.8], [0.9, 0.1]]))
    result = repp()(given)
    assert result.labels.tolist() == [0, 1] * 4
    assert result.proposal_ids.tolist() == [3, 3, 4, 4, 5, 5, 6, 6]
    assert result.track_ids.tolist() == [0, 0, 1, 1, 1, 1, 0, 0]
    np.testing.assert_allclose(result.class_scores[:4],
                               [[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8]])
    assert result.image_ids.tolist() == [11, 12]


def test_types_stay():
    given = random_video()
    given = given.with_arrays(boxes=given.boxes.astype(np.float32),
                              scores=given.scores.astype(np.float32))
    result = REPP(FULL_MODEL)(given)
    assert result.boxes.dtype == result.scores.dtype == np.float32
    assert result.labels.dtype == result.num_boxes.dtype == result.track_ids.dtype == np.int64


OPTIONS = [dict(), dict(add_unmatched=True), dict(causal=True),
           dict(causal=True, add_unmatched=True), dict(smooth_std=None, match_threshold=0.0)]


def in_order(result):
    """Boxes, labels and scores of every frame, sorted."""
    rows = np.column_stack([result.frame_index, result.labels, result.scores, result.boxes])
    return rows[np.lexsort(rows.round(9).T[::-1])]


@pytest.mark.parametrize('options', OPTIONS, ids=str)
def test_the_order_of_detections_does_not_matter(options):
    given = random_video()
    rng = np.random.default_rng(1)
    order = np.lexsort((rng.random(len(given)), given.frame_index))
    shuffled = given.with_arrays(boxes=given.boxes[order], scores=given.scores[order],
                                 labels=given.labels[order])
    results = [in_order(REPP(FULL_MODEL, **options)(item)) for item in (given, shuffled)]
    assert len(results[0])
    np.testing.assert_allclose(*results, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('options', OPTIONS, ids=str)
def test_what_is_given_stays_as_it_is(options):
    given = random_video()
    before = copy.deepcopy(given)
    result = REPP(FULL_MODEL, **options)(given)
    assert given.equals(before)
    assert not any(np.shares_memory(getattr(result, name), getattr(given, name))
                   for name in ('boxes', 'scores', 'labels', 'num_boxes'))


def test_videos_do_not_mix():
    processor = REPP(FULL_MODEL)
    first, second = random_video(0), random_video(1)
    alone = REPP(FULL_MODEL)(second)
    processor(first)
    assert processor(second).equals(alone)


@pytest.mark.parametrize('add_unmatched', [False, True])
@pytest.mark.parametrize('frame_ids', [range(7), [0, 2, 3, 4, 6, 8, 9]], ids=['all', 'gaps'])
def test_causal_results_do_not_depend_on_later_frames(frame_ids, add_unmatched):
    given = random_video().with_arrays(frame_ids=np.array(frame_ids))
    processor = REPP(FULL_MODEL, causal=True, add_unmatched=add_unmatched)
    whole = processor(given)
    assert len(whole)
    for length in range(1, 8):
        part = processor(given.frames_between(0, length))
        assert part.equals(whole.frames_between(0, length))


def test_later_frames_change_earlier_results_unless_causal():
    given = random_video()
    whole, part = REPP(FULL_MODEL)(given), REPP(FULL_MODEL)(given.frames_between(0, 3))
    assert not np.array_equal(whole.frames_between(0, 3).scores, part.scores)


def test_it_is_built_from_a_config():
    config = dict(type='REPP', link_model=FULL_MODEL, match_threshold=0.7)
    given = random_video()
    assert TASK_UTILS.build(config)(given).equals(REPP(FULL_MODEL, 0.7)(given))


@pytest.mark.parametrize(('options', 'words'), [
    (dict(match_threshold=1.5), r'match_threshold must be in \[0, 1\], got 1.5'),
    (dict(smooth_std=0), 'None turns smoothing off'),
    (dict(smooth_std=float('nan')), 'must be above 0 frames'),
    (dict(link_model=dict(IOU_MODEL, coefficients=[])), '0 coefficients for the 1 features'),
], ids=['threshold', 'std', 'nan', 'model'])
def test_arguments_out_of_range_are_explained(options, words):
    with pytest.raises(ValueError, match=words):
        REPP(**dict(dict(link_model=IOU_MODEL), **options))


def test_a_missing_image_size_is_explained():
    with pytest.raises(ValueError, match=r'VideoDetections\.img_shape'):
        REPP(FULL_MODEL)(random_video().with_arrays(img_shape=None))
