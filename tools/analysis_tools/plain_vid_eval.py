"""AP by mega.pytorch's and FGFA's rules, transcribed rule by rule: frame after frame, in loops.

Slow and plain on purpose: ``mmvod_plugins.evaluation.functional`` is tested and timed against it.
It shares no code with the package.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

OFFSETS = dict(voc=0, fgfa=1, mega=2)


@dataclass
class Frame:
    """Detections and objects of one frame.

    Attributes:
        boxes: (N, 4), ``(x1, y1, x2, y2)``.
        scores: (N,).
        labels: (N,).
        gt_boxes: (M, 4).
        gt_labels: (M,).
        gt_values: (M,), what a group is a range of: motion IoU, or area.
        gt_crowd: (M,), bool: regions, which are no objects. What matches no object and lies in one
            of its class, by half of its own area, is ignored.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    gt_boxes: np.ndarray
    gt_labels: np.ndarray
    gt_values: np.ndarray
    gt_crowd: np.ndarray


def plain_ap(frames: list[Frame], num_classes: int, protocol: str,
             limits: tuple[float, float] | None = None, num_empty: int = 0) -> np.ndarray:
    """AP of every class, (K,).

    Args:
        frames: The data set.
        num_classes: K.
        protocol: ``voc``, ``fgfa`` or ``mega`` (without clipping boxes).
        limits: Closed range of the values of the group; None if all objects count.
        num_empty: Values of 0 that belong to no object but count in the share of the group.
    """
    share = share_in_range(frames, limits, num_empty)
    if protocol != 'fgfa' and share == 1:
        share = 0
    positives = [0] * num_classes
    scores: list[list[float]] = [[] for _ in range(num_classes)]
    matched: list[list[bool]] = [[] for _ in range(num_classes)]
    ignore: list[list[float]] = [[] for _ in range(num_classes)]
    for frame in frames:
        ignored = ignored_objects(frame, limits)
        for label in np.unique(np.concatenate([frame.labels, frame.gt_labels])).tolist():
            own = (frame.gt_labels == label) & ~frame.gt_crowd
            positives[label] += int(np.sum(~ignored[own]))
            rows = np.flatnonzero(frame.labels == label)
            rows = rows[np.argsort(-frame.scores[rows].astype(np.float64), kind='stable')]
            found, weights = match_frame(frame, rows, label, ignored, protocol, share)
            scores[label].extend(frame.scores[rows].tolist())
            matched[label].extend(found)
            ignore[label].extend(weights)
    return np.array([average_precision(np.array(scores[c]), np.array(matched[c], dtype=bool),
                                       np.array(ignore[c], dtype=float), positives[c], protocol)
                     for c in range(num_classes)])


def share_in_range(frames: list[Frame], limits: tuple[float, float] | None, num_empty: int
                   ) -> float:
    """Share of all values that lie in the range."""
    if limits is None:
        return 1.0
    values = [value for frame in frames for value in frame.gt_values[~frame.gt_crowd].tolist()]
    values += [0.0] * num_empty
    return sum(limits[0] <= value <= limits[1] for value in values) / max(len(values), 1)


def ignored_objects(frame: Frame, limits: tuple[float, float] | None) -> np.ndarray:
    """Rule 3: objects outside of the range, (M,), bool."""
    if limits is None:
        return np.zeros(len(frame.gt_values), dtype=bool)
    return (frame.gt_values < limits[0]) | (frame.gt_values > limits[1])


def overlaps(boxes: np.ndarray, gt_boxes: np.ndarray, offset: int) -> np.ndarray:
    """IoU of all pairs, (N, M), with sides of ``x2 - x1 + offset``."""
    boxes, gt_boxes = boxes.astype(np.float64), gt_boxes.astype(np.float64)
    low = np.maximum(boxes[:, None, :2], gt_boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], gt_boxes[None, :, 2:])
    sides = np.maximum(high - low + offset, 0)
    inter = sides[..., 0] * sides[..., 1]
    areas, gt_areas = ((b[:, 2] - b[:, 0] + offset) * (b[:, 3] - b[:, 1] + offset)
                       for b in (boxes, gt_boxes))
    return inter / (areas[:, None] + gt_areas[None] - inter)


def in_regions(boxes: np.ndarray, regions: np.ndarray, offset: int) -> np.ndarray:
    """Whether half of a box or more lies in one of the regions, (N,), bool."""
    inside = np.zeros(len(boxes), dtype=bool)
    for n, (x1, y1, x2, y2) in enumerate(boxes.astype(np.float64)):
        area = max(x2 - x1 + offset, 0) * max(y2 - y1 + offset, 0)
        for rx1, ry1, rx2, ry2 in regions:
            w = max(min(x2, rx2) - max(x1, rx1) + offset, 0)
            h = max(min(y2, ry2) - max(y1, ry1) + offset, 0)
            inside[n] |= area > 0 and w * h / area >= 0.5
    return inside


def needed_overlaps(gt_boxes: np.ndarray, protocol: str) -> np.ndarray:
    """IoU that a match needs, (M,)."""
    if protocol != 'fgfa':
        return np.full(len(gt_boxes), 0.5)
    w, h = gt_boxes[:, 2] - gt_boxes[:, 0] + 1, gt_boxes[:, 3] - gt_boxes[:, 1] + 1
    return np.minimum(0.5, w * h / ((w + 10) * (h + 10)))


def match_frame(frame: Frame, rows: np.ndarray, label: int, ignored: np.ndarray, protocol: str,
                share: float) -> tuple[list[bool], list[float]]:
    """Rules 1 and 4 for the detections ``rows`` of a class, best first.

    Returns:
        Whether each is matched, and its ignore weight; of unmatched detections of ``fgfa`` the
        weight as a false positive.
    """
    compared = np.flatnonzero(~frame.gt_crowd & (
        (frame.gt_labels == label) | (protocol == 'fgfa')))
    regions = frame.gt_boxes[frame.gt_crowd & (frame.gt_labels == label)]
    passed = in_regions(frame.boxes[rows], regions, OFFSETS[protocol]).tolist()
    # A matched detection of weight 1 is neither right nor wrong.
    if not compared.size:
        return passed, [1.0 if inside else share for inside in passed]
    own = (frame.gt_labels[compared] == label).tolist()
    iou = overlaps(frame.boxes[rows], frame.gt_boxes[compared], OFFSETS[protocol]).tolist()
    needed = needed_overlaps(frame.gt_boxes[compared], protocol).tolist()
    flags = ignored[compared].tolist()
    taken = [False] * len(own)
    found, weights = [], []
    for j in range(len(rows)):
        best, best_overlap = -1, 0.0
        for k in range(len(own)):
            if not own[k] or taken[k] or iou[j][k] < needed[k]:
                continue
            if best < 0 or iou[j][k] > best_overlap or (iou[j][k] == best_overlap
                                                        and flags[best]):
                best, best_overlap = k, iou[j][k]
        found.append(best >= 0)
        if best >= 0:
            taken[best] = True
            weights.append(float(flags[best]))
        elif passed[j]:
            found[-1] = True
            weights.append(1.0)
        else:
            weights.append(unmatched_weight(iou[j], flags, protocol))
    return found, weights


def unmatched_weight(iou: list[float], ignored: list[bool], protocol: str) -> float:
    """Rule 4 for an unmatched detection; for ``fgfa`` its weight as a false positive.

    Args:
        iou: Overlap with every object it is compared with, at least one.
        ignored: Whether these are ignored.
        protocol: ``voc``, ``fgfa`` or ``mega``.
    """
    counting, ignorable = -1.0, -1.0
    for overlap, is_ignored in zip(iou, ignored, strict=True):
        if is_ignored:
            ignorable = max(ignorable, overlap)
        else:
            counting = max(counting, overlap)
    if counting > ignorable:
        return 1.0 if protocol == 'fgfa' else 0.0
    if counting < ignorable:
        return 0.0 if protocol == 'fgfa' else 1.0
    return sum(ignored) / len(ignored)


def average_precision(scores: np.ndarray, matched: np.ndarray, ignore: np.ndarray, positives: int,
                      protocol: str) -> float:
    """Rules 5 and 6: the area under the envelope, NaN without positives."""
    if not positives:
        return float('nan')
    order = np.argsort(-scores, kind='stable')
    matched, ignore = matched[order], ignore[order]
    true = matched & (ignore != 1)
    if protocol == 'fgfa':
        false = np.where(matched, 0.0, ignore)
    else:
        false = np.where(matched | (ignore == 1), 0.0, np.where(ignore == 0, 1.0, ignore))
    true, false = np.cumsum(true), np.cumsum(false)
    precision = np.concatenate([[0.0], true / (false + true + np.spacing(1)), [0.0]])
    recall = np.concatenate([[0.0], true / positives, [1.0]])
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.flatnonzero(recall[1:] != recall[:-1])
    return float(np.sum((recall[steps + 1] - recall[steps]) * precision[steps + 1]))
