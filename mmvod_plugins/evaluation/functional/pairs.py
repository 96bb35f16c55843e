"""Pairs of detections and objects of the same frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: Pairs and detections that are looked at together: some 0.3 GiB of working memory.
CHUNK = 1_000_000


def join(left: np.ndarray, right: np.ndarray, num_units: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs with the same unit (a frame, or a class in a frame).

    Args:
        left: (A,), unit of every row, in [0, num_units).
        right: (B,).
        num_units: Number of units.

    Returns:
        Rows of both sides, (P,) each: ascending on the left, for the same left row ascending on
        the right.
    """
    counts = np.bincount(right, minlength=num_units)
    starts = np.cumsum(counts) - counts
    rows = np.argsort(right, kind='stable')
    partners = counts[left]
    chosen = np.flatnonzero(partners)
    partners = partners[chosen]
    shift = starts[left[chosen]] - (np.cumsum(partners) - partners)
    return (np.repeat(chosen, partners),
            rows[np.arange(int(partners.sum())) + np.repeat(shift, partners)])


def frame_chunks(det_offsets: np.ndarray, gt_offsets: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of frames with some :data:`CHUNK` pairs and detections each; one frame at least.

    Args:
        det_offsets: (F + 1,), first detection of every frame.
        gt_offsets: (F + 1,), first object of every frame.
    """
    detections, objects = np.diff(det_offsets), np.diff(gt_offsets)
    work = np.cumsum(detections * np.maximum(objects, 1))
    num_frames, start, done = len(work), 0, 0
    while start < num_frames:
        stop = max(int(np.searchsorted(work, done + CHUNK, side='right')), start + 1)
        yield start, stop
        start, done = stop, int(work[stop - 1])
