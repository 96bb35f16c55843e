"""Runs of equal rows, and dataclasses joined attribute by attribute."""

from dataclasses import dataclass

import numpy as np
import pytest

from mmvod_plugins.utils.arrays import concatenate_fields, run_starts


@pytest.mark.parametrize(('columns', 'starts'), [
    ([[]], []), ([[3]], [0]), ([[3, 3, 3]], [0]), ([[1, 1, 2, 1]], [0, 2, 3]),
    ([[1, 1, 1, 2], [5, 6, 6, 6]], [0, 1, 3]),
], ids=['nothing', 'one', 'one run', 'a value comes again', 'either column'])
def test_starts_of_runs(columns, starts):
    assert run_starts(*map(np.array, columns)).tolist() == starts


@dataclass
class Rows:
    first: np.ndarray
    second: np.ndarray


def test_every_attribute_is_concatenated():
    parts = [Rows(np.zeros(0, np.int16), np.zeros((0, 2), np.float32)),
             Rows(np.array([1, 2], np.int16), np.ones((2, 2), np.float32)),
             Rows(np.array([3], np.int16), np.full((1, 2), 5, np.float32))]
    joined = concatenate_fields(parts)
    assert joined.first.tolist() == [1, 2, 3]
    assert joined.second.tolist() == [[1, 1], [1, 1], [5, 5]]
    assert (joined.first.dtype, joined.second.dtype) == (np.int16, np.float32)
