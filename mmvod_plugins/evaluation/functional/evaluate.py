"""AP of a data set for several protocols and several groups of objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from .average_precision import area_ap, eleven_point_ap, full_curve, precision_at_hits
from .candidates import Candidates, Query, find_candidates
from .coco_ap import coco_query, coco_result, regions
from .detections import Detections
from .false_positives import FalsePositiveWeights
from .ground_truth import GroundTruth
from .groups import ALL, Group
from .matching import Matches, match_groups
from .motion_iou import MotionIoU
from .protocols import FGFA, MEGA, VOC, CocoProtocol, Protocol, find_protocols
from .results import GroupResult, ProtocolResult
from .scene import Scene


def evaluate(detections: Detections, truth: GroundTruth,
             protocols: Iterable[str | Protocol | CocoProtocol] = (VOC, FGFA, MEGA),
             groups: Sequence[Group] = (ALL, ), motion: MotionIoU | None = None, *,
             curves: bool = False) -> dict[str, ProtocolResult]:
    """Compute AP by protocol and group.

    The data are sorted and compared once for all protocols. Objects outside of a group are
    ignored: they are not positives, and a detection matched to one is neither a true nor a false
    positive. Unmatched detections near them count by the protocol's rule, in groups of size as in
    those of motion.

    Crowds are regions, in every protocol as in pycocotools: a detection that finds no free object
    and lies in one, by the share of its own area (at least the protocol's largest threshold), is
    neither a true nor a false positive. A region takes any number of detections of its class, and
    does not change what other detections count.

    Args:
        detections: Detections, see :func:`to_detections`.
        truth: Ground truth.
        protocols: Protocols or their names.
        groups: Groups with different names.
        motion: Motion values of the objects, for motion groups.
        curves: Whether to return precision and recall of every class.

    Returns:
        Results by protocol name.

    Raises:
        ValueError: If detections cannot be evaluated, see :func:`check_detections`, a protocol is
            unknown, or motion values are missing.
    """
    names = [group.name for group in groups]
    if len(set(names)) < len(names):
        raise ValueError(f'groups {names}: a name occurs twice; give each group its own')
    chosen = find_protocols(protocols)
    inside = np.array([group.contains(truth, motion) for group in groups], dtype=bool)
    ignored = ~inside.reshape(len(groups), len(truth.boxes)) | truth.crowd
    shares = [group.share(truth, motion) for group in groups]
    scene = Scene(detections, truth)
    queries = [coco_query(truth, protocol) if isinstance(protocol, CocoProtocol)
               else protocol_query(scene, protocol, ignored, shares) for protocol in chosen]
    results = {}
    for protocol, query, found in zip(chosen, queries, find_candidates(scene, queries),
                                      strict=True):
        if isinstance(protocol, CocoProtocol):
            values = coco_result(scene, protocol, found, groups, ignored, curves=curves)
        else:
            values = [_group_result(scene, protocol, query.weights, (g, ignored[g]), matches,
                                    curves=curves)
                      for g, matches in enumerate(
                          match_groups(found, scene, ignored, query.crowd))]
        results[protocol.name] = ProtocolResult(protocol.name, truth.classes,
                                                dict(zip(names, values, strict=True)))
    return results


def protocol_query(scene: Scene, protocol: Protocol, ignored: np.ndarray,
                   shares: Sequence[float]) -> Query:
    """Overlap criterion of a protocol.

    Args:
        scene: Detections and ground truth.
        protocol: The protocol.
        ignored: (G, M), bool.
        shares: Share of all objects in each of the G groups.
    """
    boxes = protocol.boxes(scene.truth)
    empty = np.array([protocol.empty_frame_weight(share) for share in shares])
    weights = FalsePositiveWeights(scene, ignored, empty,
                                   any_class=protocol.compared == 'any_class')
    return replace(match_query(scene.truth, protocol, boxes), weights=weights)


def match_query(truth: GroundTruth, protocol: Protocol, boxes: np.ndarray) -> Query:
    """Overlap criterion of a protocol without its rule of false positives.

    Args:
        truth: The ground truth.
        protocol: The protocol.
        boxes: ``protocol.boxes(truth)``.
    """
    thresholds = np.where(truth.crowd, protocol.iou, protocol.thresholds(boxes))
    return Query(boxes, protocol.offset, thresholds, crowd=regions(truth))


def match_detections(scene: Scene, protocol: Protocol) -> Matches:
    """Match detections and objects by a protocol; all objects but crowds count."""
    query = match_query(scene.truth, protocol, protocol.boxes(scene.truth))
    found: Candidates = find_candidates(scene, [query])[0]
    return next(match_groups(found, scene, scene.truth.crowd[None], query.crowd))


def ap_function(protocol: Protocol) -> Callable[[np.ndarray, int], float]:
    """Function from precision at the hits and the number of objects to AP."""
    return area_ap if protocol.ap_rule == 'area' else eleven_point_ap


def _group_result(scene: Scene, protocol: Protocol, weights: FalsePositiveWeights,
                  group: tuple[int, np.ndarray], matches: Matches, *, curves: bool) -> GroupResult:
    """Result for one group, given as its number and its ignored objects (M,), bool."""
    number, ignored = group
    num_classes = scene.truth.num_classes
    num_gt = np.bincount(scene.truth.labels[~ignored], minlength=num_classes)
    weights.exempt(number, matches.det)
    # Ranks of the true positives; those of class k are hits[bounds[k]:bounds[k + 1]].
    hits = np.sort(scene.rank[matches.det[~ignored[matches.gt]]])
    bounds = np.searchsorted(hits, scene.class_starts)
    found = np.diff(bounds)
    ap, recall = np.full(num_classes, np.nan), np.full(num_classes, np.nan)
    drawn = {}
    for label in np.flatnonzero(num_gt).tolist():
        places = hits[bounds[label]:bounds[label + 1]] - scene.class_starts[label]
        before = np.cumsum(weights.of_class(number, label))[places]
        ap[label] = ap_function(protocol)(precision_at_hits(before), num_gt[label])
        recall[label] = found[label] / num_gt[label]
    for label in range(num_classes) if curves else ():
        false = weights.of_class(number, label)
        places = hits[bounds[label]:bounds[label + 1]] - scene.class_starts[label]
        is_hit = np.bincount(places, minlength=len(false)) > 0
        drawn[label] = full_curve(is_hit, false, int(num_gt[label]))
    return GroupResult(ap, num_gt, recall, curves=drawn)
