"""Flicker without ground truth: hand-counted situations."""

import numpy as np
import pytest

from mmvod_plugins.evaluation.flicker import flicker, strongest
from mmvod_plugins.structures import VideoDetections

BOX = np.array([100.0, 100, 150, 200])


def video(*frames, frame_ids=None):
    """A video of frames that are lists of (box, label)."""
    found = [dict(boxes=np.array([box for box, _ in frame]).reshape(-1, 4),
                  scores=np.linspace(0.9, 0.5, len(frame)),
                  labels=np.array([label for _, label in frame], dtype=np.int64))
             for frame in frames]
    return VideoDetections.from_frames(0, frame_ids or range(len(frames)), found)


THERE, MOVED, OTHER = [(BOX, 0)], [(BOX + 300, 0)], [(BOX, 1)]


@pytest.mark.parametrize(('frames', 'runs', 'births', 'deaths', 'gaps'), [
    pytest.param([THERE] * 4, 1, 0, 0, 0, id='steady'),
    pytest.param([[], []], 0, 0, 0, 0, id='empty'),
    pytest.param([[], THERE, THERE, []], 1, 1, 1, 0, id='comes and goes'),
    pytest.param([THERE, [], THERE], 2, 1, 1, 1, id='gap'),
    pytest.param([THERE, [], [], [], THERE], 2, 1, 1, 0, id='gap too long'),
    pytest.param([THERE, [], MOVED], 2, 1, 1, 0, id='comes back elsewhere'),
    pytest.param([THERE, OTHER], 2, 1, 1, 0, id='changes class'),
    pytest.param([THERE, MOVED], 2, 1, 1, 0, id='jumps'),
    pytest.param([THERE + MOVED, MOVED + THERE], 2, 0, 0, 0, id='order of rows'),
])
def test_table_of_situations(frames, runs, births, deaths, gaps):
    result = flicker(video(*frames), max_gap=2)
    assert (result.num_runs, result.births, result.deaths, result.gaps) == (
        runs, births, deaths, gaps)


def test_boxes_are_not_linked_across_missing_frames():
    assert flicker(video(*[THERE] * 3, frame_ids=[0, 1, 5])).num_runs == 2


def test_jitter_is_the_change_of_velocity():
    steady = [[(BOX + 3 * t, 0)] for t in range(5)]
    assert flicker(video(*steady)).jitter == 0
    # The centre goes 0, 5, 0: the velocity changes by 10 pixels; the root of the area is 70.7.
    jumping = [[(BOX + 5 * (t % 2) * np.array([1, 0, 1, 0]), 0)] for t in range(3)]
    assert flicker(video(*jumping)).jitter == pytest.approx(10 / np.sqrt(5000))


def test_mean_run_without_detections_is_undefined():
    assert np.isnan(flicker(video([], [])).mean_run)
    assert flicker(video(THERE, THERE, [], THERE)).mean_run == 1.5


def test_the_strongest_boxes_are_selected_and_frames_kept():
    chosen = strongest(video(THERE + MOVED, [], THERE), 2)
    np.testing.assert_array_equal(chosen.num_boxes, [1, 0, 1])


@pytest.mark.parametrize('options', [dict(link_iou=0), dict(max_gap=0)])
def test_senseless_options_are_refused(options):
    with pytest.raises(ValueError, match='flicker'):
        flicker(video(THERE), **options)
