"""Cascade R-CNN's RoI head with an aggregator in every stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from mmdet.models.roi_heads import CascadeRoIHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi, get_box_tensor
from mmengine.config import ConfigDict
from mmengine.model import ModuleList
from mmengine.structures import InstanceData
from torch import Tensor

from mmvod_plugins.models.aggregators import Aggregated, Aggregator, ObjectsByRole
from mmvod_plugins.models.temporal_part import HeadStep, Needs
from mmvod_plugins.structures import Maps, ObjectFeatures, References

from .base import TemporalRoIHeadMixin, joined_losses, objects_of


@MODELS.register_module()
class TemporalCascadeRoIHead(TemporalRoIHeadMixin, CascadeRoIHead):
    """A cascade in which every stage has an embedding, an aggregator and a memory of its own.

    Reference frames take part with their proposals, whose embeddings of all S stages are computed
    once: ``feats`` of objects are (N, S, C), and stage s reads its block.
    The boxes of a key frame move from stage to stage, so that later stages embed them anew, from
    the key frame's own maps; the references are not refined.

    Args:
        embedding: Config of the layer from pooled features to embeddings, built for every stage.
        aggregator: Config of an :class:`Aggregator`, built for every stage.
        **kwargs: As mmdet's cascade head; every ``bbox_head`` is a box head on embeddings,
            mmdet's ``BBoxHead`` with ``roi_feat_size=1``.
    """

    def __init__(self, embedding: dict, aggregator: dict,
                 **kwargs: Any) -> None:  # noqa: ANN401 - mmdet's
        super().__init__(**kwargs)
        if self.with_mask:
            raise ValueError('TemporalCascadeRoIHead detects boxes alone: omit mask_head')
        stages = range(self.num_stages)
        self.embedding = ModuleList(MODELS.build(embedding) for _ in stages)
        self.aggregator = ModuleList(MODELS.build(aggregator) for _ in stages)
        self._register_load_state_dict_pre_hook(self._rename_single_frame_fcs)

    @property
    def aggregators(self) -> dict[str, Aggregator]:
        """The aggregators of all stages."""
        return {f'.{stage}': aggregator for stage, aggregator in enumerate(self.aggregator)}

    @property
    def needs(self) -> Needs:
        """Objects, and the maps of the key frame, from which later stages embed its boxes."""
        needs = super().needs
        return replace(needs, of_key=needs.of_key | {'maps'})

    def init_memory(self) -> list[object] | None:
        """The memory of a new video, one for every stage; None if they remember nothing."""
        memories = [aggregator.init_memory() for aggregator in self.aggregator]
        return None if memories[0] is None else memories

    def write(self, memory: list[object], step: HeadStep, found: InstanceData | None) -> None:
        """Remember a key frame after its detection, stage by stage."""
        for aggregator, part, aggregated in zip(
                self.aggregator, memory, step.to_memory.to_memory, strict=True):
            aggregator.write(part, aggregated, found)

    def loss(self,
             x: Maps,
             rpn_results_list: list[InstanceData],
             batch_data_samples: list[DetDataSample],
             reference_frames: Sequence[References] | None = None) -> dict[str, Tensor]:
        """Losses of frames, named as mmdet's: ``s0.loss_cls``, ``s0.loss_bbox``, ...

        Args:
            x: Maps of the frames, (B, C, H, W) each.
            rpn_results_list: Their proposals.
            batch_data_samples: The frames with ground truth.
            reference_frames: References of every frame, by role; None without references.
        """
        roles = [objects_of(part)
                 for part in reference_frames or [{} for _ in batch_data_samples]]
        metas = [sample.metainfo for sample in batch_data_samples]
        proposals, losses = rpn_results_list, {}
        for stage, (head, weight) in enumerate(
                zip(self.bbox_head, self.stage_loss_weights, strict=True)):
            sampling, scores = self._sample(x, proposals, batch_data_samples,
                                            self.bbox_assigner[stage], self.bbox_sampler[stage])
            rois = bbox2roi([result.priors for result in sampling])
            enhanced, found = self._enhance_training(
                self.aggregator[stage], sampling, scores, self._embed_stage(stage, x, rois),
                batch_data_samples, [_block(part, stage) for part in roles])
            cls_score, bbox_pred = head(enhanced)
            results = dict(rois=rois, cls_score=cls_score, bbox_pred=bbox_pred)
            results.update(head.loss_and_target(
                **results, sampling_results=sampling, rcnn_train_cfg=self.train_cfg[stage]))
            for name, value in joined_losses(found, results['loss_bbox']).items():
                losses[f's{stage}.{name}'] = value * weight if 'loss' in name else value
            if stage < self.num_stages - 1:
                with torch.no_grad():
                    refined = head.refine_bboxes(sampling, results, metas)
                # without a RoI (None) the later stages still run: processes keep the same graph
                proposals = _with_scores(refined, sampling, scores) if refined else [
                    part[:0] for part in proposals]
        return losses

    def _detect(self, key: ObjectFeatures, references: ObjectsByRole,
                memory: list[object] | None, img_meta: dict, maps: Maps | None,
                test_cfg: ConfigDict | None = None,
                rescale: bool = False) -> tuple[InstanceData, Aggregated]:
        """Stage after stage; boxes are those of the last one, scores the mean of all."""
        memory = memory or [None] * self.num_stages
        steps: list[Aggregated] = []
        scores: list[Tensor] = []
        objects = key.block(0)
        for stage, head in enumerate(self.bbox_head):
            step = self.aggregator[stage](objects, _block(references, stage), memory[stage])
            cls_score, bbox_pred = head(step.feats)
            steps.append(step)
            scores.append(cls_score)
            if stage < self.num_stages - 1:
                boxes = self._refine(stage, objects.boxes, cls_score, bbox_pred, img_meta)
                feats = self._embed_stage(stage + 1, maps, bbox2roi([boxes]))
                objects = ObjectFeatures(boxes, feats, key.scores, key.frame_ids)
        detections = self.bbox_head[-1].predict_by_feat(
            rois=(bbox2roi([objects.boxes]), ),
            cls_scores=(sum(scores) / self.num_stages, ),
            bbox_preds=(bbox_pred, ),
            batch_img_metas=[img_meta],
            rcnn_test_cfg=test_cfg,
            rescale=rescale)[0]
        return detections, Aggregated(steps[-1].feats, steps, details=steps[0].details)

    def _bbox_forward(self, stage: int, x: Maps, rois: Tensor) -> dict[str, Tensor]:
        """Scores and deltas of RoIs without references, for mmdet's ``forward``."""
        enhanced = self._alone(self.aggregator[stage], rois, self._embed_stage(stage, x, rois))
        cls_score, bbox_pred = self.bbox_head[stage](enhanced)
        return dict(cls_score=cls_score, bbox_pred=bbox_pred, bbox_feats=enhanced)

    def _refine(self, stage: int, boxes: Tensor, cls_score: Tensor, bbox_pred: Tensor,
                img_meta: dict) -> Tensor:
        """Boxes (N, 4) of the next stage."""
        head = self.bbox_head[stage]
        if head.custom_activation:
            cls_score = head.loss_cls.get_activation(cls_score)
        labels = cls_score[:, :-1].argmax(dim=1)
        return get_box_tensor(head.regress_by_class(boxes, labels, bbox_pred, img_meta))

    def _embed(self, x: Maps, rois: Tensor) -> Tensor:
        """Embeddings (N, S, C) of RoIs (N, 5) in all stages."""
        return torch.stack(
            [self._embed_stage(stage, x, rois) for stage in range(self.num_stages)], dim=1)

    def _embed_stage(self, stage: int, x: Maps, rois: Tensor) -> Tensor:
        """Embeddings (N, C) of RoIs (N, 5) in one stage."""
        extractor = self.bbox_roi_extractor[stage]
        return self.embedding[stage](extractor(x[:extractor.num_inputs], rois))


def _block(references: ObjectsByRole, stage: int) -> ObjectsByRole:
    """References with the embeddings of one stage."""
    return {role: [frame.block(stage) for frame in frames] for role, frames in references.items()}


def _with_scores(refined: list[InstanceData], sampling: list[SamplingResult],
                 scores: list[Tensor | None]) -> list[InstanceData]:
    """Refined boxes, from which mmdet removed the true ones, with the scores of their proposals."""
    for boxes, result, score in zip(refined, sampling, scores, strict=True):
        if score is not None:
            keep = torch.ones_like(score, dtype=torch.bool)
            keep[:len(result.pos_is_gt)] = ~result.pos_is_gt.bool()
            boxes.scores = score[keep]
    return refined
