"""Overlap of boxes, with and without the inclusive pixel of older programs."""

from __future__ import annotations

import numpy as np


def box_areas(boxes: np.ndarray, pixel_offset: float = 0.0) -> np.ndarray:
    """Areas in square pixels, (n,); a box whose sides are swapped has none.

    Args:
        boxes: (n, 4), ``(x1, y1, x2, y2)`` in pixels.
        pixel_offset: Added to every side: 1 where coordinates name the last pixel inside.
    """
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2] + pixel_offset, 0)
    return sides[:, 0] * sides[:, 1]


def paired_iou(boxes_a: np.ndarray, boxes_b: np.ndarray,
               pixel_offset: float = 0.0) -> np.ndarray:
    """Intersection over union of box i with box i, (n,); 0 where both are empty.

    Args:
        boxes_a: (n, 4), ``(x1, y1, x2, y2)`` in pixels.
        boxes_b: (n, 4).
        pixel_offset: As in :func:`box_areas`.
    """
    boxes_a, boxes_b = _exact(boxes_a), _exact(boxes_b)
    common = np.concatenate([np.maximum(boxes_a[:, :2], boxes_b[:, :2]),
                             np.minimum(boxes_a[:, 2:], boxes_b[:, 2:])], axis=1)
    shared = box_areas(common, pixel_offset)
    union = box_areas(boxes_a, pixel_offset) + box_areas(boxes_b, pixel_offset) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def pairwise_iou(boxes_a: np.ndarray, boxes_b: np.ndarray,
                 pixel_offset: float = 0.0) -> np.ndarray:
    """Intersection over union of every box with every other, (n, m).

    Args:
        boxes_a: (n, 4), ``(x1, y1, x2, y2)`` in pixels.
        boxes_b: (m, 4).
        pixel_offset: As in :func:`box_areas`.
    """
    rows, columns = np.indices((len(boxes_a), len(boxes_b))).reshape(2, -1)
    iou = paired_iou(boxes_a[rows], boxes_b[columns], pixel_offset)
    return iou.reshape(len(boxes_a), len(boxes_b))


def _exact(boxes: np.ndarray) -> np.ndarray:
    return np.asarray(boxes, dtype=np.float64)
