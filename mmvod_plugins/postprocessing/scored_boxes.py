"""Boxes with score vectors over all classes, as REPP and Seq-Bbox Matching link them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mmvod_plugins.structures import VideoDetections


@dataclass
class ScoredBoxes:
    """The distinct boxes of a video, in temporal order.

    Attributes:
        num_boxes: (T,), int64, boxes of each frame.
        boxes: (N, 4), float64, ``(x1, y1, x2, y2)`` in pixels.
        vectors: (N, K), float64, scores of every class.
        rows: (N,), int64, the first detection (row of the video) of every box.
    """

    num_boxes: np.ndarray
    boxes: np.ndarray
    vectors: np.ndarray
    rows: np.ndarray

    def frame(self, t: int) -> ScoredBoxes:
        """The boxes of frame number t."""
        start = int(np.sum(self.num_boxes[:t]))
        rows = slice(start, start + int(self.num_boxes[t]))
        return ScoredBoxes(self.num_boxes[t:t + 1], self.boxes[rows], self.vectors[rows],
                           self.rows[rows])

    def distances(self, distance: Callable[[ScoredBoxes, ScoredBoxes], np.ndarray],
                  joined: np.ndarray) -> Iterator[np.ndarray | None]:
        """Distances of every frame's boxes to those of the next frame.

        Args:
            distance: Of the boxes of one frame to those of the next, (n, m).
            joined: (T - 1,), bool, whether boxes of a frame and the next may be linked.

        Yields:
            (n_t, n_t+1), or None where none may be linked.
        """
        for t, may_link in enumerate(joined):
            yield distance(self.frame(t), self.frame(t + 1)) if may_link else None

    @property
    def frame_index(self) -> np.ndarray:
        """Position of the frame of every box, (N,), int64."""
        return np.repeat(np.arange(len(self.num_boxes)), self.num_boxes)


def scored_boxes(video: VideoDetections) -> ScoredBoxes:
    """Merge detections that have the same box in the same frame.

    The scores of a box are those of its detections; ``class_scores`` supplies the other classes.
    In two cases it does not, as it would revive scores that were suppressed or that belong to
    another box: suppression was applied to the detections (``suppressed``), or the proposal has
    several boxes in its frame, one per class.

    Args:
        video: Detections; ``scores`` take precedence over ``class_scores``.
    """
    group, rows = group_boxes(video)
    num_classes = int(video.labels.max(initial=-1)) + 1
    if video.class_scores is not None:
        num_classes = max(num_classes, video.class_scores.shape[1])
    # Flat index of (box, class); of several detections of both the best counts.
    scores = np.zeros(len(rows) * num_classes)
    np.maximum.at(scores, group * num_classes + video.labels, video.scores)
    vectors = scores.reshape(len(rows), num_classes)
    if video.class_scores is not None and not video.suppressed:
        vectors = _with_other_classes(video, vectors, group, rows)
    num_boxes = np.bincount(video.frame_index[rows], minlength=video.num_frames)
    return ScoredBoxes(num_boxes, video.boxes[rows].astype(np.float64), vectors, rows)


def group_boxes(video: VideoDetections) -> tuple[np.ndarray, np.ndarray]:
    """Find the detections with the same box in the same frame.

    Returns:
        Number of the box of every detection, counted in the order of their first detections,
        (N,), and the first detection of every box, (M,); both int64.
    """
    order = np.lexsort((*video.boxes.T, video.frame_index))
    places = np.column_stack([video.frame_index, video.boxes])[order]
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = np.any(places[1:] != places[:-1], axis=1)
    # lexsort is stable: of equal boxes the first detection comes first.
    rows = order[is_new]
    # Boxes are in the order of the sort; ``rank`` renumbers them by their first detection.
    rank = np.argsort(np.argsort(rows))
    group = np.empty(len(order), dtype=np.int64)
    group[order] = rank[np.cumsum(is_new) - 1]
    return group, np.sort(rows)


def distinct_boxes(video: VideoDetections) -> VideoDetections:
    """Every box of a video once, with its best score and the label of its first detection."""
    group, first = group_boxes(video)
    best = np.zeros(len(first), dtype=video.scores.dtype)
    np.maximum.at(best, group, video.scores)
    return video.select(first).with_arrays(scores=best)


def _with_other_classes(video: VideoDetections, vectors: np.ndarray, group: np.ndarray,
                        rows: np.ndarray) -> np.ndarray:
    """Fill in the scores of undetected classes from ``class_scores``, (M, K)."""
    detected = np.zeros(vectors.shape, dtype=bool)
    detected[group, video.labels] = True
    if video.proposal_ids is not None:
        # Proposals with several boxes keep their detected scores only.
        places = np.column_stack([video.frame_index, video.proposal_ids])[rows]
        _, same, count = np.unique(places, axis=0, return_inverse=True, return_counts=True)
        detected[count[same.reshape(-1)] > 1] = True
    # Best of each class over the detections of a box, which a sort by box makes adjacent.
    order = np.argsort(group, kind='stable')
    first = np.searchsorted(group[order], np.arange(len(rows)))
    known = np.maximum.reduceat(video.class_scores[order], first)
    full = np.zeros(vectors.shape)
    full[:, :known.shape[1]] = known
    return np.where(detected, vectors, full)


def detections_of(video: VideoDetections, found: ScoredBoxes, track_ids: np.ndarray,
                  kept: np.ndarray) -> VideoDetections:
    """Convert boxes to one detection per box and class; every frame is kept.

    Args:
        video: The detections that ``found`` was made of.
        found: Boxes, possibly with new coordinates and scores.
        track_ids: (N,), tubelet of every box, -1 for none.
        kept: (N, K), bool, the scores to write.
    """
    box, labels = np.nonzero(kept)
    scores = found.vectors.astype(video.scores.dtype)
    rows = found.rows[box]
    return video.with_arrays(
        num_boxes=np.bincount(found.frame_index[box], minlength=video.num_frames),
        boxes=found.boxes.astype(video.boxes.dtype)[box],
        scores=scores[box, labels],
        labels=labels.astype(np.int64),
        class_scores=None if video.class_scores is None else scores[box],
        proposal_ids=None if video.proposal_ids is None else video.proposal_ids[rows],
        track_ids=track_ids[box])
