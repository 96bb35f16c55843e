"""Merging of detections into boxes with score vectors, by hand-computed cases."""

import numpy as np
import pytest

from mmvod_plugins.postprocessing.scored_boxes import group_boxes, scored_boxes

from .score_videos import video

# The box at 0 twice, with another one between; one more frame.
FRAMES = [[(0, 1, 0.5), (20, 0, 0.3), (0, 0, 0.2)], [], [(0, 0, 0.7)]]
VECTORS = np.array([[0.2, 0.5, 0.1], [0.3, 0.4, 0.0], [0.2, 0.5, 0.1], [0.7, 0.0, 0.6]])


def test_detections_with_the_same_box_are_one():
    found = scored_boxes(video(FRAMES))
    assert found.num_boxes.tolist() == [2, 0, 1]
    assert found.boxes[:, 0].tolist() == [0, 20, 0]
    assert found.vectors.tolist() == [[0.2, 0.5], [0.3, 0], [0.7, 0]]
    assert found.rows.tolist() == [0, 1, 3]
    assert found.frame_index.tolist() == [0, 0, 2]
    assert [found.frame(t).boxes[:, 0].tolist() for t in range(3)] == [[0, 20], [], [0]]


def test_groups_count_in_the_order_of_detections():
    group, rows = group_boxes(video([[(9, 0, 0.1), (0, 0, 0.2), (9, 1, 0.3), (5, 0, 0.4)]]))
    assert group.tolist() == [0, 1, 0, 2]
    assert rows.tolist() == [0, 1, 3]


def test_class_scores_bring_the_other_classes():
    found = scored_boxes(video(FRAMES).with_arrays(class_scores=VECTORS))
    np.testing.assert_allclose(found.vectors, VECTORS[[0, 1, 3]])


def test_scores_that_were_changed_go_before_class_scores():
    changed = video(FRAMES).with_arrays(class_scores=VECTORS, scores=np.full(4, 0.9))
    found = scored_boxes(changed)
    np.testing.assert_allclose(found.vectors, [[0.9, 0.9, 0.1], [0.9, 0.4, 0], [0.9, 0, 0.6]])


@pytest.mark.parametrize('suppressed', [None, False, True])
def test_what_was_suppressed_does_not_come_back(suppressed):
    given = video(FRAMES).with_arrays(class_scores=VECTORS, suppressed=suppressed)
    vectors = scored_boxes(given).vectors
    assert vectors[1, 1] == (0 if suppressed else 0.4)
    assert vectors[1, 0] == 0.3


def test_boxes_of_one_class_each_have_the_score_of_that_class():
    """Object 7 has a box per class; object 8, and 7 in the next frame, have one box."""
    frames = [[(0, 0, 0.6), (1, 1, 0.4), (30, 0, 0.3)], [(0, 0, 0.6)]]
    vectors = np.array([[0.6, 0.4], [0.6, 0.4], [0.3, 0.2], [0.6, 0.4]])
    given = video(frames).with_arrays(class_scores=vectors, proposal_ids=np.array([7, 7, 8, 7]))
    np.testing.assert_allclose(scored_boxes(given).vectors,
                               [[0.6, 0], [0, 0.4], [0.3, 0.2], [0.6, 0.4]])


def test_objects_with_the_same_box_are_one_box_with_the_higher_scores():
    given = video([[(0, 0, 0.6), (0, 0, 0.5)]]).with_arrays(
        class_scores=np.array([[0.6, 0.1], [0.5, 0.2]]), proposal_ids=np.array([1, 2]))
    np.testing.assert_allclose(scored_boxes(given).vectors, [[0.6, 0.2]])


@pytest.mark.parametrize('class_scores', [None, np.zeros((0, 3))])
def test_no_detections_no_boxes(class_scores):
    found = scored_boxes(video([[], []]).with_arrays(class_scores=class_scores))
    assert found.boxes.shape == (0, 4)
    assert found.num_boxes.tolist() == [0, 0]
