"""Optimal paths against all paths, and the online form."""

from itertools import pairwise, product

import numpy as np
import pytest

from mmvod_plugins.postprocessing import k_paths, online_paths, optimal_path


def random_edges(seed, sizes):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=pair) for pair in pairwise(sizes)]


def total(edges, path, unary=None):
    values = sum(edge[i, j] for edge, (i, j) in zip(edges, pairwise(path), strict=True))
    return values + (0 if unary is None else
                     sum(value[i] for value, i in zip(unary, path, strict=True)))


@pytest.mark.parametrize('with_unary', [False, True])
@pytest.mark.parametrize('sizes', [(2, 3), (3, 1, 4), (2, 3, 2, 3)], ids=str)
def test_is_the_best_of_all_paths(sizes, with_unary):
    edges = random_edges(0, sizes)
    unary = [np.random.default_rng(n).normal(size=n) for n in sizes] if with_unary else None
    path, score = optimal_path(edges, unary)
    best = max(product(*map(range, sizes)), key=lambda path: total(edges, path, unary))
    assert tuple(path) == best
    assert score == pytest.approx(total(edges, best, unary))


def test_of_equal_paths_the_first_counts():
    path, score = optimal_path([np.ones((2, 3)), np.ones((3, 2))])
    assert (path.tolist(), score) == ([0, 0, 0], 2.0)


def test_one_frame_needs_unary_values():
    path, score = optimal_path([], [np.array([0.1, 0.3, 0.2])])
    assert (path.tolist(), score) == ([1], 0.3)
    with pytest.raises(ValueError, match='a box in every frame'):
        optimal_path([])


def test_an_empty_frame_is_refused():
    with pytest.raises(ValueError, match=r'frames with \[2, 0\] boxes'):
        optimal_path([np.zeros((2, 0))])


def test_k_paths_share_no_box_and_end_with_the_smallest_frame():
    sizes = (4, 3, 5)
    edges = random_edges(1, sizes)
    paths = k_paths(edges, sizes)
    assert paths.boxes.shape == (3, 3)
    assert all(len(set(column)) == 3 for column in paths.boxes.T)
    assert all(earlier >= later for earlier, later in pairwise(paths.sums))
    np.testing.assert_allclose(paths.sums, [total(edges, path) for path in paths.boxes])


@pytest.mark.parametrize('find', [k_paths, online_paths])
def test_one_frame_gives_a_path_per_box_in_their_order(find):
    paths = find([], [3])
    assert paths.boxes.tolist() == [[0], [1], [2]]
    assert paths.sums.tolist() == [0, 0, 0]


@pytest.mark.parametrize('find', [k_paths, online_paths])
def test_no_frame_gives_no_path(find):
    assert find([], []).boxes.shape == (0, 0)


def test_online_paths_take_the_largest_sum_so_far():
    edges = [np.array([[2.0, 3.0], [1.0, 2.5]]), np.array([[9.0, 1.0, 0.0], [8.0, 9.5, 0.0]])]
    # 0-1 (3.0) comes first, which leaves 1-0 (1.0); then 0-1-1 (12.5), which leaves 1-0-0 (10).
    paths = online_paths(edges, [2, 2, 3])
    assert paths.boxes.tolist() == [[0, 1, 1], [1, 0, 0], [-1, -1, 2]]
    assert paths.sums.tolist() == [12.5, 10.0, 0.0]


def test_an_online_path_without_a_box_ends():
    edges = [np.array([[1.0], [2.0]]), np.array([[1.0, 0.5]])]
    assert online_paths(edges, [2, 1, 2]).boxes.tolist() == [[0, -1, -1], [1, 0, 0], [-1, -1, 1]]


def test_online_paths_do_not_know_later_frames():
    sizes = (3, 5, 2, 4)
    edges = random_edges(2, sizes)
    whole = online_paths(edges, sizes)
    for end in range(1, 4):
        part = online_paths(edges[:end - 1], sizes[:end])
        seen = (whole.boxes[:, :end] >= 0).any(axis=1)
        np.testing.assert_array_equal(part.boxes, whole.boxes[seen, :end])
