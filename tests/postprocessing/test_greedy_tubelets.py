"""Greedy one-to-one linking, by hand-computed cases and by the literal loop."""

from itertools import pairwise

import numpy as np
import pytest

from mmvod_plugins.postprocessing.greedy_tubelets import (
    chain_starts,
    greedy_pairs,
    greedy_tubelets,
)

INF = np.inf


@pytest.mark.parametrize(('distances', 'pairs'), [
    ([[1, 2], [3, 4]], [(0, 0), (1, 1)]),
    ([[2, 1], [4, 3]], [(0, 1), (1, 0)]),
    ([[1, 1.5], [2, 9]], [(0, 0), (1, 1)]),
    ([[5, 1], [2, INF]], [(0, 1), (1, 0)]),
    ([[1, 5], [2, INF]], [(0, 0)]),
    ([[INF, INF]], []),
    ([[7, 7], [7, 7]], [(0, 0), (1, 1)]),
    ([[3, 2, 1]], [(0, 2)]),
    ([[-1, -2]], [(0, 1)]),
], ids=['diagonal', 'crossed', 'greedy is not optimal', 'order of distance', 'infinite stays alone',
        'nothing in reach', 'ties by place', 'one row', 'negative'])
def test_pairs(distances, pairs):
    rows, columns = greedy_pairs(np.array(distances, dtype=float))
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == pairs


@pytest.mark.parametrize('shape', [(0, 3), (3, 0), (0, 0)])
def test_no_boxes_no_pairs(shape):
    rows, columns = greedy_pairs(np.zeros(shape))
    assert len(rows) == len(columns) == 0


def test_pairs_are_those_of_the_literal_loop():
    """Take the smallest distance, strike its row and its column out, again."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        distances = rng.integers(0, 12, size=rng.integers(1, 8, size=2)).astype(float)
        distances[distances > 8] = INF
        left, expected = distances.copy(), []
        while np.isfinite(left).any():
            row, column = np.unravel_index(np.argmin(left), left.shape)
            expected.append((row, column))
            left[row], left[:, column] = INF, INF
        assert list(zip(*greedy_pairs(distances), strict=True)) == expected


LINK = np.zeros((1, 1))


@pytest.mark.parametrize(('num_boxes', 'distances', 'tubelets'), [
    ([], [], []),
    ([2], [], [-1, -1]),
    ([1, 1, 1], [LINK, LINK], [0, 0, 0]),
    ([1, 1, 1, 1], [LINK, None, LINK], [0, 0, 1, 1]),
    ([1, 1, 1], [LINK, LINK + INF], [0, 0, -1]),
    ([1, 0, 1], [np.zeros((1, 0)), np.zeros((0, 1))], [-1, -1]),
    ([3, 2], [np.array([[INF, INF], [INF, 1], [2, INF]])], [-1, 0, 1, 1, 0]),
    ([1, 2, 2], [np.array([[INF, 1]]), np.array([[INF, 1], [1, INF]])], [0, 1, 0, 0, 1]),
], ids=['empty', 'one frame', 'one chain', 'gap', 'end', 'frame without boxes',
        'numbers by first box', 'later chain'])
def test_tubelets(num_boxes, distances, tubelets):
    assert greedy_tubelets(np.array(num_boxes, dtype=int), distances).tolist() == tubelets


def test_chains_so_far_do_not_depend_on_later_frames():
    rng = np.random.default_rng(0)
    num_boxes = np.array([3, 4, 2, 4])
    distances = [rng.random((n, m)) for n, m in pairwise(num_boxes)]
    whole = chain_starts(num_boxes, distances)
    for length in range(1, 4):
        part = chain_starts(num_boxes[:length], distances[:length - 1])
        assert part.tolist() == whole[:len(part)].tolist()
