"""New scores of the boxes of one path, from their old ones. All of them are (n,) to (n,)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Rescoring = Callable[[np.ndarray], np.ndarray]


def average(scores: np.ndarray) -> np.ndarray:
    """The mean, for every box."""
    return np.full(len(scores), np.mean(scores, dtype=np.float64))


def maximum(scores: np.ndarray) -> np.ndarray:
    """The largest score, for every box."""
    return np.full(len(scores), np.max(scores), dtype=np.float64)


def add_top_mean(scores: np.ndarray, alpha: float = 0.5, factor: float = 1.0) -> np.ndarray:
    """Every score plus the mean of the path's best ones (D&T, arXiv 1710.03958, section 4).

    The sums may exceed 1; average precision looks at their order only.

    Args:
        scores: (n,), at least one.
        alpha: Share of the scores that count as the best, rounded up; in (0, 1].
        factor: Of the mean: 1 in D&T, 2 in the program of STMN.
    """
    # The small number keeps 0.1 * 30, which is above 3, from counting as 4.
    count = max(math.ceil(alpha * len(scores) - 1e-9), 1)
    best = np.sort(scores)[::-1][:count]
    return scores + factor * np.mean(best, dtype=np.float64)


def add_top_half(scores: np.ndarray) -> np.ndarray:
    """Every score plus the mean of the better half (D&T)."""
    return add_top_mean(scores)


def add_twice_top_half(scores: np.ndarray) -> np.ndarray:
    """Every score plus twice the mean of the better half (the program of STMN)."""
    return add_top_mean(scores, factor=2.0)


def past_only(rescoring: Rescoring, scores: np.ndarray) -> np.ndarray:
    """Rescore every box as if the path ended with it.

    Args:
        rescoring: What is done with the whole path offline.
        scores: (n,), first frame first.
    """
    return np.array([rescoring(scores[:end])[-1] for end in range(1, len(scores) + 1)])


#: The rescorings that configs can name.
RESCORINGS: dict[str, Rescoring] = dict(
    average=average, max=maximum, add_top_half=add_top_half,
    add_twice_top_half=add_twice_top_half)
