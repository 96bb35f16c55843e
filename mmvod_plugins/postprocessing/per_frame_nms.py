"""Non-maximum suppression frame by frame, and a check whether it was applied before."""

from __future__ import annotations

import numpy as np
from mmdet.registry import TASK_UTILS

from mmvod_plugins.structures import VideoDetections

from .base import PostProcessor
from .overlapping_pairs import class_groups, iter_overlapping_pairs, overlapping_pairs
from .path_rescoring import best_per_frame
from .scored_boxes import distinct_boxes, group_boxes

#: Smallest IoU of two boxes of one class in one frame that count as touching.
TOUCHING_IOU = 0.1
#: Suppression at the usual thresholds (0.3 to 0.7) leaves no pair above this.
HIGHEST_IOU_LEFT = 0.7
#: So many touching pairs, none with a larger IoU, are not taken for a coincidence.
ENOUGH_PAIRS = 100


@TASK_UTILS.register_module()
class PerFrameNMS(PostProcessor):
    """Score threshold, suppression and a cap per frame, as in mmdet's test.

    Suppression is per class, or with ``class_agnostic`` over all classes: then a box counts with
    its best score, and the detections of all classes of a surviving box survive. Boxes thus keep
    their score vectors, which REPP and Seq-Bbox Matching link.
    """

    def __init__(self, *, iou: float = 0.5, pixel_offset: float = 0.0,
                 max_per_frame: int | None = None, score_threshold: float = 0.0,
                 class_agnostic: bool = False) -> None:
        """Set the options.

        Args:
            iou: Of two boxes of a class with an IoU above this the one with the lower score is
                removed.
            pixel_offset: Added to the sides of boxes: 1 where coordinates name the last pixel.
            max_per_frame: Largest number of boxes of all classes in a frame; None for no limit.
            score_threshold: Boxes with a score above this are used.
            class_agnostic: Whether boxes of different classes suppress each other.
        """
        if not 0 <= iou <= 1:
            raise ValueError(f'PerFrameNMS: iou must be from 0 to 1, got {iou}')
        self.iou = iou
        self.pixel_offset = pixel_offset
        self.max_per_frame = max_per_frame
        self.score_threshold = score_threshold
        self.class_agnostic = class_agnostic

    def process(self, video: VideoDetections) -> VideoDetections:
        """Select the detections that survive, unchanged."""
        video = video.select(video.scores > self.score_threshold)
        suppress = kept_boxes_by_nms if self.class_agnostic else kept_by_nms
        rows = np.flatnonzero(suppress(video, self.iou, self.pixel_offset))
        rows = rows[best_per_frame(video, rows, self.max_per_frame)]
        return video.select(rows).with_arrays(suppressed=True)


def kept_by_nms(video: VideoDetections, iou: float, pixel_offset: float = 0.0) -> np.ndarray:
    """Mask of the detections that survive, (N,), bool; of equal scores the earlier row does.

    Args:
        video: The detections.
        iou: The box with the better score suppresses those with an IoU *above* this.
        pixel_offset: In pixels.
    """
    groups = class_groups(video)
    # overlapping_pairs takes equality in: the next larger number makes it "above".
    pairs = overlapping_pairs(video.boxes[groups.rows], groups.groups, groups.groups,
                              np.nextafter(iou, 2.0), pixel_offset)
    pairs = groups.rows[pairs]
    first, second = video.scores[pairs.T]
    better = (first > second) | ((first == second) & (pairs[:, 0] < pairs[:, 1]))
    return ~_suppressed(pairs[better], len(video))


def kept_boxes_by_nms(video: VideoDetections, iou: float, pixel_offset: float = 0.0) -> np.ndarray:
    """Mask of the detections that survive where whole boxes are suppressed, (N,), bool.

    Args:
        video: The detections; those with the same box in the same frame share one fate.
        iou: As for :func:`kept_by_nms`.
        pixel_offset: In pixels.
    """
    group, _ = group_boxes(video)
    boxes = distinct_boxes(video)
    boxes = boxes.with_arrays(labels=np.zeros(len(boxes), np.int64))
    return kept_by_nms(boxes, iou, pixel_offset)[group]


def _suppressed(pairs: np.ndarray, count: int) -> np.ndarray:
    """Mask of the suppressed rows, (N,), bool, from pairs (P, 2) of a better and a worse box.

    A round decides in all frames at once: a box that no remaining box beats survives and
    suppresses those that it beats. Pairs of suppressed boxes are dropped, as they suppress nothing.
    """
    gone = np.zeros(count, dtype=bool)
    while len(pairs):
        beaten = np.zeros(count, dtype=bool)
        beaten[pairs[:, 1]] = True
        gone[pairs[~beaten[pairs[:, 0]], 1]] = True
        pairs = pairs[~gone[pairs].any(axis=1)]
    return gone


def looks_suppressed(video: VideoDetections) -> bool:
    """Whether many pairs of boxes of one class and frame touch, but none overlaps much.

    False also if there are too few pairs to tell.
    """
    found = class_groups(video)
    touching = 0
    for pairs, iou in iter_overlapping_pairs(video.boxes[found.rows], found.groups, found.groups,
                                             TOUCHING_IOU):
        iou = iou[pairs[:, 0] < pairs[:, 1]]
        if np.any(iou > HIGHEST_IOU_LEFT):
            return False
        touching += len(iou)
    return touching >= ENOUGH_PAIRS


def check_not_suppressed(video: VideoDetections, name: str) -> None:
    """Raise if the boxes of a video were suppressed per frame.

    Args:
        video: Detections; ``video.suppressed`` decides, or the boxes themselves if it is None.
        name: Name of the post-processor, for the message.

    Raises:
        ValueError: With the remedy.
    """
    if video.suppressed is False or (video.suppressed is None and not looks_suppressed(video)):
        return
    found = ('is marked as suppressed by per-frame NMS' if video.suppressed else
             f'has over {ENOUGH_PAIRS} pairs of boxes that touch, none with an IoU above '
             f'{HIGHEST_IOU_LEFT}: it seems that per-frame NMS was applied')
    raise ValueError(
        f'video {video.video_id!r} {found}. {name} replaces per-frame NMS and needs the boxes '
        'from before it: test with model.detections.nms=False, or set force=True to use these')
