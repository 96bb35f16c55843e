"""COCO's AP: ten IoU thresholds, 101 recall values, pycocotools' rules of ignoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .average_precision import full_curve, precision_at_hits, sampled_precision
from .candidates import Candidates, Query
from .ground_truth import GroundTruth
from .groups import Group
from .matching import Matches, match_groups
from .protocols import CocoProtocol
from .results import GroupResult
from .scene import Scene

RECALLS = np.linspace(0.0, 1.0, 101)


def coco_query(truth: GroundTruth, protocol: CocoProtocol) -> Query:
    """Overlap criterion of pycocotools, at the lowest threshold."""
    return Query(truth.boxes, 0, np.full(len(truth.boxes), protocol.iou_thresholds[0]),
                 crowd=regions(truth))


def regions(truth: GroundTruth) -> np.ndarray | None:
    """Mask of the crowds, (M,), bool, or None if there are none."""
    return truth.crowd if truth.crowd.any() else None


@dataclass(frozen=True)
class _Level:
    """P matches at one IoU threshold, by rank.

    Attributes:
        places: (P,), ranks of the matched detections, ascending.
        hits: (P,), bool: whether the object counts.
    """

    places: np.ndarray
    hits: np.ndarray

    @staticmethod
    def of(matches: Matches, scene: Scene, ignored: np.ndarray) -> _Level:
        ranks = scene.rank[matches.det]
        order = np.argsort(ranks)
        return _Level(ranks[order], ~ignored[matches.gt[order]])


def coco_result(scene: Scene, protocol: CocoProtocol, candidates: Candidates,
                groups: Sequence[Group], ignored: np.ndarray, *, curves: bool = False
                ) -> list[GroupResult]:
    """AP for every group as pycocotools computes it.

    Only the best detections of a frame and class are used. Objects that count are preferred to
    ignored ones, a crowd may be matched repeatedly, and an unmatched detection is a false positive
    unless the group is a range of areas and the detection's own area is outside of it. Detections
    with equal scores in different frames are ordered by frame here, by image id in pycocotools.

    Args:
        scene: Detections and ground truth.
        protocol: Thresholds and limit.
        candidates: Pairs with at least the lowest threshold.
        groups: G groups.
        ignored: (G, M), bool.
        curves: Whether to return precision and recall at the lowest threshold.
    """
    kept = _kept(scene, protocol.max_detections)
    candidates = candidates.select(kept[scene.rank[candidates.det]])
    levels: list[list[_Level]] = [[] for _ in groups]
    for threshold in protocol.iou_thresholds:
        # The same guard as in pycocotools, for a threshold of 1.
        enough = candidates.select(candidates.iou >= min(threshold, 1 - 1e-10))
        for g, matches in enumerate(
                match_groups(enough, scene, ignored, regions(scene.truth), 'coco')):
            levels[g].append(_Level.of(matches, scene, ignored[g]))
    return [_group_result(scene, group, levels[g], ignored[g], kept, curves=curves)
            for g, group in enumerate(groups)]


def coco_matches(scene: Scene, protocol: CocoProtocol, candidates: Candidates
                 ) -> tuple[np.ndarray, Matches]:
    """Ranks that are used, (N,), bool, and the matches at the lowest threshold, for all objects."""
    kept = _kept(scene, protocol.max_detections)
    candidates = candidates.select(kept[scene.rank[candidates.det]])
    crowd = scene.truth.crowd
    return kept, next(match_groups(candidates, scene, crowd[None], crowd, 'coco'))


def _kept(scene: Scene, limit: int) -> np.ndarray:
    """Mask of the ranks among the ``limit`` best of their frame and class, (N,), bool."""
    kept = np.ones(len(scene.detections), dtype=bool)
    for label in range(scene.truth.num_classes):
        ranks = scene.ranks(label)
        frame = scene.frame_by_rank[ranks]
        counts = np.bincount(frame, minlength=1)
        if counts.max() > limit:
            # Ranks are sorted by score, and the sort is stable: within a frame ``place`` counts
            # the detections with a better score.
            order = np.argsort(frame, kind='stable')
            place = np.arange(len(frame)) - (np.cumsum(counts) - counts)[frame[order]]
            kept[ranks.start + order] = place < limit
    return kept


def _group_result(scene: Scene, group: Group, levels: list[_Level], ignored: np.ndarray,
                  kept: np.ndarray, *, curves: bool) -> GroupResult:
    num_classes = scene.truth.num_classes
    num_gt = np.bincount(scene.truth.labels[~ignored], minlength=num_classes)
    ap = np.full((len(levels), num_classes), np.nan)
    recall = np.full((len(levels), num_classes), np.nan)
    drawn = {}
    for label in range(num_classes):
        ranks = scene.ranks(label)
        counts = kept[ranks] & _of_size(scene, group, ranks)
        before = np.cumsum(counts)
        for t, level in enumerate(levels if num_gt[label] else ()):
            false = _false_positives(level, ranks, counts, before)
            values = sampled_precision(precision_at_hits(false), int(num_gt[label]), RECALLS)
            ap[t, label] = values.mean()
            recall[t, label] = len(false) / num_gt[label]
        if curves:
            drawn[label] = _curve(levels[0], ranks, counts, kept[ranks], int(num_gt[label]))
    return GroupResult(ap.mean(axis=0), num_gt, recall.mean(axis=0), ap, drawn)


def _of_size(scene: Scene, group: Group, ranks: slice) -> np.ndarray:
    """Mask of the detections of a class that count as false positives if unmatched, (n,), bool."""
    if group.area is None:
        return np.ones(ranks.stop - ranks.start, dtype=bool)
    boxes = scene.detections.boxes[scene.order[ranks]].astype(np.float64)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return (area >= group.area[0]) & (area <= group.area[1])


def _in_class(level: _Level, ranks: slice) -> tuple[np.ndarray, np.ndarray]:
    """Matches of a class: places within the class, (P,), and whether they are hits, (P,), bool."""
    rows = slice(*np.searchsorted(level.places, [ranks.start, ranks.stop]))
    return level.places[rows] - ranks.start, level.hits[rows]


def _false_positives(level: _Level, ranks: slice, counts: np.ndarray, before: np.ndarray
                     ) -> np.ndarray:
    """Number of false positives before every hit: detections that count minus matched ones."""
    places, hits = _in_class(level, ranks)
    return (before[places] - np.cumsum(counts[places]))[hits]


def _curve(level: _Level, ranks: slice, counts: np.ndarray, kept: np.ndarray, num_gt: int
           ) -> tuple[np.ndarray, np.ndarray]:
    places, hits = _in_class(level, ranks)
    is_hit = np.bincount(places[hits], minlength=len(counts)) > 0
    unmatched = np.bincount(places, minlength=len(counts)) == 0
    return full_curve(is_hit[kept], (unmatched & counts)[kept], num_gt)
