"""AP of every single video."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np

from .average_precision import precision_at_hits, sampled_precision
from .candidates import Candidates, Query, find_candidates
from .coco_ap import RECALLS, coco_matches, coco_query
from .detections import Detections
from .evaluate import ap_function, protocol_query
from .ground_truth import GroundTruth
from .matching import Matches, match_groups
from .protocols import FGFA, MEGA, VOC, CocoProtocol, Protocol, find_protocols
from .results import mean_of_defined
from .scene import Scene


@dataclass(frozen=True)
class PerVideoResult:
    """AP of every video by one protocol.

    Attributes:
        video_ids: Ids of the V videos.
        ap: (V, K), NaN for classes without objects in the video. For ``coco`` it is the AP at the
            lowest threshold, 0.5.
    """

    video_ids: list[Hashable]
    ap: np.ndarray

    @property
    def mean_ap(self) -> np.ndarray:
        """Mean over the classes of each video, (V,); NaN for videos without objects."""
        return np.array([mean_of_defined(row) for row in self.ap])


def evaluate_per_video(detections: Detections, truth: GroundTruth,
                       protocols: Iterable[str | Protocol | CocoProtocol] = (VOC, FGFA, MEGA)
                       ) -> dict[str, PerVideoResult]:
    """Compute the AP that :func:`evaluate` gives for each video alone, over all its objects.

    Matching does not depend on other frames, so that the data are matched once, not per video.

    Args:
        detections: Detections.
        truth: Ground truth.
        protocols: Protocols or their names.

    Returns:
        Results by protocol name.

    Raises:
        ValueError: See :func:`evaluate`.
    """
    chosen = find_protocols(protocols)
    scene, ignored = Scene(detections, truth), truth.crowd[None]
    queries = [coco_query(truth, protocol) if isinstance(protocol, CocoProtocol)
               else protocol_query(scene, protocol, ignored, [1.0]) for protocol in chosen]
    return {protocol.name: PerVideoResult(truth.videos, _of_protocol(scene, protocol, *found))
            for protocol, *found in zip(chosen, queries, find_candidates(scene, queries),
                                        strict=True)}


def _of_protocol(scene: Scene, protocol: Protocol | CocoProtocol, query: Query,
                 candidates: Candidates) -> np.ndarray:
    truth = scene.truth
    if isinstance(protocol, CocoProtocol):
        kept, matches = coco_matches(scene, protocol, candidates)
        weights = kept.astype(np.float64)
        weights[scene.rank[matches.det]] = 0
    else:
        matches = next(match_groups(candidates, scene, truth.crowd[None], query.crowd))
        query.weights.exempt(0, matches.det)
        weights = None
    is_hit = _hits(scene, matches)
    box_videos = truth.video[truth.frame_index]
    ap = np.full((len(truth.videos), truth.num_classes), np.nan)
    for label in range(truth.num_classes):
        objects = box_videos[(truth.labels == label) & ~truth.crowd]
        num_gt = np.bincount(objects, minlength=len(truth.videos))
        ranks = scene.ranks(label)
        of_class = query.weights.of_class(0, label) if weights is None else weights[ranks]
        ap[:, label] = _of_class(scene, protocol, (of_class, is_hit[ranks], ranks), num_gt)
    return ap


def _hits(scene: Scene, matches: Matches) -> np.ndarray:
    """Mask of the ranks matched to an object that counts, (N,), bool."""
    is_hit = np.zeros(len(scene.detections), dtype=bool)
    is_hit[scene.rank[matches.det[~scene.truth.crowd[matches.gt]]]] = True
    return is_hit


def _of_class(scene: Scene, protocol: Protocol | CocoProtocol,
              detected: tuple[np.ndarray, np.ndarray, slice], num_gt: np.ndarray) -> np.ndarray:
    """AP of a class in every video, (V,), from weights, hits and ranks of its detections."""
    weights, is_hit, ranks = detected
    video = scene.truth.video[scene.frame_by_rank[ranks]]
    rows = np.flatnonzero(num_gt[video])
    rows = rows[np.argsort(video[rows], kind='stable')]
    bounds = np.searchsorted(video[rows], np.arange(len(num_gt) + 1))
    ap = np.full(len(num_gt), np.nan)
    for v in np.flatnonzero(num_gt).tolist():
        of_video = rows[bounds[v]:bounds[v + 1]]
        false = np.cumsum(weights[of_video])[is_hit[of_video]]
        ap[v] = _ap(protocol, precision_at_hits(false), int(num_gt[v]))
    return ap


def _ap(protocol: Protocol | CocoProtocol, precision: np.ndarray, num_gt: int) -> float:
    if isinstance(protocol, CocoProtocol):
        return float(sampled_precision(precision, num_gt, RECALLS).mean())
    return ap_function(protocol)(precision, num_gt)
