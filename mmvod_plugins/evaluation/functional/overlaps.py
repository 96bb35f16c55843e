"""Pairs of detections and objects of the same frame, and their IoU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

#: Pairs and detections that are looked at together: some 0.3 GiB of working memory.
CHUNK = 1_000_000


@dataclass(frozen=True)
class PairGeometry:
    """What the IoU of P pairs of boxes needs, before the pixel convention is chosen.

    Attributes:
        inter_w: (P,), float64, width of the intersection, negative without one.
        inter_h: Its height.
        first_w: Width of the first box, ``x2 - x1``.
        first_h: Its height.
        second_w: Width of the second box.
        second_h: Its height.
    """

    inter_w: np.ndarray
    inter_h: np.ndarray
    first_w: np.ndarray
    first_h: np.ndarray
    second_w: np.ndarray
    second_h: np.ndarray

    @staticmethod
    def of(first: np.ndarray, second: np.ndarray) -> PairGeometry:
        """Geometry of the boxes ``first[p]`` and ``second[p]``, both (P, 4)."""
        ax1, ay1, ax2, ay2 = np.ascontiguousarray(first.T, dtype=np.float64)
        bx1, by1, bx2, by2 = np.ascontiguousarray(second.T, dtype=np.float64)
        return PairGeometry(np.minimum(ax2, bx2) - np.maximum(ax1, bx1),
                            np.minimum(ay2, by2) - np.maximum(ay1, by1),
                            ax2 - ax1, ay2 - ay1, bx2 - bx1, by2 - by1)

    def iou(self, offset: float, over_first: np.ndarray | None = None) -> np.ndarray:
        """Intersection over union, (P,).

        Args:
            offset: Added to every side: 1 where ``x2`` is the last pixel, 0 where it is the border.
            over_first: (P,), bool: pairs whose intersection is divided by the area of the first
                box instead of the union (COCO's crowds).
        """
        inter = np.maximum(self.inter_w + offset, 0) * np.maximum(self.inter_h + offset, 0)
        first = np.maximum(self.first_w + offset, 0) * np.maximum(self.first_h + offset, 0)
        second = np.maximum(self.second_w + offset, 0) * np.maximum(self.second_h + offset, 0)
        union = first + second - inter
        if over_first is not None:
            union = np.where(over_first, first, union)
        return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


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


def run_starts(values: np.ndarray) -> np.ndarray:
    """Where a run of equal values begins, (R,)."""
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
