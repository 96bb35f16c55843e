"""What testing returns of a frame beyond mmdet's boxes, scores and labels."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from mmcv.ops import batched_nms
from mmdet.models.layers import multiclass_nms
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData


@dataclass(frozen=True)
class DetectionOptions:
    """What linking and other post-processing want of a detector.

    Attributes:
        nms: Whether boxes are suppressed and counted as ``test_cfg`` says. Without it every box
            whose score for a class is above ``score_thr`` is a detection of that class (YOLOX
            says one class per box, whatever is asked for).
        score_thr: Threshold in place of that of ``test_cfg``; without ``nms`` 0.001 by default.
        class_scores: Whether detections carry the scores of their box for all classes,
            ``pred_instances.class_scores`` (N, K), and ``pred_instances.proposal_ids`` (N,), the
            proposals that they come from.
        relations: Whether frames carry the relation weights from their objects to those of the
            next frame, ``relations`` (P, R), and detections ``pred_instances.proposal_ids``.
    """

    nms: bool = True
    score_thr: float | None = None
    class_scores: bool = False
    relations: bool = False

    @property
    def default(self) -> bool:
        """Whether ``test_cfg`` alone decides."""
        return self == DetectionOptions()

    def change(self, test_cfg: ConfigDict) -> ConfigDict:
        """A ``test_cfg`` of a dense head that follows the options; the one given stays."""
        changed = ConfigDict(copy.deepcopy(test_cfg))
        if self.score_thr is not None or not self.nms:
            changed.score_thr = 0.001 if self.score_thr is None else self.score_thr
        if not self.nms:
            # boxes have an IoU of 1 at most, and mmcv suppresses above the threshold
            changed.update(nms=ConfigDict(type='nms', iou_threshold=1.0), max_per_img=10**9)
            if 'nms_pre' in changed:
                changed.nms_pre = 10**9
        return changed


def select_detections(raw: InstanceData, test_cfg: ConfigDict,
                      options: DetectionOptions) -> InstanceData:
    """Detections of one frame from what a RoI head says of its proposals.

    Args:
        raw: ``bboxes`` (P, 4) or (P, 4 K), ``scores`` (P, K + 1), the background last.
        test_cfg: Of the RoI head: ``score_thr``, ``nms``, ``max_per_img``.
        options: What is asked for.

    Returns:
        ``bboxes`` (N, 4), ``scores`` (N,), ``labels`` (N,), best first, and what ``options`` names.
    """
    settings = options.change(test_cfg)
    num_classes = raw.scores.shape[1] - 1
    if options.nms:
        boxes, labels, cells = multiclass_nms(
            raw.bboxes, raw.scores, settings.score_thr, settings.nms, settings.max_per_img,
            return_inds=True)
        result = InstanceData(bboxes=boxes[:, :4], scores=boxes[:, 4], labels=labels)
        objects = torch.div(cells, num_classes, rounding_mode='floor')
    else:
        scores = raw.scores[:, :-1]
        objects, labels = torch.nonzero(scores > settings.score_thr, as_tuple=True)
        order = scores[objects, labels].argsort(descending=True, stable=True)
        objects, labels = objects[order], labels[order]
        boxes = raw.bboxes.view(len(scores), raw.bboxes.shape[1] // 4, 4)
        columns = labels if boxes.shape[1] > 1 else torch.zeros_like(labels)
        result = InstanceData(bboxes=boxes[objects, columns], scores=scores[objects, labels],
                              labels=labels)
    if options.class_scores:
        result.class_scores = raw.scores[objects, :-1]
    if options.class_scores or options.relations:
        result.proposal_ids = objects
    return result


def suppress(raw: InstanceData, test_cfg: ConfigDict) -> InstanceData:
    """Suppress and count the boxes of one frame from a dense head, as the head itself does.

    Args:
        raw: ``bboxes`` (N, 4), ``scores`` (N,), ``labels`` (N,).
        test_cfg: Of the head: ``nms``, ``max_per_img``.
    """
    if len(raw) == 0:
        return raw
    boxes, kept = batched_nms(raw.bboxes, raw.scores, raw.labels, test_cfg.nms)
    result = raw[kept]
    result.scores = boxes[:, -1]
    return result[:test_cfg.max_per_img]
