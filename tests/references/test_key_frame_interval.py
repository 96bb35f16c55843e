"""Which frames pass the backbone, and what training draws."""

import numpy as np
import pytest

from mmvod_plugins.references import FramePlace, FramePlan, KeyFrameInterval
from mmvod_plugins.streaming import VideoStream


def drawn(policy, key_id, length, count=300):
    rng = np.random.default_rng(0)
    return {policy.sample(key_id, length, rng)['local'][0] for _ in range(count)}


def test_every_frame_looks_at_the_last_one_that_passed_the_backbone():
    policy = KeyFrameInterval(10)
    found = [policy.frames(t, 25)['local'] for t in range(25)]
    assert found == [[0]] * 10 + [[10]] * 10 + [[20]] * 5
    assert policy.schedule(25) == list(range(25))
    assert policy.peak_records(25) == 2


def test_frames_between_give_their_image_alone():
    policy = KeyFrameInterval(4)
    for t in range(9):
        passes = t % 4 == 0
        assert policy.plan(FramePlace(0, t, 9)) == FramePlan(maps=passes, objects=passes)


@pytest.mark.parametrize(('sample_range', 'expected'), [
    ((-9, 0), {*range(11, 21)}), ((-9, 9), {*range(11, 30)}), ((-3, -1), {17, 18, 19})])
def test_training_draws_from_the_range(sample_range, expected):
    assert drawn(KeyFrameInterval(sample_range=sample_range), 20, 50) == expected
    without = KeyFrameInterval(sample_range=sample_range, sample_key=False)
    assert drawn(without, 20, 50) == expected - {20}


@pytest.mark.parametrize(('clamp', 'expected'), [(True, 0.8), (False, 1 / 3)])
def test_offsets_that_leave_the_video(clamp, expected):
    """mega.pytorch clamps: of ten offsets eight give frame 0 to frame 2. MMTracking does not."""
    policy, rng = KeyFrameInterval(clamp=clamp), np.random.default_rng(0)
    first = [policy.sample(2, 50, rng) == {'local': [0]} for _ in range(4000)]
    assert np.mean(first) == pytest.approx(expected, abs=0.03)


def test_a_live_stream_holds_no_more_than_the_policy_says():
    policy = KeyFrameInterval(10)
    stream = VideoStream(policy)
    for t in range(35):
        stream.add(t, t)
        assert [(key, roles) for key, roles in stream.ready()] == [(t, {'local': [t - t % 10]})]
    assert stream.peak == policy.peak_records(35) == 2


def test_draws_stay_in_the_video():
    for clamp in (True, False):
        policy = KeyFrameInterval(sample_range=(-9, 9), clamp=clamp)
        assert drawn(policy, 1, 4) == {0, 1, 2, 3}
    assert drawn(KeyFrameInterval(sample_range=(-9, -1)), 0, 4) == {0}
    assert drawn(KeyFrameInterval(sample_key=False), 0, 1) == {0}


@pytest.mark.parametrize('options', [dict(interval=0), dict(sample_range=(3, -3))])
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError, match='interval must be at least 1'):
        KeyFrameInterval(**options)
