"""Weights of false positives where some objects are ignored."""

from __future__ import annotations

import numpy as np

from mmvod_plugins.utils.arrays import run_starts

from .scene import Scene

#: How the weight of a detection is decided: by its frame, as 1, as 0.
BY_FRAME, COUNTS, COUNTS_NOT = 0, 1, 2


class FalsePositiveWeights:
    """Weights of unmatched detections, for G groups (mega.pytorch and FGFA).

    A detection is compared with the objects of its frame, or of its class in its frame, including
    objects matched to other detections. If all of them count, its weight is 1; if all are ignored,
    0. In a mixture the kind with the larger overlap decides; if both overlap it equally, for
    instance not at all, the weight is the share of ignored objects. Crowds are no objects.

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
        # Units are compared as a whole: a frame, or a class of a frame. U of them have objects.
        objects = np.flatnonzero(~truth.crowd)
        unit = (truth.frame_index if any_class else scene.cells)[objects]
        _, first, inverse, size = np.unique(unit, return_index=True, return_inverse=True,
                                            return_counts=True)
        first = objects[first]
        self._frame, self._label = truth.frame_index[first], truth.labels[first]
        self._unit = np.full(len(truth.boxes), -1)
        self._unit[objects] = inverse = inverse.reshape(-1)
        # (G, U): ignored objects of each unit, and the weight that follows from them alone.
        out = np.array([np.bincount(inverse, weights=row[objects], minlength=len(size))
                        for row in ignored]).reshape(len(ignored), len(size))
        self._mixed = (out > 0) & (out < size)
        self._weight = np.where(self._mixed, out / size, out == 0)
        self.mixed_frames = np.zeros(truth.num_frames, dtype=bool)
        self.mixed_frames[self._frame[self._mixed.any(axis=0)]] = True
        # (M,): objects of a unit with a mixture in some group; elsewhere the weight is decided.
        self._open = np.zeros(len(truth.boxes), dtype=bool)
        self._open[objects] = self._mixed.any(axis=0)[inverse]
        self._codes = np.zeros((len(ignored), len(scene.detections)), dtype=np.uint8)

    def add(self, det: np.ndarray, gt: np.ndarray, iou: np.ndarray) -> None:
        """Record the overlaps of detections with all objects that they are compared with.

        Args:
            det: (P,), row of the detection; all pairs of a detection are adjacent and in one call.
            gt: (P,), row of the object.
            iou: (P,).
        """
        rows = np.flatnonzero(self._open[gt])
        det, gt, iou = det[rows], gt[rows], iou[rows]
        starts = run_starts(det)
        if not starts.size:
            return
        rank, unit = self.scene.rank[det[starts]], self._unit[gt[starts]]
        for codes, ignored, mixed in zip(self._codes, self.ignored, self._mixed, strict=True):
            if not mixed.any():
                continue
            # Largest overlap with each kind per detection. -1 masks the other kind; it never wins,
            # as both kinds exist in a mixture.
            counting = np.maximum.reduceat(np.where(ignored[gt], -1, iou), starts)
            ignorable = np.maximum.reduceat(np.where(ignored[gt], iou, -1), starts)
            code = np.where(counting > ignorable, COUNTS,
                            np.where(counting < ignorable, COUNTS_NOT, BY_FRAME))
            codes[rank[mixed[unit]]] = code[mixed[unit]]

    def exempt(self, group: int, det: np.ndarray) -> None:
        """Set the weight of matched detections to 0."""
        self._codes[group, self.scene.rank[det]] = COUNTS_NOT

    def of_class(self, group: int, label: int) -> np.ndarray:
        """Weights of the detections of a class by rank, (n,), float64; 0 for matched ones."""
        units = slice(None) if self.any_class else self._label == label
        by_frame = np.full(self.scene.truth.num_frames, self.empty[group])
        by_frame[self._frame[units]] = self._weight[group, units]
        ranks = self.scene.ranks(label)
        weights = by_frame[self.scene.frame_by_rank[ranks]]
        codes = self._codes[group, ranks]
        decided = np.flatnonzero(codes)
        weights[decided] = codes[decided] == COUNTS
        return weights
