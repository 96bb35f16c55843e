"""New scores of a path."""

import numpy as np
import pytest

from mmvod_plugins.postprocessing.path_rescoring import RESCORINGS, add_top_mean, past_only

SCORES = np.array([0.2, 0.8, 0.5])
TABLE = {
    'average': [0.5, 0.5, 0.5], 'max': [0.8, 0.8, 0.8],
    # The better half of three is two: their mean is 0.65.
    'add_top_half': [0.85, 1.45, 1.15], 'add_twice_top_half': [1.5, 2.1, 1.8],
}


@pytest.mark.parametrize('name', RESCORINGS)
def test_hand_computed_scores(name):
    scores = SCORES.copy()
    np.testing.assert_allclose(RESCORINGS[name](scores), TABLE[name])
    np.testing.assert_array_equal(scores, SCORES)


@pytest.mark.parametrize(('alpha', 'added'), [(0.1, 0.8), (1 / 3, 0.8), (0.5, 0.65), (1.0, 0.5)])
def test_the_share_is_rounded_up(alpha, added):
    np.testing.assert_allclose(add_top_mean(SCORES, alpha), SCORES + added)


def test_a_tenth_of_thirty_is_three():
    scores = np.arange(30.0)
    np.testing.assert_allclose(add_top_mean(scores, 0.1), scores + 28)


def test_past_only_ends_the_path_at_each_box():
    np.testing.assert_allclose(past_only(RESCORINGS['average'], SCORES), [0.2, 0.5, 0.5])
    np.testing.assert_allclose(past_only(RESCORINGS['add_top_half'], SCORES), [0.4, 1.6, 1.15])
