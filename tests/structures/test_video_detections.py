"""Detections of a video as flat arrays."""

import numpy as np
import pytest

from mmvod_plugins.structures import VideoDetections


def video(counts=(2, 0, 3), frame_ids=None, **changes):
    n = sum(counts)
    rng = np.random.default_rng(0)
    corner = 50 * rng.random((n, 2))
    values = dict(
        video_id=7, frame_ids=np.array(range(len(counts)) if frame_ids is None else frame_ids),
        num_boxes=np.array(counts), boxes=np.concatenate([corner, corner + 10], 1),
        scores=rng.random(n), labels=np.arange(n) % 2)
    return VideoDetections(**values | changes)


def test_rows_of_frames():
    v = video()
    assert (len(v), v.num_frames) == (5, 3)
    assert v.offsets.tolist() == [0, 2, 2, 5]
    assert v.frame_index.tolist() == [0, 0, 2, 2, 2]
    assert [v.rows(t) for t in range(3)] == [slice(0, 2), slice(2, 2), slice(2, 5)]


@pytest.mark.parametrize(('frame_ids', 'expected'), [
    ([0, 1, 2], [True, True]), ([0, 1, 3], [True, False]), ([0, 10, 20], [True, True]),
    ([5, 6, 16], [True, False]),
], ids=['dense', 'a frame is missing', 'every tenth', 'not from zero'])
def test_gaps(frame_ids, expected):
    assert video(frame_ids=frame_ids).consecutive.tolist() == expected


def test_selection_keeps_frames_and_order():
    v = video(track_ids=np.arange(5))
    chosen = v.select(np.array([4, 0, 2]))
    assert chosen.num_boxes.tolist() == [1, 0, 2]
    assert chosen.track_ids.tolist() == [0, 2, 4]
    mask = v.select(np.array([True, False, True, False, True]))
    assert mask.equals(chosen)
    assert len(v) == 5


def test_a_row_can_be_repeated():
    assert video().select(np.array([0, 0, 3])).num_boxes.tolist() == [2, 0, 1]


def test_part_of_a_video():
    relations = [np.full((2, 2), 1.0), np.full((3, 1), 2.0)]
    v = video(relations=relations, image_ids=np.array([10, 11, 12]), proposal_ids=np.arange(5))
    part = v.frames_between(1, 3)
    assert part.frame_ids.tolist() == [1, 2]
    assert part.image_ids.tolist() == [11, 12]
    assert len(part.relations) == 1
    assert np.array_equal(part.boxes, v.boxes[2:])
    assert v.frames_between(0, 0).num_frames == 0


def test_relation_weights_of_detections():
    relations = [np.array([[0.1, 0.2], [0.3, 0.4]])]
    v = video((3, 2), relations=relations, proposal_ids=np.array([1, 0, 2, 1, 5]))
    expected = [[0.4, 0], [0.2, 0], [0, 0]]  # objects 2 and 5 are no rows of the table
    assert v.relation_weights(0).tolist() == expected


def test_relation_weights_that_are_not_there():
    with pytest.raises(ValueError, match='test with model'):
        video().relation_weights(0)


@pytest.mark.parametrize(('changes', 'word'), [
    (dict(scores=np.zeros(4)), 'must agree'),
    (dict(boxes=np.zeros((5, 5))), r'\(N, 4\)'),
    (dict(frame_ids=np.array([0, 2, 1])), 'strictly ascending'),
    (dict(frame_ids=np.array([0, 1])), 'must agree'),
    (dict(relations=[np.zeros((1, 1))]), 'one per pair of neighbouring frames'),
])
def test_what_does_not_fit_together_is_refused(changes, word):
    with pytest.raises(ValueError, match=word):
        video(**changes)


def test_from_frames():
    frames = [dict(boxes=np.zeros((n, 4)), scores=np.ones(n), labels=np.zeros(n, int))
              for n in (1, 0, 2)]
    v = VideoDetections.from_frames('clip', [3, 4, 7], frames, suppressed=True)
    assert v.num_boxes.tolist() == [1, 0, 2]
    assert v.suppressed is True
    assert len(VideoDetections.from_frames('nothing', [], [])) == 0
