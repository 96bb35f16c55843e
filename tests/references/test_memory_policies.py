"""Policies for online memories: samples of earlier frames; whole and small frames."""

import numpy as np
import pytest

from mmvod_plugins.references import (
    FramePlace,
    PrecedingIntervals,
    ScaledKeyFrames,
    TrainTestReferences,
)


def draws(policy, key_id, count=400):
    rng = np.random.default_rng(0)
    return [policy.sample(key_id, 300, rng)['memory'] for _ in range(count)]


def test_every_interval_is_bounded_and_all_are_drawn():
    steps = np.array([np.diff([*ids, 100]) for ids in draws(PrecedingIntervals(3, 20), 100)])
    assert steps.shape[1] == 3
    for column in steps.T:
        assert set(column) == set(range(1, 21))


def test_the_first_frame_stands_in_before_the_video():
    assert all(ids == [0, 0, 0] for ids in draws(PrecedingIntervals(3, 5), 0, 20))
    assert {ids[-1] for ids in draws(PrecedingIntervals(3, 5), 2)} == {0, 1}


@pytest.mark.parametrize('scale', [1 / 2, 1 / 3, 1 / 4])
def test_key_frames_are_whole_and_remembered(scale):
    policy = TrainTestReferences(PrecedingIntervals(), ScaledKeyFrames(5, scale))
    plans = [policy.plan(FramePlace('v', t, None)) for t in range(11)]
    assert [t for t, plan in enumerate(plans) if plan.memorize] == [0, 5, 10]
    assert [plan.scale for plan in plans] == [scale if t % 5 else 1 for t in range(11)]
    assert policy.frames(7, 11) == {}
    assert policy.lookahead == 0


@pytest.mark.parametrize('build', [
    lambda: PrecedingIntervals(0), lambda: PrecedingIntervals(3, 0),
    lambda: ScaledKeyFrames(0), lambda: ScaledKeyFrames(5, 0.0), lambda: ScaledKeyFrames(5, 1.5)])
def test_impossible_settings_are_refused(build):
    with pytest.raises(ValueError, match=r'must be at least 1|scale in \(0, 1\]'):
        build()
