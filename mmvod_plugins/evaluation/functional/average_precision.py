"""Average precision from the false positives before every true positive.

Precision falls between two true positives and recall stands still, so the precision at the true
positives is all that any of the rules needs.
"""

from __future__ import annotations

import numpy as np

#: What the published code adds to the number of detections.
EPS = float(np.spacing(1))


def precision_at_hits(false_positives: np.ndarray) -> np.ndarray:
    """Precision at every true positive.

    Args:
        false_positives: (P,), weight of the false positives before each true positive, which come
            by descending score.
    """
    hits = np.arange(1, len(false_positives) + 1)
    return hits / (false_positives + hits + EPS)


def envelope(precision: np.ndarray) -> np.ndarray:
    """Best precision at this recall or a larger one, (P,)."""
    return np.maximum.accumulate(precision[::-1])[::-1]


def area_ap(precision: np.ndarray, num_gt: int) -> float:
    """Area under the monotone envelope of precision over recall; NaN without objects.

    Args:
        precision: (P,), at the true positives.
        num_gt: Number of objects.
    """
    if not num_gt:
        return float('nan')
    recall = np.arange(len(precision) + 1) / num_gt
    return float(np.sum(np.diff(recall) * envelope(precision)))


def sampled_precision(precision: np.ndarray, num_gt: int, recalls: np.ndarray) -> np.ndarray:
    """The envelope where recall first reaches some values, (R,); 0 where it does not.

    Args:
        precision: (P,), at the true positives.
        num_gt: Number of objects, at least 1.
        recalls: (R,).
    """
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
        weights: (N,), false-positive weight, 0 for matched detections.
        num_gt: Number of objects; recall is NaN if 0.
    """
    true, false = np.cumsum(hits), np.cumsum(weights)
    recall = true / num_gt if num_gt else np.full(len(true), np.nan)
    return true / (false + true + EPS), recall
