"""Losses of the points that a temporal dense head classifies again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmdet.models.dense_heads import YOLOXHead
from mmdet.models.task_modules.assigners import AssignResult
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_overlaps, get_box_tensor
from mmdet.utils import reduce_mean
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.nn import functional

from mmvod_plugins.models.task_modules.point_selection import DensePoints

#: Which rows learn their class.
RULES = ('all', 'positive', 'overlapping')


@dataclass
class RowTargets:
    """What the rows of one frame should predict.

    Attributes:
        classes: (n, K), the IoU with the object at its class, zeros for background.
        positive: (n,), bool.
        supervised: (n,), bool, rows with a loss of classes.
        num_positive: Positives of the frame, also those that are no row.
    """

    classes: Tensor
    positive: Tensor
    supervised: Tensor
    num_positive: int


class PointLosses:
    """Cross entropies of the rows, over the number of positives of all frames.

    Where the stock head assigns points by their predictions (YOLOX: SimOTA) the positive rows are
    its positive points; in other heads they are rows whose box has an IoU of ``pos_iou`` or more
    with an object.

    Args:
        base: The stock head.
        classes_of: Rows that learn their class: ``'all'``, negatives as background; ``'positive'``
            (YOLOV++, whose objectness learns the negatives); ``'overlapping'`` (YOLOV), positives
            and rows that overlap an object by ``overlap``, in frames with objects. These two leave
            it to an objectness to tell objects from background; where there is none, the other
            rows learn that they are background, too.
        refined: Whether an objectness is predicted again. Without it YOLOX's own is one, the
            centerness of other heads is not.
        pos_iou: Least IoU of a positive row.
        overlap: Least IoU of a supervised row for ``'overlapping'``.
        cls_weight: Factor on the loss of classes.
        obj_weight: Factor on that of objectness.
        max_obj_loss: What the loss of objectness is scaled down to, if it is more; None for no
            bound (YOLOV++: 15).
    """

    def __init__(self, base: nn.Module, *, classes_of: str = 'all', refined: bool = False,
                 pos_iou: float = 0.5, overlap: float = 0.6, cls_weight: float = 1.0,
                 obj_weight: float = 1.0, max_obj_loss: float | None = None) -> None:
        if classes_of not in RULES:
            raise ValueError(f'losses.classes_of must be one of {RULES}, got {classes_of!r}')
        self.classes_of = classes_of
        self.pos_iou = pos_iou
        self.overlap = overlap
        self.cls_weight = cls_weight
        self.obj_weight = obj_weight
        self.max_obj_loss = max_obj_loss
        self.num_classes = base.num_classes
        self.assigns = isinstance(base, YOLOXHead)
        self._backgrounds = classes_of == 'all' or not (refined or self.assigns)

    def __call__(self, base: nn.Module, outputs: Sequence[Any], points: Sequence[DensePoints],
                 chosen: Sequence[Tensor], logits: tuple[Tensor, Tensor | None],
                 samples: Sequence[DetDataSample]) -> dict[str, Tensor]:
        """Losses of frames.

        Args:
            base: The stock head, whose own losses are added if any of its weights is trained.
            outputs: Of the stock head.
            points: Points of every frame.
            chosen: Rows of every frame, as indices of points.
            logits: Class logits (N, K) of all rows, and objectness logits (N,) or None.
            samples: Ground truth of every frame.
        """
        losses = {}
        if any(weight.requires_grad for weight in base.parameters()):
            losses = base.loss_by_feat(
                *outputs, [sample.gt_instances for sample in samples],
                [sample.metainfo for sample in samples],
                [sample.get('ignored_instances') for sample in samples])
        with torch.no_grad():
            targets = [self.targets(base, part, rows, sample)
                       for part, rows, sample in zip(points, chosen, samples, strict=True)]
        cls_logits, obj_logits = logits
        total = cls_logits.new_tensor(float(sum(part.num_positive for part in targets)))
        total = reduce_mean(total).clamp(min=1)
        classes = torch.cat([part.classes for part in targets])
        rows = torch.cat([part.supervised for part in targets])
        losses['loss_refined_cls'] = self.cls_weight * functional.binary_cross_entropy_with_logits(
            cls_logits[rows], classes[rows], reduction='sum') / total
        if obj_logits is not None:
            positive = torch.cat([part.positive for part in targets])
            loss = functional.binary_cross_entropy_with_logits(
                obj_logits, positive.to(obj_logits), reduction='sum') / total
            if self.max_obj_loss is not None:
                loss = loss * (self.max_obj_loss / loss.detach()).clamp(max=1)
            losses['loss_refined_obj'] = self.obj_weight * loss
        return losses

    def targets(self, base: nn.Module, points: DensePoints, rows: Tensor,
                sample: DetDataSample) -> RowTargets:
        """Targets of the rows of one frame.

        Args:
            base: The stock head.
            points: All points of the frame.
            rows: Those that are objects, as indices.
            sample: Ground truth.
        """
        truth = sample.gt_instances
        boxes, labels = get_box_tensor(truth.bboxes), truth.labels
        overlaps = bbox_overlaps(points.boxes[rows], boxes)
        if not len(boxes):
            nothing = torch.zeros_like(rows, dtype=torch.bool)
            supervised = ~nothing if self._backgrounds else nothing
            return RowTargets(points.class_probs.new_zeros(len(rows), self.num_classes), nothing,
                              supervised, 0)
        if self.assigns:
            assigned = _assign(base, points, sample)
            gts, ious = assigned.gt_inds - 1, assigned.max_overlaps
            num_positive = int((gts >= 0).sum())
            has_positives = torch.zeros_like(labels, dtype=torch.bool)
            has_positives[gts[gts >= 0]] = True
            overlaps = overlaps * has_positives
            gts, ious = gts[rows], ious[rows]
            positive = gts >= 0
            near, nearest = overlaps.max(1)
        else:
            near, nearest = overlaps.max(1)
            positive = near >= self.pos_iou
            gts, ious, num_positive = nearest, near, int(positive.sum())
        taught = positive
        if self.classes_of == 'overlapping':
            taught = positive | (near >= self.overlap)
            gts, ious = gts.where(positive, nearest), ious.where(positive, near)
        supervised = torch.ones_like(positive) if self._backgrounds else taught
        classes = functional.one_hot(labels[gts.clamp(min=0)], self.num_classes)
        return RowTargets(classes * (ious * taught)[:, None], positive, supervised, num_positive)


def _assign(base: YOLOXHead, points: DensePoints, sample: DetDataSample) -> AssignResult:
    """Assignment of all points, as the stock head makes it for its own losses."""
    corners, strides = points.priors.split(2, dim=1)
    scores = points.class_probs * points.objectness[:, None]
    predicted = InstanceData(bboxes=points.boxes, scores=scores.sqrt(),
                             priors=torch.cat([corners + strides * 0.5, strides], 1))
    return base.assigner.assign(predicted, sample.gt_instances, sample.get('ignored_instances'))
