"""Best paths through the boxes of a video: Viterbi, and a greedy online form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .greedy_tubelets import greedy_pairs


@dataclass(frozen=True)
class Paths:
    """Paths that share no box, best first.

    Attributes:
        boxes: (P, T), int64, the box of each path in each frame, -1 for none.
        sums: (P,), float64, sum of each path's edges.
    """

    boxes: np.ndarray
    sums: np.ndarray


def optimal_path(edges: Sequence[np.ndarray],
                 unary: Sequence[np.ndarray] | None = None) -> tuple[np.ndarray, float]:
    """Find the path with the largest sum, one box in every frame; of equal ones the first.

    Args:
        edges: T - 1 arrays, entry t is (n_t, n_t+1): from box i of frame t to box j of the next.
        unary: T arrays (n_t,), value of each box itself; None for 0.

    Returns:
        The box of each frame, (T,), int64, and the sum.

    Raises:
        ValueError: If a frame has no box, or there is no frame.
    """
    sizes = _sizes(edges, unary)
    if not sizes or min(sizes) == 0:
        raise ValueError(f'optimal_path needs a box in every frame, got frames with {sizes} boxes')
    values = np.zeros(sizes[0]) if unary is None else np.asarray(unary[0], dtype=np.float64)
    # values[j] is the sum of the best path that ends in box j of the frame, parents[t][j] the box
    # before j on that path.
    parents = []
    for t, edge in enumerate(edges, start=1):
        totals = values[:, None] + edge
        parents.append(totals.argmax(axis=0))
        values = totals.max(axis=0)
        if unary is not None:
            values = values + unary[t]
    # Back from the best end.
    path = [int(values.argmax())]
    for parent in reversed(parents):
        path.append(int(parent[path[-1]]))
    return np.array(path[::-1], dtype=np.int64), float(values.max())


def k_paths(edges: Sequence[np.ndarray], sizes: Sequence[int]) -> Paths:
    """Find the best path and remove its boxes, repeatedly until some frame is empty.

    Args:
        edges: T - 1 arrays (n_t, n_t+1).
        sizes: T numbers of boxes.
    """
    # A removed box gets the unary value -inf, which no path chooses while the frame has others.
    left = [np.zeros(size) for size in sizes]
    count = min(sizes, default=0)
    boxes, sums = np.zeros((count, len(sizes)), dtype=np.int64), np.zeros(count)
    for number in range(count):
        boxes[number], sums[number] = optimal_path(edges, left)
        for mask, box in zip(left, boxes[number], strict=True):
            mask[box] = -np.inf
    return Paths(boxes, sums)


def online_paths(edges: Sequence[np.ndarray], sizes: Sequence[int]) -> Paths:
    """Extend paths frame by frame without using later frames.

    In every frame pairs of a path and a box are made greedily by the largest sum so far, one to
    one. A path without a box ends, a box without a path starts a new one.

    Args:
        edges: As those of :func:`k_paths`.
        sizes: T numbers of boxes.
    """
    # A path is a list of (frame, box); ``ending`` has the number of the path of every box of the
    # last frame.
    paths = [[(0, box)] for box in range(sizes[0])] if sizes else []
    sums = [0.0] * len(paths)
    ending = list(range(len(paths)))
    for t, edge in enumerate(edges, start=1):
        starting = [-1] * sizes[t]
        totals = np.array([sums[path] for path in ending])[:, None] + edge
        for i, j in zip(*greedy_pairs(-totals), strict=True):
            starting[j] = ending[i]
            sums[ending[i]] = float(totals[i, j])
        for box, number in enumerate(starting):
            if number < 0:
                starting[box] = number = len(paths)
                paths.append([])
                sums.append(0.0)
            paths[number].append((t, box))
        ending = starting
    boxes = np.full((len(paths), len(sizes)), -1, dtype=np.int64)
    for number, path in enumerate(paths):
        frames, members = zip(*path, strict=True)
        boxes[number, frames] = members
    return Paths(boxes, np.array(sums))


def _sizes(edges: Sequence[np.ndarray], unary: Sequence[np.ndarray] | None) -> list[int]:
    if unary is not None:
        return [len(values) for values in unary]
    return [len(edge) for edge in edges] + [edge.shape[1] for edge in edges[-1:]]
