"""Averages along tubelets: score vectors, smoothed boxes."""

from __future__ import annotations

import numpy as np

from .greedy_tubelets import members

#: A Gaussian is below 1e-21 of its peak at this many standard deviations.
NEGLIGIBLE = 10


def tubelet_means(vectors: np.ndarray, tubelets: np.ndarray) -> np.ndarray:
    """Give every box the mean vector of its tubelet.

    Args:
        vectors: (N, K), score vectors of the boxes of a video in temporal order.
        tubelets: (N,), -1 for the boxes of none: these keep their vectors.

    Returns:
        (N, K), a new array.
    """
    means = vectors.copy()
    for boxes in members(tubelets):
        means[boxes] = vectors[boxes].mean(axis=0)
    return means


def running_tubelet_means(vectors: np.ndarray, tubelets: np.ndarray) -> np.ndarray:
    """Give every box the mean vector of its tubelet up to its own frame.

    Args:
        vectors: (N, K), as for :func:`tubelet_means`.
        tubelets: (N,).

    Returns:
        (N, K), a new array.
    """
    means = vectors.copy()
    for boxes in members(tubelets):
        means[boxes] = np.cumsum(vectors[boxes], axis=0) / np.arange(1, len(boxes) + 1)[:, None]
    return means


def smooth_tubelets(boxes: np.ndarray, tubelets: np.ndarray, std: float) -> np.ndarray:
    """Smooth the coordinates of every tubelet along time.

    Args:
        boxes: (N, 4), boxes of a video in temporal order.
        tubelets: (N,), -1 for the boxes of none: these stay.
        std: Standard deviation of the Gaussian, in frames.

    Returns:
        (N, 4), a new array.
    """
    smoothed = boxes.copy()
    for rows in members(tubelets):
        smoothed[rows] = gaussian_smooth(boxes[rows], std)
    return smoothed


def gaussian_smooth(values: np.ndarray, std: float) -> np.ndarray:
    """Smooth a sequence as REPP does (``recoordinate``).

    The window of a sequence of L values has 2L - 1 taps that sum to one; beyond its ends the
    sequence is mirrored, the last value included (``d c b a | a b c d | d c b a``).

    Args:
        values: (L, C).
        std: Standard deviation, in values of the sequence.

    Returns:
        (L, C).
    """
    radius = min(len(values) - 1, int(np.ceil(NEGLIGIBLE * std)))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / std) ** 2)
    mirrored = np.pad(values, ((radius, radius), (0, 0)), mode='symmetric')
    windows = np.lib.stride_tricks.sliding_window_view(mirrored, len(taps), axis=0)
    return windows @ (taps / taps.sum())
