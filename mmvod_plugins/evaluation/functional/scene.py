"""Detections and objects of a data set, sorted once for all protocols."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from .detections import Detections, check_detections
from .ground_truth import GroundTruth


class Scene:
    """Checked detections with their ground truth.

    The *rank* of a detection is its place when all are sorted by class, then by descending score,
    then by frame and input order. Lower ranks choose first, and each class is a range of ranks.

    Args:
        detections: In any order; stored frame after frame.
        truth: The ground truth.

    Raises:
        ValueError: See :func:`check_detections`.
    """

    def __init__(self, detections: Detections, truth: GroundTruth) -> None:
        check_detections(detections, truth)
        self.truth = truth
        self.detections = detections.in_frame_order()

    @cached_property
    def det_offsets(self) -> np.ndarray:
        """First detection of every frame, and the end: (F + 1,), int64."""
        counts = np.bincount(self.detections.frame_index, minlength=self.truth.num_frames)
        return np.concatenate([[0], np.cumsum(counts)])

    @cached_property
    def class_starts(self) -> np.ndarray:
        """First rank of every class, and the end: (K + 1,), int64."""
        counts = np.bincount(self.detections.labels, minlength=self.truth.num_classes)
        return np.concatenate([[0], np.cumsum(counts)])

    @cached_property
    def order(self) -> np.ndarray:
        """Detection of every rank, (N,)."""
        scores, labels = self.detections.scores, self.detections.labels
        if self.truth.num_classes <= 2**15:
            # numpy sorts 16 bit integers by radix, in linear time.
            labels = labels.astype(np.int16)
        order = _small_ints(np.argsort(labels, kind='stable'), len(labels))
        for label in range(self.truth.num_classes):
            ranks = self.ranks(label)
            order[ranks] = order[ranks][descending(scores[order[ranks]])]
        return order

    @cached_property
    def rank(self) -> np.ndarray:
        """Rank of every detection, (N,)."""
        rank = np.empty_like(self.order)
        rank[self.order] = np.arange(len(rank), dtype=rank.dtype)
        return rank

    @cached_property
    def frame_by_rank(self) -> np.ndarray:
        """Frame of the detection of every rank, (N,)."""
        return self.detections.frame_index[self.order]

    @cached_property
    def cells(self) -> np.ndarray:
        """Cell of every object, the number of its (frame, class) pair: (M,), int64, from 0."""
        keys = self.truth.frame_index * self.truth.num_classes + self.truth.labels
        return np.unique(keys, return_inverse=True)[1].reshape(-1)

    def ranks(self, label: int) -> slice:
        """The ranks of a class."""
        return slice(int(self.class_starts[label]), int(self.class_starts[label + 1]))


def descending(scores: np.ndarray) -> np.ndarray:
    """Stable order of descending scores, (N,); scores are finite and at least 0."""
    if scores.dtype != np.float32 or len(scores) >= 2**32:
        return np.argsort(-scores.astype(np.float64), kind='stable')
    # Non-negative floats sort as their bits do. Score bits above, position below: all keys differ,
    # so that numpy's fast, unstable sort gives the stable order. abs, as the bits of -0 are large.
    bits = np.abs(scores).view(np.uint32).astype(np.uint64)
    keys = (np.uint64(2**32 - 1) - bits) << np.uint64(32)
    keys |= np.arange(len(scores), dtype=np.uint64)
    keys.sort()
    return (keys & np.uint64(2**32 - 1)).astype(np.int64)


def _small_ints(values: np.ndarray, limit: int) -> np.ndarray:
    return values.astype(np.int32 if limit < 2**31 else np.int64)
