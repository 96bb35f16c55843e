"""Choice of the points of a dense head that are objects of a frame (YOLOV, section 3.2)."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from mmcv.ops import batched_nms
from mmdet.registry import TASK_UTILS
from torch import Tensor


@dataclass
class DensePoints:
    """All points of one frame after decoding.

    Attributes:
        boxes: (A, 4), ``(x1, y1, x2, y2)`` in pixels of the network input.
        class_probs: (A, K).
        objectness: (A,); None for heads without.
        priors: (A, 4), what the head starts from, as its own assigner takes them; or None.
    """

    boxes: Tensor
    class_probs: Tensor
    objectness: Tensor | None
    priors: Tensor | None = None

    @property
    def scores(self) -> Tensor:
        """(A,), the product of objectness and the probability of the best class."""
        best = self.class_probs.amax(1)
        return best if self.objectness is None else self.objectness * best


class PointSelection(ABC):
    """Rule that chooses points."""

    @abstractmethod
    def __call__(self, points: DensePoints) -> Tensor:
        """Indices (n,) of the chosen points, the best first; none is possible."""


@TASK_UTILS.register_module()
class TopObjectness(PointSelection):
    """YOLOV's rule: the points of highest objectness, suppressed within a class, a fixed number.

    A frame with fewer points or fewer survivors has fewer objects; the published program fails.

    Args:
        num_points: Points of highest objectness (of the highest score in heads without one).
        iou_threshold: Of the suppression among these, by score; None for no suppression.
        num_objects: The best of the survivors that are chosen.
    """

    def __init__(self, num_points: int = 750, iou_threshold: float | None = 0.75,
                 num_objects: int = 30) -> None:
        self.num_points = num_points
        self.iou_threshold = iou_threshold
        self.num_objects = num_objects

    def __call__(self, points: DensePoints) -> Tensor:
        """See :class:`PointSelection`."""
        scores = points.scores
        by = scores if points.objectness is None else points.objectness
        top = by.topk(min(self.num_points, len(by))).indices
        if self.iou_threshold is None:
            order = scores[top].argsort(descending=True, stable=True)
        else:
            order = _survivors(points, scores, top, self.iou_threshold)
        return top[order[:self.num_objects]]


@TASK_UTILS.register_module()
class ScoreThreshold(PointSelection):
    """YOLOV++'s rule: every point above a threshold, in any number.

    Args:
        score_thr: Least score, objectness times the probability of the best class.
        min_objects: Points that a frame has at least, the best ones, whatever their scores.
        max_objects: Points that it has at most; beyond, a warning says once that the best stay.
        iou_threshold: Of a suppression within a class; None for no suppression, as published.
    """

    def __init__(self, score_thr: float = 0.001, *, min_objects: int = 0,
                 max_objects: int = 2000, iou_threshold: float | None = None) -> None:
        if min_objects > max_objects:
            raise ValueError(f'min_objects is {min_objects}, more than max_objects, {max_objects}')
        self.score_thr = score_thr
        self.min_objects = min_objects
        self.max_objects = max_objects
        self.iou_threshold = iou_threshold

    def __call__(self, points: DensePoints) -> Tensor:
        """See :class:`PointSelection`."""
        scores = points.scores
        chosen = (scores >= self.score_thr).nonzero()[:, 0]
        if len(chosen) < self.min_objects:
            chosen = scores.topk(min(self.min_objects, len(scores))).indices
        chosen = chosen[scores[chosen].argsort(descending=True, stable=True)]
        if len(chosen) > self.max_objects:
            warnings.warn(f'more than max_objects={self.max_objects} points of a frame have a '
                          f'score of {self.score_thr} or more: the best stay. Raise score_thr or '
                          'max_objects of the selection', stacklevel=2)
            chosen = chosen[:self.max_objects]
        if self.iou_threshold is None:
            return chosen
        return chosen[_survivors(points, scores, chosen, self.iou_threshold)]


def _survivors(points: DensePoints, scores: Tensor, chosen: Tensor,
               iou_threshold: float) -> Tensor:
    """Positions in ``chosen`` that a suppression within a class leaves, the best first."""
    if not len(chosen):
        return torch.empty(0, dtype=torch.long, device=scores.device)
    labels = points.class_probs[chosen].argmax(1)
    return batched_nms(points.boxes[chosen].float(), scores[chosen].float(), labels,
                       dict(type='nms', iou_threshold=iou_threshold))[1]
