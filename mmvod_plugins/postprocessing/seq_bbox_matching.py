"""Seq-Bbox Matching: linking by overlap and class, and mean scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from mmdet.registry import TASK_UTILS

from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.structures.boxes import pairwise_iou

from .base import PostProcessor
from .greedy_tubelets import chain_starts, greedy_tubelets, joined_so_far
from .scored_boxes import ScoredBoxes, detections_of, scored_boxes
from .tubelets import running_tubelet_means, tubelet_means


def seq_bbox_distance(boxes_a: np.ndarray, boxes_b: np.ndarray, vectors_a: np.ndarray,
                      vectors_b: np.ndarray) -> np.ndarray:
    """``1 / (IoU * (s_a . s_b))`` of every pair, (n, m); infinite without overlap.

    Args:
        boxes_a: (n, 4), ``(x1, y1, x2, y2)``.
        boxes_b: (m, 4), of the next frame.
        vectors_a: (n, K), scores of all classes.
        vectors_b: (m, K).
    """
    similarity = pairwise_iou(boxes_a, boxes_b) * (vectors_a @ vectors_b.T)
    return np.divide(1, similarity, out=np.full_like(similarity, np.inf), where=similarity > 0)


@TASK_UTILS.register_module()
class SeqBboxMatching(PostProcessor):
    """Links boxes of neighbouring frames and gives every box the mean scores of its tubelet.

    The baseline of REPP: frames are linked greedily by :func:`seq_bbox_distance`; boxes are not
    moved, and unlinked ones keep their scores. ``track_ids`` are the numbers of the tubelets.
    Apply it after per-frame suppression. Frames are not linked across missing ones; the published
    re-detection of missing boxes is not implemented.

    Args:
        min_score: Every class of a box whose score is above this is a detection of its own.
        causal: Whether detections of a frame must not depend on later frames: means then run up to
            the frame itself, and every unlinked box has a number of its own.
    """

    def __init__(self, min_score: float = 0.001, *, causal: bool = False) -> None:
        self.min_score = min_score
        self.causal = causal

    def process(self, video: VideoDetections) -> VideoDetections:
        """Link, average and write one detection per box and class."""
        found = scored_boxes(video)
        if self.causal:
            starts = chain_starts(found.num_boxes,
                                  found.distances(_distance, joined_so_far(video.frame_ids)))
            tubelets = np.unique(starts, return_inverse=True)[1]
            vectors = running_tubelet_means(found.vectors, tubelets)
        else:
            tubelets = greedy_tubelets(found.num_boxes,
                                       found.distances(_distance, video.consecutive))
            vectors = tubelet_means(found.vectors, tubelets)
        found = replace(found, vectors=vectors)
        return detections_of(video, found, tubelets, found.vectors > self.min_score)


def _distance(first: ScoredBoxes, second: ScoredBoxes) -> np.ndarray:
    return seq_bbox_distance(first.boxes, second.boxes, first.vectors, second.vectors)
