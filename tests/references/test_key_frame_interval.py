"""Which frames pass the backbone, and what training draws."""

import numpy as np
import pytest

from mmvod_plugins.references import FrameInputs, KeyFrameInterval


def drawn(policy, key_id, length, count=300):
    rng = np.random.default_rng(0)
    return {policy.sample(key_id, length, rng)['local'][0] for _ in range(count)}


def test_every_frame_looks_at_the_last_one_that_passed_the_backbone():
    policy = KeyFrameInterval(10)
    found = [policy.references(t, 25)['local'] for t in range(25)]
    assert found == [[0]] * 10 + [[10]] * 10 + [[20]] * 5
    assert policy.schedule(25) == list(range(25))
    assert policy.peak_records(25) == 2


def test_frames_between_give_their_image_alone():
    policy = KeyFrameInterval(4)
    for t in range(9):
        assert policy.inputs(t, 9) == FrameInputs(image=True, feats=t % 4 == 0, objects=False)


@pytest.mark.parametrize(('sample_range', 'expected'), [
    ((-9, 0), {*range(11, 21)}), ((-9, 9), {*range(11, 30)}), ((-3, -1), {17, 18, 19})])
def test_training_draws_from_the_range(sample_range, expected):
    assert drawn(KeyFrameInterval(sample_range=sample_range), 20, 50) == expected
    without = KeyFrameInterval(sample_range=sample_range, sample_key=False)
    assert drawn(without, 20, 50) == expected - {20}


def test_draws_stay_in_the_video():
    assert drawn(KeyFrameInterval(sample_range=(-9, 9)), 1, 4) == {0, 1, 2, 3}
    assert drawn(KeyFrameInterval(sample_range=(-9, -1)), 0, 4) == {0}
    assert drawn(KeyFrameInterval(sample_key=False), 0, 1) == {0}


@pytest.mark.parametrize('options', [dict(interval=0), dict(sample_range=(3, -3))])
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError, match='interval must be at least 1'):
        KeyFrameInterval(**options)
