"""Areas and IoU of boxes in numpy, with and without the inclusive pixel of older programs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def box_areas(boxes: np.ndarray, pixel_offset: float = 0.0) -> np.ndarray:
    """Areas in square pixels, (n,); 0 for a box whose sides are swapped.

    Args:
        boxes: (n, 4), ``(x1, y1, x2, y2)`` in pixels.
        pixel_offset: Added to every side: 1 where coordinates name the last pixel inside.
    """
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2] + pixel_offset, 0)
    return sides[:, 0] * sides[:, 1]


@dataclass(frozen=True)
class PairGeometry:
    """Sides of pairs of boxes and of their intersections, before a pixel convention is chosen.

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
        """Geometry of the boxes ``first[p]`` and ``second[p]``.

        Args:
            first: (P, 4), or (..., 4) for pairs by numpy's broadcasting.
            second: As ``first``.
        """
        # Contiguous columns: the steps below run several times faster than on strided ones.
        ax1, ay1, ax2, ay2 = _columns(first)
        bx1, by1, bx2, by2 = _columns(second)
        return PairGeometry(np.minimum(ax2, bx2) - np.maximum(ax1, bx1),
                            np.minimum(ay2, by2) - np.maximum(ay1, by1),
                            ax2 - ax1, ay2 - ay1, bx2 - bx1, by2 - by1)

    def iou(self, pixel_offset: float = 0.0, over_first: np.ndarray | None = None) -> np.ndarray:
        """Intersection over union, (P,); 0 where both boxes are empty.

        Args:
            pixel_offset: As in :func:`box_areas`.
            over_first: (P,), bool: pairs whose intersection is divided by the area of the first
                box instead of the union (COCO's crowds).
        """
        inter = _area(self.inter_w, self.inter_h, pixel_offset)
        first = _area(self.first_w, self.first_h, pixel_offset)
        union = first + _area(self.second_w, self.second_h, pixel_offset) - inter
        if over_first is not None:
            union = np.where(over_first, first, union)
        return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def paired_iou(boxes_a: np.ndarray, boxes_b: np.ndarray, pixel_offset: float = 0.0) -> np.ndarray:
    """IoU of box i with box i, (n,); 0 where both are empty.

    Args:
        boxes_a: (n, 4), ``(x1, y1, x2, y2)`` in pixels; or (..., 4), broadcast.
        boxes_b: As ``boxes_a``.
        pixel_offset: As in :func:`box_areas`.
    """
    return PairGeometry.of(boxes_a, boxes_b).iou(pixel_offset)


def pairwise_iou(boxes_a: np.ndarray, boxes_b: np.ndarray,
                 pixel_offset: float = 0.0) -> np.ndarray:
    """IoU of every box with every other, (n, m).

    Args:
        boxes_a: (n, 4), ``(x1, y1, x2, y2)`` in pixels.
        boxes_b: (m, 4).
        pixel_offset: As in :func:`box_areas`.
    """
    return paired_iou(boxes_a[:, None], boxes_b[None], pixel_offset)


def _columns(boxes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(boxes, -1, 0), dtype=np.float64)


def _area(width: np.ndarray, height: np.ndarray, pixel_offset: float) -> np.ndarray:
    return np.maximum(width + pixel_offset, 0) * np.maximum(height + pixel_offset, 0)
