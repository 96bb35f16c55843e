"""Overlapping pairs of boxes within a class, for all frames of a video at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.structures.boxes import paired_iou
from mmvod_plugins.utils.arrays import run_starts

#: Pairs per block: few enough that the arrays fit into the processor's cache.
BLOCK_PAIRS = 1 << 16


@dataclass(frozen=True)
class ClassGroups:
    """Detections grouped by class and frame; empty groups are omitted.

    Attributes:
        rows: (N,), int64, rows of the video by class, then by frame, then in their order.
        classes: (C, 2), int64, start and stop of each class in ``rows``.
        groups: (G, 2), int64, start and stop of each group in ``rows``.
        frames: (G,), int64, position of each group's frame.
        labels: (G,), int64, class of each group.
    """

    rows: np.ndarray
    classes: np.ndarray
    groups: np.ndarray
    frames: np.ndarray
    labels: np.ndarray


def class_groups(video: VideoDetections) -> ClassGroups:
    """Group the detections of a video by class and frame."""
    # Rows are in frame order, so that a stable sort by class is enough; of int16 it is linear.
    rows = np.argsort(video.labels.astype(np.int16), kind='stable')
    labels, frames = video.labels[rows], video.frame_index[rows]
    classes = _bounds(run_starts(labels), len(rows))
    groups = _bounds(run_starts(labels, frames), len(rows))
    return ClassGroups(rows, classes, groups, frames[groups[:, 0]], labels[groups[:, 0]])


def _bounds(starts: np.ndarray, count: int) -> np.ndarray:
    """First row and the row after the last of each run, (G, 2)."""
    return np.column_stack([starts, np.append(starts, count)[1:]])


def overlapping_pairs(boxes: np.ndarray, first: np.ndarray, second: np.ndarray, min_iou: float,
                      pixel_offset: float = 0.0) -> np.ndarray:
    """Find pairs with an IoU of at least ``min_iou``: (P, 2), int64, rows of ``boxes``.

    They are sorted by the second row, then by the first.

    Args:
        boxes: (N, 4), ``(x1, y1, x2, y2)`` in pixels.
        first: (G, 2), int64, start and stop of each group.
        second: (G, 2), the group that each group of ``first`` is compared with: itself, or for
            instance that of the next frame.
        min_iou: In (0, 1].
        pixel_offset: As in :func:`~mmvod_plugins.structures.boxes.box_areas`.
    """
    found = [pairs for pairs, _ in iter_overlapping_pairs(boxes, first, second, min_iou,
                                                          pixel_offset)]
    pairs = np.concatenate([np.zeros((0, 2), dtype=np.int64), *found])
    return pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]


def iter_overlapping_pairs(boxes: np.ndarray, first: np.ndarray, second: np.ndarray,
                           min_iou: float, pixel_offset: float = 0.0,
                           ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Find overlapping pairs block by block: (P, 2) and their IoU (P,), in no particular order.

    Groups of similar size form a block, padded with NaN, whose IoU is 0.

    Args:
        boxes: (N, 4); the arguments are those of :func:`overlapping_pairs`.
        first: (G, 2).
        second: (G, 2).
        min_iou: In (0, 1].
        pixel_offset: In pixels.
    """
    table = np.concatenate([boxes, np.full((1, 4), np.nan)], dtype=np.float64)
    for groups in _blocks(first, second):
        rows_a = _padded_rows(first[groups], len(boxes))
        rows_b = _padded_rows(second[groups], len(boxes))
        # (G, n, 1, 4) with (G, 1, m, 4) gives (G, n, m).
        iou = paired_iou(table[rows_a][:, :, None], table[rows_b][:, None], pixel_offset)
        group, i, j = np.nonzero(iou >= min_iou)
        yield np.column_stack([rows_a[group, i], rows_b[group, j]]), iou[group, i, j]


def _blocks(first: np.ndarray, second: np.ndarray) -> Iterator[np.ndarray]:
    """Numbers of the groups of each block; groups without pairs are omitted."""
    sizes = np.stack([first[:, 1] - first[:, 0], second[:, 1] - second[:, 0]])
    order = np.lexsort((sizes[0], sizes[1]))
    order = order[sizes[:, order].min(axis=0) > 0]
    while len(order):
        # With the first k groups in one block, all are padded to the largest sizes among them.
        tallest = np.maximum.accumulate(sizes[:, order], axis=1).prod(axis=0)
        cells = tallest * np.arange(1, len(order) + 1)
        count = max(int(np.searchsorted(cells, BLOCK_PAIRS, side='right')), 1)
        yield order[:count]
        order = order[count:]


def _padded_rows(groups: np.ndarray, padding: int) -> np.ndarray:
    """Rows of each group, (G, n), padded with the row ``padding``."""
    rows = groups[:, :1] + np.arange((groups[:, 1] - groups[:, 0]).max())
    return np.where(rows < groups[:, 1:], rows, padding)
