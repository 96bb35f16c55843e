"""Pairs of boxes that overlap, found for many small groups of boxes at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .overlaps import box_areas

#: Pairs compared in one go: few enough that the arrays stay in the processor's cache.
BLOCK_PAIRS = 1 << 16


def overlapping_pairs(boxes: np.ndarray, first: np.ndarray, second: np.ndarray, min_iou: float,
                      pixel_offset: float = 0.0) -> np.ndarray:
    """Pairs with an IoU of at least ``min_iou``, (P, 2), int64: two rows of ``boxes``.

    They are sorted by the second row, then by the first one.

    Args:
        boxes: (N, 4), ``(x1, y1, x2, y2)`` in pixels.
        first: (G, 2), int64, of each group the first row and the row after its last.
        second: (G, 2), the group whose boxes those of ``first`` are compared with: the same one,
            or for instance that of the next frame.
        min_iou: In (0, 1].
        pixel_offset: As in :func:`~mmvod_plugins.postprocessing.overlaps.box_areas`.
    """
    found = [pairs for pairs, _ in iter_overlapping_pairs(boxes, first, second, min_iou,
                                                          pixel_offset)]
    pairs = np.concatenate([np.zeros((0, 2), dtype=np.int64), *found])
    return pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]


def iter_overlapping_pairs(boxes: np.ndarray, first: np.ndarray, second: np.ndarray,
                           min_iou: float, pixel_offset: float = 0.0,
                           ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of pairs, (P, 2), and their IoU, (P,), in no particular order.

    Groups of like size are compared together, padded with NaN, which overlaps nothing.

    Args:
        boxes: As all arguments, those of :func:`overlapping_pairs`.
        first: (G, 2).
        second: (G, 2).
        min_iou: In (0, 1].
        pixel_offset: In pixels.
    """
    boxes = np.asarray(boxes, dtype=np.float64)
    areas = box_areas(boxes, pixel_offset)
    table = np.concatenate([np.column_stack([boxes, areas]), np.full((1, 5), np.nan)])
    columns = np.ascontiguousarray(table.T)
    for groups in _blocks(first, second):
        rows_a, rows_b = _padded_rows(first[groups], len(boxes)), _padded_rows(second[groups],
                                                                              len(boxes))
        iou = _padded_iou(columns[:, rows_a][..., None], columns[:, rows_b][:, :, None],
                          pixel_offset)
        group, i, j = np.nonzero(iou >= min_iou)
        yield np.column_stack([rows_a[group, i], rows_b[group, j]]), iou[group, i, j]


def _blocks(first: np.ndarray, second: np.ndarray) -> Iterator[np.ndarray]:
    """Numbers of groups of like size, as many as make a block, groups without pairs left out."""
    sizes = np.stack([first[:, 1] - first[:, 0], second[:, 1] - second[:, 0]])
    order = np.lexsort((sizes[0], sizes[1]))
    order = order[sizes[:, order].min(axis=0) > 0]
    while len(order):
        tallest = np.maximum.accumulate(sizes[:, order], axis=1).prod(axis=0)
        cells = tallest * np.arange(1, len(order) + 1)
        count = max(int(np.searchsorted(cells, BLOCK_PAIRS, side='right')), 1)
        yield order[:count]
        order = order[count:]


def _padded_rows(groups: np.ndarray, padding: int) -> np.ndarray:
    """Rows of each group, (G, n), filled up with the row ``padding``."""
    rows = groups[:, :1] + np.arange((groups[:, 1] - groups[:, 0]).max())
    return np.where(rows < groups[:, 1:], rows, padding)


def _padded_iou(boxes_a: np.ndarray, boxes_b: np.ndarray, pixel_offset: float) -> np.ndarray:
    """IoU of (5, G, n, 1) with (5, G, 1, m), NaN for padding and for two empty boxes."""
    width = np.minimum(boxes_a[2], boxes_b[2]) - np.maximum(boxes_a[0], boxes_b[0])
    height = np.minimum(boxes_a[3], boxes_b[3]) - np.maximum(boxes_a[1], boxes_b[1])
    shared = np.maximum(width + pixel_offset, 0) * np.maximum(height + pixel_offset, 0)
    with np.errstate(invalid='ignore'):
        return shared / (boxes_a[4] + boxes_b[4] - shared)
