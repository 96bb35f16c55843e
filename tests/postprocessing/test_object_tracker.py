"""mmdet's trackers give identities to our boxes and change nothing else."""

from itertools import permutations

import numpy as np
import pytest

from mmvod_plugins.postprocessing import ObjectTracker
from mmvod_plugins.postprocessing.object_tracker import lapjv
from mmvod_plugins.structures import VideoDetections


def crossing(length=8, low=()):
    """Two objects that move towards each other, one below the other, in changing order.

    Returns:
        The video, and the number of each detection's object.
    """
    boxes, objects = [], []
    for t in range(length):
        pair = [[10 + 4 * t, 10, 30 + 4 * t, 30], [60 - 4 * t, 40, 80 - 4 * t, 60]]
        order = [0, 1] if t % 2 else [1, 0]
        boxes += [pair[i] for i in order]
        objects += order
    scores = np.full(2 * length, 0.9, np.float32)
    scores[list(low)] = 0.05
    video = VideoDetections('v', np.arange(3, 3 + 2 * length, 2), np.full(length, 2),
                            np.array(boxes, np.float32), scores, np.zeros(2 * length, np.int64))
    return video, np.array(objects)


@pytest.mark.parametrize('tracker', ['bytetrack', 'ocsort'])
def test_objects_keep_their_number(tracker):
    video, objects = crossing()
    found = ObjectTracker(tracker)(video)
    assert set(zip(objects.tolist(), found.track_ids.tolist(), strict=True)) in (
        {(0, 0), (1, 1)}, {(0, 1), (1, 0)})
    assert found.with_arrays(track_ids=None).equals(video)


@pytest.mark.parametrize('tracker', ['bytetrack', 'ocsort'])
def test_weak_detections_are_not_followed(tracker):
    video, _ = crossing(low=[5])
    assert np.flatnonzero(ObjectTracker(tracker)(video).track_ids < 0).tolist() == [5]


def test_videos_do_not_mix_and_empty_ones_stay():
    video, _ = crossing()
    tracker = ObjectTracker()
    assert tracker(video).equals(tracker(video))
    empty = video.select(np.zeros(len(video), bool))
    assert tracker(empty).equals(empty)


def test_an_unknown_tracker_is_refused():
    with pytest.raises(ValueError, match="'sort' is not known: expected one of bytetrack, ocsort"):
        ObjectTracker('sort')


@pytest.mark.parametrize('shape', [(1, 1), (2, 3), (3, 2), (4, 4)], ids=str)
@pytest.mark.parametrize('limit', [0.3, 0.7, 10.0])
def test_the_assignment_is_the_best_one_under_the_limit(shape, limit):
    """Against all assignments: an unassigned row and column cost half of the limit each."""
    cost = np.random.default_rng(sum(shape)).random(shape)
    n, m = shape

    def total(columns):
        pairs = [(i, j) for i, j in enumerate(columns) if j < m]
        return sum(cost[i, j] for i, j in pairs) + limit / 2 * (n + m - 2 * len(pairs))

    # columns from m on stand for none
    best = min(total(columns) for columns in permutations(range(m + n), n))
    found, of_rows, of_columns = lapjv(cost, True, limit)
    assert total([j if j >= 0 else m for j in of_rows]) == pytest.approx(best)
    assert [of_columns[j] for j in of_rows if j >= 0] == [i for i, j in enumerate(of_rows)
                                                          if j >= 0]
    assert found == pytest.approx(sum(cost[i, j] for i, j in enumerate(of_rows) if j >= 0))
