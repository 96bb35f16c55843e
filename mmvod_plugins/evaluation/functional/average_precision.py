"""Average precision from the number of false positives before every true positive.

Between two true positives precision falls and recall is constant, so that precision at the true
positives is all that any of the rules needs.
"""

from __future__ import annotations

import numpy as np

#: Added to the number of detections by the published code.
EPS = float(np.spacing(1))


def precision_at_hits(false_positives: np.ndarray) -> np.ndarray:
    """Precision at every true positive.

    Args:
        false_positives: (P,), total weight of the false positives before each true positive, in
            the order of descending score.
    """
    # The k-th true positive (from 1) has k true positives among the detections down to it.
    hits = np.arange(1, len(false_positives) + 1)
    return hits / (false_positives + hits + EPS)


def envelope(precision: np.ndarray) -> np.ndarray:
    """Best precision at this or a larger recall, (P,)."""
    # From the back, so that each value sees all larger recalls.
    return np.maximum.accumulate(precision[::-1])[::-1]


def area_ap(precision: np.ndarray, num_gt: int) -> float:
    """Area under the monotone envelope of precision over recall; NaN without objects.

    Args:
        precision: (P,), at the true positives.
        num_gt: Number of objects.
    """
    if not num_gt:
        return float('nan')
    # Recall rises by 1 / num_gt at every true positive: one step under the envelope each.
    recall = np.arange(len(precision) + 1) / num_gt
    return float(np.sum(np.diff(recall) * envelope(precision)))


def sampled_precision(precision: np.ndarray, num_gt: int, recalls: np.ndarray) -> np.ndarray:
    """Envelope at given recall values, (R,); 0 for those that are never reached.

    Args:
        precision: (P,), at the true positives.
        num_gt: Number of objects, at least 1.
        recalls: (R,).
    """
    # side='left' finds the first true positive whose recall is at least the asked value; index P,
    # the appended 0, stands for none.
    recall = np.arange(1, len(precision) + 1) / num_gt
    return np.append(envelope(precision), 0.0)[np.searchsorted(recall, recalls, side='left')]


def eleven_point_ap(precision: np.ndarray, num_gt: int) -> float:
    """Mean of the envelope at recall 0, 0.1, ..., 1 (Pascal VOC 2007); NaN without objects."""
    if not num_gt:
        return float('nan')
    return float(np.sum(sampled_precision(precision, num_gt, np.arange(0.0, 1.1, 0.1))) / 11)


def full_curve(hits: np.ndarray, weights: np.ndarray, num_gt: int
               ) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall after every detection of a class, (N,) each.

    Args:
        hits: (N,), bool: true positives, by descending score.
        weights: (N,), weight as false positive, 0 for matched detections.
        num_gt: Number of objects; recall is NaN if 0.
    """
    true, false = np.cumsum(hits), np.cumsum(weights)
    recall = true / num_gt if num_gt else np.full(len(true), np.nan)
    return true / (false + true + EPS), recall
