"""Selection of detections from raw boxes, and options of what testing returns."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from mmdet.models.layers import multiclass_nms
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from mmvod_plugins.utils.forms import on_gpu

#: Candidates from which on a CPU suppresses the boxes of each class on their own.
SPLIT = 4000


@dataclass(frozen=True)
class OutputOptions:
    """Options of what testing returns, for linking and other post-processing.

    They shape the output alone: memories, hence later detections, do not depend on them.

    Attributes:
        nms: Whether boxes are suppressed and limited in number as ``test_cfg`` says. Without it
            every box whose score for a class is above ``score_thr`` is a detection of that class
            (YOLOX gives one class per box in any case).
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
        return self == OutputOptions()

    def change(self, test_cfg: ConfigDict) -> ConfigDict:
        """A copy of a ``test_cfg`` that follows the options."""
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
                      options: OutputOptions) -> InstanceData:
    """Detections of one frame from the scores of proposals for all classes.

    Args:
        raw: ``bboxes`` (P, 4) or (P, 4 K), ``scores`` (P, K + 1), the background last.
        test_cfg: ``score_thr``, ``nms``, ``max_per_img``.
        options: What is asked for.

    Returns:
        ``bboxes`` (N, 4), ``scores`` (N,), ``labels`` (N,), best first, and what ``options`` names.
    """
    settings = options.change(test_cfg)
    num_classes = raw.scores.shape[1] - 1
    if options.nms:
        # cells: indices into the table of proposals and classes
        boxes, labels, cells = multiclass_nms(
            raw.bboxes, raw.scores, settings.score_thr, class_by_class(settings.nms, raw.scores),
            settings.max_per_img, return_inds=True)
        result = InstanceData(bboxes=boxes[:, :4], scores=boxes[:, 4], labels=labels)
        rows = torch.div(cells, num_classes, rounding_mode='floor')
    else:
        scores = raw.scores[:, :-1]
        rows, labels = torch.nonzero(scores > settings.score_thr, as_tuple=True)
        order = scores[rows, labels].argsort(descending=True, stable=True)
        rows, labels = rows[order], labels[order]
        # one box for all classes, or one for each
        boxes = raw.bboxes.view(len(scores), raw.bboxes.shape[1] // 4, 4)
        columns = labels if boxes.shape[1] > 1 else torch.zeros_like(labels)
        result = InstanceData(bboxes=boxes[rows, columns], scores=scores[rows, labels],
                              labels=labels)
    if options.class_scores:
        result.class_scores = raw.scores[rows, :-1]
    if options.class_scores or options.relations:
        result.proposal_ids = rows
    return result


def class_by_class(nms: ConfigDict, scores: Tensor) -> ConfigDict:
    """Settings of the suppression with which a CPU takes many candidates class by class.

    mmcv moves the boxes of classes apart and compares each with all others, up to 10,000 boxes. On
    a GPU that is one kernel; on a CPU the pairs of different classes are most of the work. Class by
    class mmcv does not know ``class_agnostic``.
    """
    if on_gpu(scores) or nms.get('type', 'nms') != 'nms' or nms.get('class_agnostic') \
            or 'split_thr' in nms:
        return nms
    return ConfigDict(nms, split_thr=SPLIT)
