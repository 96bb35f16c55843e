"""Search of Seq-NMS for the best sequences of linked boxes, one after the other.

numba compiles it on the first call and caches the result on disk. docs/dependencies.md has the
measurement that justifies numba.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
from numba import njit


class Boxes(NamedTuple):
    """Boxes of a video, sorted by class, then by frame.

    Attributes:
        corners: (N, 4), float64, ``(x1, y1, x2, y2)`` in pixels.
        areas: (N,), float64, square pixels, with the pixel offset.
        scores: (N,), float64.
        same: (N, 2), int64, start and stop of the rows of the box's class and frame.
        before: (N, 2), int64, start and stop of those of the previous frame; empty if there is
            none.
    """

    corners: np.ndarray
    areas: np.ndarray
    scores: np.ndarray
    same: np.ndarray
    before: np.ndarray


class Rule(NamedTuple):
    """Conditions of linking, suppression and stopping: the options of ``SeqNMS``."""

    link_iou: float
    suppress_iou: float
    pixel_offset: float
    min_sum: float
    stop_without_links: bool


class Forest(NamedTuple):
    """Remaining boxes, each with the best sequence that ends in it.

    The best sequences form a forest: the parent of a box is its predecessor. Removing boxes changes
    only their descendants, so nothing else is recomputed; sums and sequences are exactly those of
    a computation from scratch.

    Attributes:
        left: (N,), bool.
        sums: (N,), float64, sum of the best sequence that ends here; 0 if the box was removed.
        parents: (N,), int64, -1 for none.
        first_child: (N,), int64, -1 for none; the children are chained by ``next_child``.
        next_child: (N,), int64.
    """

    left: np.ndarray
    sums: np.ndarray
    parents: np.ndarray
    first_child: np.ndarray
    next_child: np.ndarray


def find_sequences(boxes: Boxes, classes: np.ndarray,
                   rule: Rule) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take the best sequence of each class repeatedly until its search stops.

    Args:
        boxes: The boxes.
        classes: (C, 2), int64, start and stop of each class.
        rule: The options.

    Returns:
        Number of each box's sequence, (N,), int64, -1 for none; whether a box remains, (N,), bool;
        sum of scores of each sequence, (S,), float64.
    """
    count = len(boxes.scores)
    forest = Forest(np.ones(count, dtype=np.bool_), np.zeros(count),
                    *(np.full(count, -1, dtype=np.int64) for _ in range(3)))
    sequences, totals = np.full(count, -1, dtype=np.int64), np.empty(count)
    found = _search(boxes, forest, rule, classes, sequences, totals)
    return sequences, forest.left, totals[:found]


@njit(cache=True, error_model='numpy')
def _search(boxes: Boxes, forest: Forest, rule: Rule, classes: np.ndarray,
            sequences: np.ndarray, totals: np.ndarray) -> int:
    """Search all classes and fill ``sequences`` and ``totals``; return the number of sequences."""
    # Buffers for rows, as lists would be slow in compiled code.
    gone, below = np.empty_like(sequences), np.empty_like(sequences)
    found = 0
    for start, end in classes:
        linked = _evaluate(boxes, forest, rule, np.arange(start, end))
        # A heap of (-sum, box): the best sum first, of equal ones the first row. Sums only fall; a
        # changed box is pushed again and its old entry is skipped when it comes up.
        queue = [(-forest.sums[box], box) for box in range(start, end)]
        heapq.heapify(queue)
        while queue and (linked or not rule.stop_without_links):
            negative, box = heapq.heappop(queue)
            if not forest.left[box] or forest.sums[box] != -negative:
                # Outdated entry: the box was removed, or is further back with its new sum.
                continue
            if -negative < rule.min_sum:
                break
            taken = gone[:_take(boxes, forest, rule, box, sequences, found, gone)]
            totals[found] = -negative
            found += 1
            changed = below[:_cut_below(forest, taken, below)]
            linked -= _count_linked(forest, taken) + len(changed)
            linked += _evaluate(boxes, forest, rule, changed)
            for box in changed:
                heapq.heappush(queue, (-forest.sums[box], box))
    return found


@njit(cache=True, error_model='numpy')
def _evaluate(boxes: Boxes, forest: Forest, rule: Rule, rows: np.ndarray) -> int:
    """Find the best parents of rows, given in frame order; return how many have one."""
    linked = 0
    for box in rows:
        best, parent = 0.0, -1
        for other in range(boxes.before[box, 0], boxes.before[box, 1]):
            # Removed boxes have the sum 0. Comparing sums first saves most computations of IoU.
            if (forest.sums[other] > best
                    and _iou(boxes, other, box, rule.pixel_offset) >= rule.link_iou):
                best, parent = forest.sums[other], other
        forest.sums[box] = boxes.scores[box] + best
        forest.parents[box] = parent
        if parent >= 0:
            linked += 1
            forest.next_child[box] = forest.first_child[parent]
            forest.first_child[parent] = box
    return linked


@njit(cache=True, error_model='numpy')
def _take(boxes: Boxes, forest: Forest, rule: Rule, last: int, sequences: np.ndarray,
          number: int, gone: np.ndarray) -> int:
    """Remove the sequence that ends in ``last`` and the boxes that it suppresses.

    ``gone`` receives the removed boxes; their number is returned.
    """
    count = 0
    box = last
    while box >= 0:
        sequences[box] = number
        for other in range(boxes.same[box, 0], boxes.same[box, 1]):
            if forest.left[other] and (
                    other == box
                    or _iou(boxes, other, box, rule.pixel_offset) >= rule.suppress_iou):
                forest.left[other] = False
                forest.sums[other] = 0.0
                gone[count] = other
                count += 1
        box = forest.parents[box]
    return count


@njit(cache=True, error_model='numpy')
def _cut_below(forest: Forest, gone: np.ndarray, below: np.ndarray) -> int:
    """Find the remaining descendants of removed boxes and detach them.

    ``below`` receives them, ascending; their number is returned.
    """
    count = 0
    for box in gone:
        count = _cut_children(forest, box, below, count)
    # Breadth first: ``below`` is the queue. Ascending rows are in frame order, so that parents are
    # evaluated before their children.
    visited = 0
    while visited < count:
        count = _cut_children(forest, below[visited], below, count)
        visited += 1
    if count > 1:
        below[:count].sort()
    return count


@njit(cache=True, error_model='numpy')
def _count_linked(forest: Forest, rows: np.ndarray) -> int:
    """Number of rows that have a parent."""
    linked = 0
    for box in rows:
        linked += forest.parents[box] >= 0
    return linked


@njit(cache=True, error_model='numpy')
def _cut_children(forest: Forest, box: int, below: np.ndarray, count: int) -> int:
    child = forest.first_child[box]
    forest.first_child[box] = -1
    while child >= 0:
        if forest.left[child]:
            below[count] = child
            count += 1
        child = forest.next_child[child]
    return count


@njit(cache=True, error_model='numpy')
def _iou(boxes: Boxes, first: int, second: int, pixel_offset: float) -> float:
    """Intersection over union of two boxes; 0 where both are empty."""
    corners = boxes.corners
    width = (min(corners[first, 2], corners[second, 2])
             - max(corners[first, 0], corners[second, 0]) + pixel_offset)
    height = (min(corners[first, 3], corners[second, 3])
              - max(corners[first, 1], corners[second, 1]) + pixel_offset)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (boxes.areas[first] + boxes.areas[second] - shared)
