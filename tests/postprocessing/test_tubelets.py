"""Averages along tubelets, by hand-computed numbers and by scipy."""

import numpy as np
import pytest
from scipy.ndimage import convolve1d

from mmvod_plugins.postprocessing.tubelets import (
    gaussian_smooth,
    members,
    running_tubelet_means,
    smooth_tubelets,
    tubelet_means,
)

TUBELETS = np.array([0, -1, 0, 1, 0, 1])
VECTORS = np.array([[0.9, 0.0], [0.5, 0.5], [0.6, 0.3], [0.2, 0.2], [0.3, 0.0], [0.4, 0.8]])


def test_mean_vector_of_every_tubelet():
    first, second = [0.6, 0.1], [0.3, 0.5]
    np.testing.assert_allclose(tubelet_means(VECTORS, TUBELETS),
                               [first, [0.5, 0.5], first, second, first, second])


def test_mean_vector_so_far():
    np.testing.assert_allclose(
        running_tubelet_means(VECTORS, TUBELETS),
        [[0.9, 0.0], [0.5, 0.5], [0.75, 0.15], [0.2, 0.2], [0.6, 0.1], [0.3, 0.5]])


def test_smoothed_values():
    """Taps exp(0), exp(-1/2), exp(-2) at a std of 1; 3 0 | 0 3 9 | 9 3 is what they see."""
    near, far = 0.60653066, 0.13533528
    total = 1 + 2 * near + 2 * far
    expected = [(3 * far + 0 * near + 0 + 3 * near + 9 * far) / total,
                (0 * far + 0 * near + 3 + 9 * near + 9 * far) / total,
                (0 * far + 3 * near + 9 + 9 * near + 3 * far) / total]
    np.testing.assert_allclose(gaussian_smooth(np.array([[0.0], [3], [9]]), 1.0)[:, 0], expected,
                               rtol=1e-7)
    np.testing.assert_allclose(expected, [1.386468, 3.896070, 6.717462], rtol=1e-6)


@pytest.mark.parametrize('std', [0.4, 1.0, 1.5, 20.0])
def test_smoothing_is_the_convolution_of_the_published_program(std):
    """A window of 2n - 1 taps with sum one, ``mode='reflect'``."""
    for length in (1, 2, 3, 10, 50):
        values = np.random.default_rng(length).uniform(0, 100, size=(length, 4))
        taps = np.exp(-0.5 * ((np.arange(2 * length - 1) - length + 1) / std) ** 2)
        expected = convolve1d(values, taps / taps.sum(), axis=0, mode='reflect')
        np.testing.assert_allclose(gaussian_smooth(values, std), expected, rtol=1e-12)


def test_a_box_that_stands_still_or_is_alone_stays():
    still = np.tile([[1.0, 2, 3, 4]], (5, 1))
    np.testing.assert_allclose(gaussian_smooth(still, 1.5), still, rtol=1e-15)
    assert np.array_equal(gaussian_smooth(still[:1], 1.5), still[:1])


def test_tubelets_are_smoothed_apart_and_other_boxes_stay():
    boxes = np.random.default_rng(0).uniform(0, 9, size=(6, 4))
    smoothed = smooth_tubelets(boxes, TUBELETS, 1.0)
    for number in (0, 1):
        rows = TUBELETS == number
        assert np.array_equal(smoothed[rows], gaussian_smooth(boxes[rows], 1.0))
    assert np.array_equal(smoothed[1], boxes[1])


@pytest.mark.parametrize('average', [tubelet_means, running_tubelet_means,
                                     lambda *given: smooth_tubelets(*given, 1.0)])
def test_what_is_given_stays_as_it_is(average):
    values = np.random.default_rng(0).random((6, 4))
    given = values.copy()
    assert not np.shares_memory(average(given, TUBELETS), given)
    assert np.array_equal(given, values)


def test_members_leave_out_boxes_of_no_tubelet():
    found = [rows.tolist() for rows in members(np.array([1, -1, 0, 1, -1, 0, 0]))]
    assert found == [[2, 5, 6], [0, 3]]
    assert list(members(np.array([-1, -1]))) == []
    assert list(members(np.zeros(0, dtype=int))) == []
