"""D&T's tubelets and RDN's box linking: hand-computed videos and the laws of both."""

import copy
from itertools import pairwise

import numpy as np
import pytest
from mmdet.registry import TASK_UTILS

from mmvod_plugins.postprocessing import BoxLinkingWithRelations, TubeletRescoring

from .videos import content, random_video, shuffled_in_frames, video_of

LINKINGS = {
    'tubelets': TubeletRescoring(), 'still': TubeletRescoring(tracks='still', factor=2.0),
    'tubelets capped': TubeletRescoring(tracks='still', max_per_frame=2),
    'tubelets causal': TubeletRescoring(tracks='still', causal=True),
    'blr': BoxLinkingWithRelations(), 'blr causal': BoxLinkingWithRelations(causal=True),
    'blr gated': BoxLinkingWithRelations(edge='additive', gate=0.3, rescore='average'),
}
all_linkings = pytest.mark.parametrize('linking', LINKINGS.values(), ids=LINKINGS)


def linked(video):
    """Per frame (x1, score, track)."""
    return [[(x, round(float(score), 9), int(track)) for x, score, track in zip(
        video.boxes[video.rows(t), 0], video.scores[video.rows(t)],
        video.track_ids[video.rows(t)], strict=True)] for t in range(video.num_frames)]


def test_tubelets_follow_the_scores():
    out = TubeletRescoring()(video_of([[(0, 0.4), (30, 0.8)], [(0, 0.6), (30, 0.2)]]))
    # The best path is 0.8, 0.6; its better half is 0.8. The other one adds 0.4.
    assert linked(out) == [[(0, 0.8, 1), (30, 1.6, 0)], [(0, 1.4, 0), (30, 0.6, 1)]]


def test_still_tracks_hold_boxes_in_their_place():
    frames = [[(0, 0.4), (30, 0.8)], [(0, 0.6), (30, 0.3)]]
    out = TubeletRescoring(tracks='still')(video_of(frames))
    assert linked(out) == [[(0, 1.0, 1), (30, 1.6, 0)], [(0, 1.2, 1), (30, 1.1, 0)]]


def test_tracked_pairs_are_followed():
    frames = [[(0, 0.4), (30, 0.8)], [(0, 0.6), (30, 0.2)]]
    pair = np.array([[[0, 0, 10, 10], [31, 0, 41, 10]]])
    out = TubeletRescoring().process_with_tracks(video_of(frames), [pair])
    assert linked(out) == [[(0, 0.8, 0), (30, 1.6, 1)], [(0, 1.4, 1), (30, 0.6, 0)]]
    none = TubeletRescoring().process_with_tracks(video_of(frames), [pair[:0]])
    assert none.equals(TubeletRescoring()(video_of(frames)))


def test_tracked_pairs_must_be_given_for_every_pair_of_frames():
    with pytest.raises(ValueError, match='2 frames and tracks for 0 pairs'):
        TubeletRescoring().process_with_tracks(video_of([[(0, 0.4)], [(0, 0.4)]]), [])


def test_a_frame_without_boxes_does_not_end_paths():
    out = TubeletRescoring()(video_of([[(0, 0.4)], [], [(0, 0.8)]]))
    assert linked(out) == [[(0, 1.2, 0)], [], [(0, 1.6, 0)]]


def test_boxes_on_no_path_keep_their_scores():
    out = TubeletRescoring()(video_of([[(0, 0.4), (30, 0.3)], [(0, 0.8)]]))
    assert linked(out) == [[(0, 1.2, 0), (30, 0.3, -1)], [(0, 1.6, 0)]]


def test_boxes_beyond_the_cap_keep_their_scores():
    frames = [[(0, 0.4), (30, 0.8)], [(0, 0.6), (30, 0.2)]]
    out = TubeletRescoring(max_per_frame=1)(video_of(frames))
    assert linked(out) == [[(0, 0.4, -1), (30, 1.6, 0)], [(0, 1.4, 0), (30, 0.2, -1)]]


def test_causal_tubelets_use_the_past():
    out = TubeletRescoring(causal=True)(video_of([[(0, 0.4)], [(0, 0.8), (30, 0.1)], [(0, 0.5)]]))
    assert linked(out) == [[(0, 0.8, 0)], [(0, 1.6, 0), (30, 0.2, 1)], [(0, 1.15, 0)]]


def test_blr_weighs_scores_and_overlap_with_the_relation():
    video = video_of([[(0, 0.4)], [(0, 0.5), (5, 0.6)]], proposal_ids=np.array([1, 0, 1]),
                     relations=[np.array([[0, 0], [0.7, 0.2]])])
    edges = BoxLinkingWithRelations().edges(video, 0, 1)
    np.testing.assert_allclose(edges, [[1.9 * np.exp(0.7), (1 + 1 / 3) * np.exp(0.2)]])
    additive = BoxLinkingWithRelations(edge='additive', gate=0.5).edges(video, 0, 1)
    np.testing.assert_allclose(additive, [[1.6, 0]])


def test_blr_has_no_weights_across_a_frame_that_is_left_out():
    video = video_of([[(0, 0.4)], [], [(0, 0.6)]], proposal_ids=np.zeros(2, np.int64),
                     relations=[np.ones((1, 1))] * 2)
    np.testing.assert_allclose(BoxLinkingWithRelations().edges(video, 0, 2), [[2.0]])
    assert linked(BoxLinkingWithRelations()(video)) == [[(0, 1.0, 0)], [], [(0, 1.2, 0)]]


def test_blr_without_relations_says_so_and_links():
    with pytest.warns(UserWarning, match=r'model\.detections\.relations=True'):
        out = BoxLinkingWithRelations()(video_of([[(0, 0.4), (30, 0.5)], [(0, 0.6), (30, 0.3)]]))
    assert linked(out) == [[(0, 1.0, 0), (30, 1.0, 1)], [(0, 1.2, 0), (30, 0.8, 1)]]


def test_blr_is_registered_under_both_names():
    for name in ('BoxLinkingWithRelations', 'BLR'):
        assert isinstance(TASK_UTILS.build(dict(type=name)), BoxLinkingWithRelations)
    assert isinstance(TASK_UTILS.build(dict(type='TubeletRescoring')), TubeletRescoring)


@all_linkings
def test_changes_nothing_of_what_it_is_given(linking):
    video = random_video(1, relations=True)
    before = copy.deepcopy(video)
    linking(video)
    assert video.equals(before)


@all_linkings
def test_the_order_of_boxes_inside_a_frame_does_not_matter(linking):
    video = random_video(2, num_boxes=20, relations=True)
    shuffled, _ = shuffled_in_frames(video)
    assert content(linking(shuffled)) == content(linking(video))


@all_linkings
def test_classes_do_not_meet(linking):
    video = random_video(3, num_boxes=20, relations=True)
    out = linking(video)
    start = 0
    for label in range(3):
        alone = linking(video.select(video.labels == label))
        part = out.select(out.labels == label)
        np.testing.assert_array_equal(alone.scores, part.scores)
        np.testing.assert_array_equal(np.where(alone.track_ids < 0, -1, alone.track_ids + start),
                                      part.track_ids)
        start += alone.track_ids.max() + 1


@all_linkings
def test_keeps_all_boxes_and_no_score_falls_below_a_path(linking):
    video = random_video(4, relations=True)
    out = linking(video)
    assert len(out) == len(video)
    untouched = out.track_ids < 0
    np.testing.assert_array_equal(out.scores[untouched], video.scores[untouched])
    for t in range(video.num_frames):
        pairs = [(label, track) for label, track in zip(
            out.labels[out.rows(t)], out.track_ids[out.rows(t)], strict=True) if track >= 0]
        assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize('name', ['tubelets causal', 'blr causal'])
def test_causal_scores_do_not_know_later_frames(name):
    video = random_video(5, num_boxes=15, relations=True)
    whole = LINKINGS[name](video)
    for end in range(1, video.num_frames):
        part = LINKINGS[name](video.frames_between(0, end))
        np.testing.assert_array_equal(part.scores, whole.scores[:len(part)])


def test_offline_scores_do_know_later_frames():
    video = video_of([[(0, 0.4)], [(0, 0.8)]])
    out = TubeletRescoring()(video)
    assert out.scores[0] != TubeletRescoring()(video.frames_between(0, 1)).scores[0]


@all_linkings
def test_a_video_without_detections_stays_empty(linking):
    for frames in ([], [[]], [[], []]):
        assert len(linking(video_of(frames))) == 0


def test_one_frame_is_a_path_per_box():
    assert linked(TubeletRescoring()(video_of([[(0, 0.4), (30, 0.5)]]))) == [
        [(0, 0.8, 0), (30, 1.0, 1)]]


@pytest.mark.parametrize(('cls', 'options', 'message'), [
    (TubeletRescoring, dict(tracks='flow'), 'process_with_tracks'),
    (TubeletRescoring, dict(alpha=0.0), 'alpha must be above 0'),
    (TubeletRescoring, dict(max_per_frame=0), 'max_per_frame must be at least 1'),
    (BoxLinkingWithRelations, dict(edge='sum'), "'exponential', 'additive'"),
    (BoxLinkingWithRelations, dict(rescore='mean'), 'add_top_half'),
])
def test_refuses_impossible_options(cls, options, message):
    with pytest.raises(ValueError, match=message):
        cls(**options)


def test_neighbours_in_time_are_linked_in_order():
    video = random_video(6, relations=True)
    out = TubeletRescoring()(video)
    for track in range(out.track_ids.max() + 1):
        frames = out.frame_index[out.track_ids == track]
        assert all(t < u for t, u in pairwise(frames))
