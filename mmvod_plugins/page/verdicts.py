"""What a metric's matching makes of every detection and every object."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mmvod_plugins.evaluation.functional import CocoProtocol, Protocol
from mmvod_plugins.evaluation.functional.candidates import Query, find_candidates
from mmvod_plugins.evaluation.functional.coco_ap import coco_matches, coco_query
from mmvod_plugins.evaluation.functional.evaluate import match_query
from mmvod_plugins.evaluation.functional.matching import match_groups
from mmvod_plugins.evaluation.functional.scene import Scene

#: Names of the verdicts; a verdict is the position in this list.
VERDICTS = ('correct', 'duplicate', 'wrong class', 'false', 'ignored')
CORRECT, DUPLICATE, WRONG_CLASS, FALSE, IGNORED = range(len(VERDICTS))


@dataclass(frozen=True)
class Verdicts:
    """Verdicts on the detections of a scene.

    As detections choose by descending score, leaving out those below a score changes no verdict on
    the others: an object is found at a threshold if the detection that has it reaches it.

    Attributes:
        of_detection: (N,), int64, positions in :data:`VERDICTS`. ``duplicate``: it overlaps an
            object of its class enough, but a better one has it. ``wrong class``: it overlaps only
            objects of other classes enough. ``ignored``: it lies in an ignore region, or is beyond
            COCO's number of detections.
        detection_of: (M,), int64, row of the detection that has the object, -1 for none.
    """

    of_detection: np.ndarray
    detection_of: np.ndarray


def judge(scene: Scene, protocol: Protocol | CocoProtocol) -> Verdicts:
    """Match by a protocol, all objects but crowds counting, and name the outcome."""
    truth = scene.truth
    coco = isinstance(protocol, CocoProtocol)
    query = (coco_query(truth, protocol) if coco
             else match_query(truth, protocol, protocol.boxes(truth)))
    [candidates] = find_candidates(scene, [query])
    found = np.full(len(scene.detections), FALSE)
    found[_overlapping_any_class(scene, query)] = WRONG_CLASS
    found[candidates.det[~truth.crowd[candidates.gt]]] = DUPLICATE
    if coco:
        kept, matches = coco_matches(scene, protocol, candidates)
        found[scene.order[~kept]] = IGNORED
    else:
        matches = next(match_groups(candidates, scene, truth.crowd[None], query.crowd))
    in_region = truth.crowd[matches.gt]
    found[matches.det] = np.where(in_region, IGNORED, CORRECT)
    detection_of = np.full(len(truth.boxes), -1)
    detection_of[matches.gt[~in_region]] = matches.det[~in_region]
    return Verdicts(found, detection_of)


def _overlapping_any_class(scene: Scene, query: Query) -> np.ndarray:
    """Rows of the detections that overlap an object of any class enough."""
    truth, detections = scene.truth, scene.detections
    one_class = Scene(replace(detections, labels=np.zeros_like(detections.labels)),
                      replace(truth, labels=np.zeros_like(truth.labels), classes=('any', )))
    [pairs] = find_candidates(one_class, [query])
    return pairs.det[~truth.crowd[pairs.gt]]
