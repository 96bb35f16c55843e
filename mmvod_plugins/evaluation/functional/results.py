"""Results of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class GroupResult:
    """AP of every class for the objects of a group.

    Attributes:
        ap: (K,), float64; NaN for classes without objects, 0 for those without a hit.
        num_gt: (K,), int64, objects that count.
        recall: (K,), share of these matched to any detection; NaN without objects.
        ap_by_iou: (T, K), AP at each IoU threshold, for the protocol ``coco``; else None.
        curves: Precision and recall after every detection by descending score, by label; empty
            if not asked for. Those of ``coco`` are at its first IoU threshold.
    """

    ap: np.ndarray
    num_gt: np.ndarray
    recall: np.ndarray
    ap_by_iou: np.ndarray | None = None
    curves: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)

    @property
    def mean_ap(self) -> float:
        """Mean over the classes with objects; NaN if there are none."""
        return mean_of_defined(self.ap)


@dataclass(frozen=True)
class ProtocolResult:
    """Results of one protocol.

    Attributes:
        protocol: Its name.
        classes: Names of the K classes.
        groups: Result of every group by name.
    """

    protocol: str
    classes: tuple[str, ...]
    groups: dict[str, GroupResult]

    def __getitem__(self, group: str) -> GroupResult:
        """Result of a group."""
        return self.groups[group]


def mean_of_defined(values: np.ndarray) -> float:
    """Mean of the values that are not NaN; NaN if there are none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float('nan')
