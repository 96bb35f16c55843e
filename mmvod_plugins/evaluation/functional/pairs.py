"""Pairs of detections and objects of the same frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: Pairs and detections per chunk: about 0.3 GiB of working memory.
CHUNK = 1_000_000


def join(left: np.ndarray, right: np.ndarray, num_units: int) -> tuple[np.ndarray, np.ndarray]:
    """Find all pairs of rows with the same unit (a frame, or a class in a frame).

    Args:
        left: (A,), unit of every row, in [0, num_units).
        right: (B,).
        num_units: Number of units.

    Returns:
        Rows of both sides, (P,) each: ascending on the left, for the same left row ascending on
        the right.
    """
    # The partners of a left row are rows[starts[u]:starts[u] + counts[u]] for its unit u.
    counts = np.bincount(right, minlength=num_units)
    starts = np.cumsum(counts) - counts
    rows = np.argsort(right, kind='stable')
    partners = counts[left]
    chosen = np.flatnonzero(partners)
    partners = partners[chosen]
    # Pair p of the output belongs to the run of its left row; adding the run's shift to p gives
    # the position in ``rows``.
    shift = starts[left[chosen]] - (np.cumsum(partners) - partners)
    return (np.repeat(chosen, partners),
            rows[np.arange(int(partners.sum())) + np.repeat(shift, partners)])


def frame_chunks(det_offsets: np.ndarray, gt_offsets: np.ndarray) -> Iterator[tuple[int, int]]:
    """Split the frames into ranges of about :data:`CHUNK` pairs and detections.

    Args:
        det_offsets: (F + 1,), first detection of every frame.
        gt_offsets: (F + 1,), first object of every frame.

    Yields:
        Start and stop of a range, at least one frame.
    """
    # A detection costs work even without objects, hence the maximum.
    detections, objects = np.diff(det_offsets), np.diff(gt_offsets)
    work = np.cumsum(detections * np.maximum(objects, 1))
    num_frames, start, done = len(work), 0, 0
    while start < num_frames:
        stop = max(int(np.searchsorted(work, done + CHUNK, side='right')), start + 1)
        yield start, stop
        start, done = stop, int(work[stop - 1])
