"""Linked boxes as tubelets, and averages along them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmvod_plugins.structures import VideoDetections

#: A Gaussian is below 1e-21 of its peak at this many standard deviations.
NEGLIGIBLE = 10


@dataclass(frozen=True)
class Tubelet:
    """Boxes of one track in a video, as one class.

    Attributes:
        track_id: Number of the track in its video. REPP and Seq-Bbox Matching give a track
            scores of several classes: it then has a tubelet for each.
        label: Index of the class.
        frame_ids: (n,), int64, ascending.
        boxes: (n, 4), ``(x1, y1, x2, y2)`` in pixels of the original image.
        scores: (n,).
    """

    track_id: int
    label: int
    frame_ids: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray


def tubelets(video: VideoDetections) -> list[Tubelet]:
    """List the tubelets of a video by track id, then by class; unlinked boxes are omitted.

    Raises:
        ValueError: If the video was not linked.
    """
    if video.track_ids is None:
        raise ValueError(f'video {video.video_id!r} has no track_ids: link it first, for instance '
                         'with SeqNMS')
    order = np.lexsort((video.labels, video.track_ids))
    order = order[video.track_ids[order] >= 0]
    keys = np.column_stack([video.track_ids, video.labels])[order]
    names, starts = np.unique(keys, axis=0, return_index=True)
    ends = np.append(starts, len(order))[1:]
    return [Tubelet(track_id, label, video.frame_ids[video.frame_index[rows]], video.boxes[rows],
                    video.scores[rows])
            for (track_id, label), rows in zip(
                names.tolist(), map(order.__getitem__, map(slice, starts, ends)), strict=True)]


def members(tubelets: np.ndarray) -> Iterator[np.ndarray]:
    """Iterate over tubelets: the rows of each in temporal order; unlinked boxes are omitted.

    Args:
        tubelets: (N,), tubelet of every box of a video, -1 for none.

    Yields:
        (L,), int64, rows of a tubelet.
    """
    order = np.argsort(tubelets, kind='stable')
    order = order[np.searchsorted(tubelets[order], 0):]
    cuts = np.flatnonzero(np.diff(tubelets[order])) + 1
    yield from np.split(order, cuts) if len(order) else ()


def tubelet_means(vectors: np.ndarray, tubelets: np.ndarray) -> np.ndarray:
    """Give every box the mean vector of its tubelet.

    Args:
        vectors: (N, K), score vectors of the boxes of a video in temporal order.
        tubelets: (N,), -1 for unlinked boxes, which keep their vectors.

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
        tubelets: (N,), -1 for unlinked boxes, which are not moved.
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
