"""Sines and cosines that numba compiles."""

import numpy as np
import pytest

from mmvod_plugins.models.layers.sines import write_sines


@pytest.mark.parametrize('largest', [0.1, 4, 700, 1500])
def test_they_are_those_of_double_precision(largest):
    rng = np.random.default_rng(0)
    terms = rng.uniform(-largest, largest, (3, 2, 1001)).astype(np.float32)
    terms[0, 0, :9] = np.arange(-4, 5) * np.float32(np.pi / 4)  # where polynomials change
    frequencies = np.array([1, 0.3], np.float32)
    table = np.full((4, 9, 1001), np.nan, np.float32)
    write_sines(terms, frequencies, table)
    angles = (terms[:, :, None] * frequencies[:, None]).reshape(3, 4, 1001).astype(np.float64)
    np.testing.assert_allclose(table[:3, :4], np.sin(angles), atol=2e-7, rtol=0)
    np.testing.assert_allclose(table[:3, 4:8], np.cos(angles), atol=2e-7, rtol=0)
    assert np.isnan(table[3]).all()
    assert np.isnan(table[:, 8]).all()


def test_what_is_no_number_stays_none():
    table = np.zeros((1, 2, 2), np.float32)
    write_sines(np.array([[[np.nan, 0]]], np.float32), np.ones(1, np.float32), table)
    np.testing.assert_array_equal(table, [[[np.nan, 0], [np.nan, 1]]])
