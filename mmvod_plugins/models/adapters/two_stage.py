"""Two-stage detectors: proposals, then a RoI head."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.detectors import TwoStageDetector
from mmdet.models.roi_heads import (
    GridRoIHead,
    HybridTaskCascadeRoIHead,
    MultiInstanceRoIHead,
    SCNetRoIHead,
    SparseRoIHead,
    TridentRoIHead,
)
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmvod_plugins.models.dense_heads import FirstLevelRPNHead
from mmvod_plugins.models.selection import OutputOptions, select_detections
from mmvod_plugins.models.temporal_part import Needs
from mmvod_plugins.structures import FrameRecord, Maps, ObjectFeatures, References
from mmvod_plugins.utils.precision import no_grad_and_uncached, predict_in_float32

from .base import DetectorAdapter, rescaled

#: Heads whose ``predict`` is more than boxes, suppression and masks; see :class:`DetectorAdapter`.
FINISHED = (GridRoIHead, HybridTaskCascadeRoIHead, MultiInstanceRoIHead, SCNetRoIHead,
            SparseRoIHead, TridentRoIHead)
#: Entry of a record's extras: proposals that no temporal neck changes.
PROPOSALS = 'proposals'


class TwoStageAdapter(DetectorAdapter):
    """Steps of ``TwoStageDetector`` (Faster, Cascade, Double-Head, Fast R-CNN, R-FCN).

    Objects are proposals. Raw boxes are ``bboxes`` (P, 4) or (P, 4 K) and ``scores`` (P, K + 1),
    the background last, of every proposal.
    """

    finished_heads = FINISHED

    def __init__(self, detector: TwoStageDetector) -> None:
        super().__init__(detector)
        if detector.with_rpn:
            predict_in_float32(detector.rpn_head)

    @property
    def last_head(self) -> nn.Module:
        """The RoI head."""
        return self.detector.roi_head

    @property
    def test_cfg(self) -> ConfigDict | None:
        """``test_cfg.rcnn``."""
        return self.detector.test_cfg.rcnn

    @property
    def num_classes(self) -> int:
        """Those of the box head, the last one of a cascade."""
        head = self.last_head.bbox_head
        return (head[-1] if isinstance(head, nn.ModuleList) else head).num_classes

    def propose(self, maps: Maps, records: Sequence[FrameRecord]) -> list[InstanceData]:
        """Proposals of every frame, best first: the samples' own, or the RPN's as in testing."""
        samples = [record.sample for record in records]
        if all(PROPOSALS in record.extras for record in records):
            return [record.extras[PROPOSALS].new() for record in records]
        if samples[0].get('proposals') is not None or not self.detector.with_rpn:
            return given_proposals(samples)
        return self.detector.rpn_head.predict(maps, samples, rescale=False)

    def reusable(self, record: FrameRecord, needs: Needs) -> dict[str, Any]:
        """The proposals of an RPN on a first level that the neck does not change."""
        levels = range(len(record.maps)) if needs.levels is None else needs.levels
        changes_first = any(level % len(record.maps) == 0 for level in levels)
        rpn_head = self.detector.rpn_head if self.detector.with_rpn else None
        if changes_first or not isinstance(rpn_head, FirstLevelRPNHead):
            return {}
        [proposals] = self.propose(record.maps, [record])
        return {PROPOSALS: proposals}

    def poolable(self, raw: InstanceData, options: OutputOptions) -> InstanceData:
        """The boxes with a score above one of the thresholds, the configured one or the option's.

        Raises:
            ValueError: If the head has no boxes before suppression, or predicts masks.
        """
        if self.last_head.with_mask:
            raise ValueError(
                'the reference policy pools the boxes of several windows, but '
                f'{type(self.last_head).__name__} predicts masks from the maps of one: set '
                'roi_head.mask_head=None and roi_head.mask_roi_extractor=None, or use '
                'CentredWindow')
        raw = super().poolable(raw, options)
        threshold = min(self.test_cfg.score_thr, options.change(self.test_cfg).score_thr)
        # indices, as a device's host waits for each field that a mask selects from
        return raw[(raw.scores[:, :-1] > threshold).any(dim=1).nonzero()[:, 0]]

    def objects(self, maps: Maps, records: Sequence[FrameRecord],
                topk: int | None = None) -> list[ObjectFeatures]:
        """Embedded proposals."""
        with no_grad_and_uncached():
            proposals = self.propose(maps, records)
        return self.head.extract(maps, [part[:topk] for part in proposals], list(records))

    def raw(self, maps: Maps, records: Sequence[FrameRecord],
            options: OutputOptions) -> list[InstanceData]:
        """Boxes and scores of every proposal; nothing of a head with finished detections."""
        if self.finished:
            return [InstanceData() for _ in records]
        return self.last_head.predict_bbox(
            maps, [record.sample.metainfo for record in records], self.propose(maps, records),
            rcnn_test_cfg=None, rescale=False)

    def select(self, raw: InstanceData, record: FrameRecord, options: OutputOptions,
               *, rescale: bool) -> InstanceData:
        """Detections as ``test_cfg.rcnn`` and the options say; with masks where there are any.

        Boxes are rescaled before the suppression, as in mmdet. Without suppression there are no
        masks: they would be those of every proposal.
        """
        if self.finished:
            [found] = self.last_head.predict(record.maps, self.propose(record.maps, [record]),
                                             [record.sample], rescale=rescale)
            return found
        masks = self.last_head.with_mask and options.nms
        if rescale and not masks:
            raw = InstanceData(bboxes=rescaled(raw.bboxes, record), scores=raw.scores)
        found = select_detections(raw, self.test_cfg, options)
        if masks:
            [found] = self.last_head.predict_mask(
                record.maps, [record.sample.metainfo], [found], rescale=rescale)
        return found

    def loss(self, maps: Maps, samples: list[DetDataSample],
             references: list[References] | None) -> dict[str, Tensor]:
        """Losses of the RPN and of the RoI head.

        Raises:
            ValueError: If there is a mask head and the data have no masks.
        """
        if self.last_head.with_mask and 'masks' not in samples[0].gt_instances:
            raise ValueError(
                f'{type(self.last_head).__name__} has a mask head, but the ground truth of '
                f'{samples[0].metainfo.get("img_path")} has no masks: set roi_head.mask_head=None '
                'and roi_head.mask_roi_extractor=None, or load masks (LoadTrackAnnotations('
                'with_mask=True))')
        losses: dict[str, Tensor] = {}
        if self.detector.with_rpn:
            losses, proposals = self._rpn_loss(maps, samples)
        else:
            proposals = given_proposals(samples)
        losses.update(self.last_head.loss(maps, proposals, samples,
                                          **self.loss_arguments(references)))
        return losses

    def _rpn_loss(
        self, maps: Maps, samples: list[DetDataSample]
    ) -> tuple[dict[str, Tensor], list[InstanceData]]:
        """Losses of the RPN, named as mmdet names them, and its training proposals."""
        samples = copy.deepcopy(samples)
        for sample in samples:  # an RPN knows one class
            sample.gt_instances.labels = torch.zeros_like(sample.gt_instances.labels)
        config = self.detector.train_cfg.get('rpn_proposal', self.detector.test_cfg.rpn)
        losses, proposals = self.detector.rpn_head.loss_and_predict(
            maps, samples, proposal_cfg=config)
        named = {
            name if 'rpn' in name or 'loss' not in name else f'rpn_{name}': value
            for name, value in losses.items()
        }
        return named, proposals


def given_proposals(samples: Sequence[DetDataSample]) -> list[InstanceData]:
    """The proposals that the samples carry, as objects of their own: mmdet's heads change them.

    Raises:
        ValueError: If a frame has none, with its file.
    """
    missing = [sample for sample in samples if sample.get('proposals') is None]
    if missing:
        raise ValueError(
            f'no proposals for {missing[0].metainfo.get("img_path")}: the detector has no RPN, or '
            'other frames have proposals. Give the dataset a proposal_file and its pipeline '
            'LoadFrameProposals, or the detector an rpn_head')
    return [sample.proposals.new() for sample in samples]
