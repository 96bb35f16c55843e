"""REPP: Robust and Efficient Post-Processing for video object detection (IROS 2020)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from mmdet.registry import TASK_UTILS

from mmvod_plugins.structures import VideoDetections

from .base import PostProcessor
from .greedy_tubelets import chain_starts, joined_so_far, tubelet_numbers
from .link_model import LinkModel
from .scored_boxes import ScoredBoxes, detections_of, scored_boxes
from .tubelets import running_tubelet_means, smooth_tubelets, tubelet_means


@TASK_UTILS.register_module()
class REPP(PostProcessor):
    """Links boxes with a learned similarity, averages their scores and smooths their path.

    Two boxes of neighbouring frames are at the distance ``1 - (s_a . s_b) * P(match)``, or
    infinitely far apart where ``P(match) < match_threshold``. Pairs are made greedily, one to
    one; chains of pairs are tubelets. Every box gets the mean score vector of its tubelet, and
    every class above ``min_score`` becomes a detection. Boxes without links are dropped.
    :func:`.scored_boxes.scored_boxes` defines a box and its score vector.

    Apply it after per-frame suppression with a low score threshold, as it needs weak boxes too.
    Boxes with new scores and places may overlap again; a second suppression can follow.
    ``track_ids`` are the numbers of the tubelets. Frames are not linked across missing ones.

    Distance, matching, averages and the window of the smoothing are those of the published
    program (``REPP.py``). Its normalisation of features was not available: ours is that of
    :mod:`.link_model`, also used by ``fit_repp.py``, so published coefficients do not apply. There
    is no appearance feature.

    Args:
        link_model: Numbers of the :class:`LinkModel`: ``features``, ``coefficients`` and
            ``intercept``, as printed by ``tools/analysis_tools/fit_repp.py``. There is no
            default, as they depend on the data set and its frame rate.
        match_threshold: Smallest P(match) of a link (``clf_thr``): 0.8 published for FGFA and
            SELSA, 0.7 for YOLOv3.
        smooth_std: Standard deviation of the smoothing in frames, None for none. The published
            ``recoordinate_std`` of 0.4 and 0.6, in tenths of a second at 40 ms per frame, is
            1.0 and 1.5 frames.
        min_score: Every class of a box whose score is above this is a detection of its own
            (``min_pred_score``).
        add_unmatched: Whether boxes in no tubelet are kept, unchanged.
        causal: Whether detections of a frame must not depend on later frames. Means then run up
            to the frame itself; boxes are not smoothed, as an average of the past lags behind a
            moving object; the first box of a tubelet counts as unlinked; every unlinked box has
            a number of its own.

    Raises:
        ValueError: If an argument is out of range or the link model is incomplete.
    """

    def __init__(self, link_model: LinkModel | dict[str, object], match_threshold: float = 0.8,
                 smooth_std: float | None = 1.0, min_score: float = 0.001, *,
                 add_unmatched: bool = False, causal: bool = False) -> None:
        if not 0 <= match_threshold <= 1:
            raise ValueError(f'match_threshold must be in [0, 1], got {match_threshold}')
        if smooth_std is not None and not smooth_std > 0:
            raise ValueError(f'smooth_std must be above 0 frames, got {smooth_std}; None turns '
                             'smoothing off')
        self.link_model = LinkModel.from_config(link_model)
        self.match_threshold = match_threshold
        self.smooth_std = smooth_std
        self.min_score = min_score
        self.add_unmatched = add_unmatched
        self.causal = causal

    def process(self, video: VideoDetections) -> VideoDetections:
        """Link, average, smooth and write one detection per box and class."""
        found = scored_boxes(video)
        joined = joined_so_far(video.frame_ids) if self.causal else video.consecutive
        starts = chain_starts(found.num_boxes,
                              found.distances(partial(self._distance, video.img_shape), joined))
        if self.causal:
            # Numbered by first box, single ones included: later links must not change a number.
            tubelets = np.unique(starts, return_inverse=True)[1]
            linked = starts != np.arange(len(starts))
        else:
            tubelets = tubelet_numbers(starts)
            linked = tubelets >= 0
        found = self._average(found, tubelets)
        kept = found.vectors > self.min_score
        return detections_of(video, found, tubelets,
                             kept if self.add_unmatched else kept & linked[:, None])

    def _distance(self, img_shape: tuple[int, int] | None, first: ScoredBoxes,
                  second: ScoredBoxes) -> np.ndarray:
        """Distances of the boxes of one frame to those of the next, (n, m)."""
        probability = self.link_model.probability(first.boxes, second.boxes, img_shape)
        return repp_distance(probability, first.vectors, second.vectors, self.match_threshold)

    def _average(self, found: ScoredBoxes, tubelets: np.ndarray) -> ScoredBoxes:
        """Boxes with the mean scores of their tubelets, and unless causal with smoothed places."""
        if self.causal:
            return replace(found, vectors=running_tubelet_means(found.vectors, tubelets))
        boxes = found.boxes
        if self.smooth_std is not None:
            boxes = smooth_tubelets(boxes, tubelets, self.smooth_std)
        return replace(found, boxes=boxes, vectors=tubelet_means(found.vectors, tubelets))


def repp_distance(probability: np.ndarray, vectors_a: np.ndarray, vectors_b: np.ndarray,
                  match_threshold: float) -> np.ndarray:
    """``1 - (s_a . s_b) * P(match)`` of every pair, (n, m); infinite below the threshold.

    It is also infinite where no class has a score in both boxes. This never happens with full
    score vectors, as in the published program; boxes with one class each would otherwise be
    linked across classes at a distance of 1, in arbitrary order.

    Args:
        probability: (n, m), P(match).
        vectors_a: (n, K), scores of all classes.
        vectors_b: (m, K).
        match_threshold: Smallest P(match) of a link.
    """
    similarity = (vectors_a @ vectors_b.T) * probability
    may_link = (probability >= match_threshold) & (similarity > 0)
    return np.where(may_link, 1 - similarity, np.inf)
