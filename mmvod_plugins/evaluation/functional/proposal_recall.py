"""Class-agnostic recall of proposals."""

from __future__ import annotations

import numpy as np

from mmvod_plugins.structures.boxes import PairGeometry

from .detections import Detections
from .ground_truth import GroundTruth
from .pairs import frame_chunks, join
from .protocols import IOU_THRESHOLD
from .scene import Scene, descending


def proposal_recall(proposals: Detections, truth: GroundTruth, limit: int = 300,
                    iou_threshold: float = IOU_THRESHOLD, *, offset: float = 1) -> float:
    """Share of all objects that a proposal covers (mega.pytorch's and torchvision's rule).

    In every frame the pair with the largest overlap is taken and its box and object are removed,
    until no pair reaches the threshold. Crowds are excluded.

    Args:
        proposals: Boxes; labels do not matter.
        truth: Ground truth.
        limit: Best proposals per frame that count, by score.
        iou_threshold: Smallest overlap that covers an object.
        offset: Added to ``x2 - x1`` to get a side, in pixels.

    Returns:
        The recall; NaN without objects.
    """
    scene = Scene(proposals, truth)
    num_gt = int(np.sum(~truth.crowd))
    if not num_gt:
        return float('nan')
    frame, best = scene.detections.frame_index, best_of_frames(scene.detections, limit)
    offsets = np.searchsorted(frame[best], np.arange(truth.num_frames + 1))
    covered = 0
    for start, stop in frame_chunks(offsets, truth.offsets):
        dets = best[offsets[start]:offsets[stop]]
        gts = np.arange(truth.offsets[start], truth.offsets[stop])
        gts = gts[~truth.crowd[gts]]
        rows, columns = join(frame[dets].astype(np.int64) - start, truth.frame_index[gts] - start,
                             stop - start)
        det, gt = dets[rows], gts[columns]
        iou = PairGeometry.of(scene.detections.boxes[det], truth.boxes[gt]).iou(offset)
        enough = iou >= iou_threshold
        covered += _count_by_overlap(det[enough], gt[enough], iou[enough])
    return covered / num_gt


def best_of_frames(detections: Detections, limit: int) -> np.ndarray:
    """Rows of the best detections of each frame, frame after frame.

    Args:
        detections: In frame order.
        limit: Detections per frame.
    """
    by_score = descending(detections.scores)
    order = by_score[np.argsort(detections.frame_index[by_score], kind='stable')]
    frame = detections.frame_index[order]
    place = np.arange(len(order)) - np.searchsorted(frame, frame)
    return order[place < limit]


def _count_by_overlap(det: np.ndarray, gt: np.ndarray, iou: np.ndarray) -> int:
    """Number of pairs that greedy assignment by largest overlap takes.

    A pair that is the best of both its box and its object is taken whatever happens elsewhere: a
    round takes all of these at once and removes the other pairs of their boxes and objects. Equal
    overlaps are ordered by object, then by box, as in the published loop.
    """
    order = np.lexsort((det, gt, -iou))
    _, det = np.unique(det[order], return_inverse=True)
    _, gt = np.unique(gt[order], return_inverse=True)
    count = 0
    while len(det):
        first_of_det, first_of_gt = (np.unique(rows, return_index=True)[1] for rows in (det, gt))
        taken = np.intersect1d(first_of_det, first_of_gt)
        count += len(taken)
        left = ~np.isin(det, det[taken]) & ~np.isin(gt, gt[taken])
        det, gt = det[left], gt[left]
    return count
