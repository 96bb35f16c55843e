"""Greedy one-to-one linking of neighbouring frames, as in REPP and Seq-Bbox Matching."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def greedy_tubelets(num_boxes: np.ndarray, distances: Iterable[np.ndarray | None]) -> np.ndarray:
    """Link neighbouring frames greedily; return the tubelet of every box.

    Args:
        num_boxes: (T,), boxes of each frame.
        distances: T - 1 items as for :func:`chain_starts`.

    Returns:
        (N,), int64, as :func:`tubelet_numbers`.
    """
    return tubelet_numbers(chain_starts(num_boxes, distances))


def chain_starts(num_boxes: np.ndarray, distances: Iterable[np.ndarray | None]) -> np.ndarray:
    """Link neighbouring frames greedily; return the first box of every box's chain.

    Args:
        num_boxes: (T,), boxes of each frame.
        distances: T - 1 items: the distances of the boxes of frame t to those of frame t + 1,
            (n_t, n_t+1), infinite where they cannot be linked; None if none can.

    Returns:
        (N,), int64: number of the chain's first box, counted over the whole video. Values do not
        depend on later frames.
    """
    offsets = np.concatenate([[0], np.cumsum(num_boxes)]).astype(np.int64)
    starts = np.arange(offsets[-1])
    for t, distance in enumerate(distances):
        if distance is not None:
            # Frames come in order: the chains of frame t are complete when t + 1 continues them.
            first, second = greedy_pairs(distance)
            starts[offsets[t + 1] + second] = starts[offsets[t] + first]
    return starts


def tubelet_numbers(starts: np.ndarray) -> np.ndarray:
    """Number the chains of at least two boxes by their first frame, then by their box in it.

    Args:
        starts: (N,), from :func:`chain_starts`.

    Returns:
        (N,), int64, the tubelet of every box; -1 for a box without links.
    """
    # Indexed by first box: the length of its chain (0 where no chain starts), then its number.
    lengths = np.bincount(starts, minlength=len(starts))
    numbers = np.where(lengths > 1, np.cumsum(lengths > 1) - 1, -1)
    return numbers[starts]


def greedy_pairs(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair rows and columns one to one, smallest distance first; ties in row-major order.

    Args:
        distances: (n, m); pairs at an infinite distance are never made.

    Returns:
        Rows and columns of the pairs, (P,), int64, the closest pair first.
    """
    rows, columns = np.nonzero(np.isfinite(distances))
    order = np.argsort(distances[rows, columns], kind='stable')
    left = min(distances.shape)
    taken_rows, taken_columns = set(), set()
    pairs = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row in taken_rows or column in taken_columns:
            continue
        taken_rows.add(row)
        taken_columns.add(column)
        pairs.append((row, column))
        if len(pairs) == left:
            break
    first, second = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return first, second


def joined_so_far(frame_ids: np.ndarray) -> np.ndarray:
    """Whether each frame follows the one before without a gap, without using later frames.

    The smallest step so far counts as the step of the video.

    Args:
        frame_ids: (T,), ascending.

    Returns:
        (T - 1,), bool.
    """
    steps = np.diff(frame_ids)
    return steps == np.minimum.accumulate(steps)
