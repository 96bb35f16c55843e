"""How much a detection without an object counts when some objects are ignored."""

from __future__ import annotations

import numpy as np

from mmvod_plugins.utils.arrays import run_starts

from .scene import Scene

#: What is known of a detection beyond its frame: nothing, it counts, it does not.
BY_FRAME, COUNTS, COUNTS_NOT = 0, 1, 2


class FalsePositiveWeights:
    """Weights of unmatched detections, for G groups (mega.pytorch and FGFA).

    A detection is compared with the objects of its frame, or of its class in its frame. If all of
    these count, it is a false positive of weight 1; if all are ignored, of weight 0. Of a mixture
    the object it overlaps most decides; if counting and ignored ones are equal, for instance
    because it overlaps none, the weight is the ignored share. Objects that other detections have
    taken are compared with, too.

    Args:
        scene: Detections and ground truth.
        ignored: (G, M), bool: objects that a group ignores.
        empty: (G,), weights where there is no object to compare with.
        any_class: Compare with the objects of all classes of the frame.

    Attributes:
        mixed_frames: (F,), bool: frames with a mixture in some group.
    """

    def __init__(self, scene: Scene, ignored: np.ndarray, empty: np.ndarray, *,
                 any_class: bool) -> None:
        truth = scene.truth
        self.scene, self.ignored, self.empty, self.any_class = scene, ignored, empty, any_class
        unit = truth.frame_index if any_class else scene.cells
        _, first, self._unit, size = np.unique(unit, return_index=True, return_inverse=True,
                                               return_counts=True)
        self._frame, self._label = truth.frame_index[first], truth.labels[first]
        out = np.array([np.bincount(self._unit, weights=row, minlength=len(size))
                        for row in ignored]).reshape(len(ignored), len(size))
        self._mixed = (out > 0) & (out < size)
        self._weight = np.where(self._mixed, out / size, out == 0)
        self.mixed_frames = np.zeros(truth.num_frames, dtype=bool)
        self.mixed_frames[self._frame[self._mixed.any(axis=0)]] = True
        self._codes = np.zeros((len(ignored), len(scene.detections)), dtype=np.uint8)

    def add(self, det: np.ndarray, gt: np.ndarray, iou: np.ndarray) -> None:
        """Take in the overlaps of some detections with all objects they are compared with.

        Args:
            det: (P,), row of the detection; all pairs of one are neighbours in one call.
            gt: (P,), row of the object.
            iou: (P,).
        """
        rows = np.flatnonzero(self._mixed.any(axis=0)[self._unit[gt]])
        det, gt, iou = det[rows], gt[rows], iou[rows]
        starts = run_starts(det)
        if not starts.size:
            return
        rank, unit = self.scene.rank[det[starts]], self._unit[gt[starts]]
        for codes, ignored, mixed in zip(self._codes, self.ignored, self._mixed, strict=True):
            if not mixed.any():
                continue
            # In a mixture both kinds exist, so "no such object" does not occur.
            counting = np.maximum.reduceat(np.where(ignored[gt], -1, iou), starts)
            ignorable = np.maximum.reduceat(np.where(ignored[gt], iou, -1), starts)
            code = np.where(counting > ignorable, COUNTS,
                            np.where(counting < ignorable, COUNTS_NOT, BY_FRAME))
            codes[rank[mixed[unit]]] = code[mixed[unit]]

    def exempt(self, group: int, det: np.ndarray) -> None:
        """Detections with an object are no false positives."""
        self._codes[group, self.scene.rank[det]] = COUNTS_NOT

    def of_class(self, group: int, label: int) -> np.ndarray:
        """Weights of a class's detections by rank, float64; 0 for matched ones."""
        units = slice(None) if self.any_class else self._label == label
        by_frame = np.full(self.scene.truth.num_frames, self.empty[group])
        by_frame[self._frame[units]] = self._weight[group, units]
        ranks = self.scene.ranks(label)
        weights = by_frame[self.scene.frame_by_rank[ranks]]
        codes = self._codes[group, ranks]
        decided = np.flatnonzero(codes)
        weights[decided] = codes[decided] == COUNTS
        return weights
