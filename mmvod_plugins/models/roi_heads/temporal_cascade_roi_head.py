"""Cascade R-CNN's RoI head whose objects look at the objects of other frames in every stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.roi_heads import CascadeRoIHead
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi, get_box_tensor
from mmengine.config import ConfigDict
from mmengine.model import ModuleList
from mmengine.structures import InstanceData
from torch import Tensor

from mmvod_plugins.structures import ObjectFeatures

from .aggregator import Aggregated, Aggregator, References
from .base_temporal_roi_head import BaseTemporalRoIHead, Maps


@MODELS.register_module()
class TemporalCascadeRoIHead(BaseTemporalRoIHead, CascadeRoIHead):
    """A cascade in which every stage has an embedding, an aggregator and a memory of its own.

    Reference frames take part with their proposals, whose embeddings of all S stages are computed
    once and lie side by side: ``feats`` of objects are (N, S * C), stage s reads its C columns.
    The boxes of a key frame move from stage to stage, so that later stages embed them anew, from
    the key frame's own maps; the references are not refined.

    Args:
        embedding: Config of the layer from pooled features to embeddings, built for every stage.
        aggregator: Config of an :class:`Aggregator`, built for every stage.
        **kwargs: As mmdet's cascade head; every ``bbox_head`` is a box head on embeddings,
            mmdet's ``BBoxHead`` with ``roi_feat_size=1``.
    """

    needs_key_maps = True

    def __init__(self, embedding: dict, aggregator: dict,
                 **kwargs: Any) -> None:  # noqa: ANN401 - mmdet's
        super().__init__(**kwargs)
        if self.with_mask:
            raise ValueError('TemporalCascadeRoIHead detects boxes alone: leave mask_head away')
        stages = range(self.num_stages)
        self.embedding = ModuleList(MODELS.build(embedding) for _ in stages)
        self.aggregator = ModuleList(MODELS.build(aggregator) for _ in stages)
        self._register_load_state_dict_pre_hook(self._rename_single_frame_fcs)

    @property
    def aggregators(self) -> dict[str, Aggregator]:
        """The aggregators of all stages."""
        return {f'.{stage}': aggregator for stage, aggregator in enumerate(self.aggregator)}

    def init_memory(self) -> list[object]:
        """The memory of a new video, one for every stage."""
        return [aggregator.init_memory() for aggregator in self.aggregator]

    def write(self, memory: list[object], aggregated: Aggregated,
              detections: DetDataSample) -> None:
        """Remember a key frame after its detection, stage by stage."""
        for aggregator, part, step in zip(
                self.aggregator, memory, aggregated.to_memory, strict=True):
            aggregator.write(part, step, detections)

    def loss(self,
             x: tuple[Tensor, ...],
             rpn_results_list: list[InstanceData],
             batch_data_samples: list[DetDataSample],
             references: Sequence[References] | None = None) -> dict[str, Tensor]:
        """Losses of the key frames, named as mmdet's: ``s0.loss_cls``, ``s0.loss_bbox``, ...

        Args:
            x: Feature maps of the key frames, (B, C, H, W) each.
            rpn_results_list: Proposals of the key frames.
            batch_data_samples: Key frames with ground truth.
            references: Objects by role for every key frame; None without references.
        """
        references = references or [{} for _ in batch_data_samples]
        metas = [sample.metainfo for sample in batch_data_samples]
        proposals, losses = rpn_results_list, {}
        for stage, (head, weight) in enumerate(
                zip(self.bbox_head, self.stage_loss_weights, strict=True)):
            sampling = self._sample(x, proposals, batch_data_samples, self.bbox_assigner[stage],
                                    self.bbox_sampler[stage])
            rois = bbox2roi([result.priors for result in sampling])
            enhanced = self._enhance(
                self.aggregator[stage], sampling, self._embed_stage(stage, x, rois),
                [self._references_of(stage, roles) for roles in references])
            cls_score, bbox_pred = head(enhanced)
            results = dict(rois=rois, cls_score=cls_score, bbox_pred=bbox_pred)
            results.update(head.loss_and_target(
                **results, sampling_results=sampling, rcnn_train_cfg=self.train_cfg[stage]))
            for name, value in results['loss_bbox'].items():
                losses[f's{stage}.{name}'] = value * weight if 'loss' in name else value
            if stage < self.num_stages - 1:
                with torch.no_grad():
                    refined = head.refine_bboxes(sampling, results, metas)
                # without a RoI (None) the later stages still run: processes keep the same graph
                proposals = refined or [part[:0] for part in proposals]
        return losses

    def _detect(self, key: ObjectFeatures, references: References,
                memory: list[object] | None, img_meta: dict, test_cfg: ConfigDict | None,
                rescale: bool, maps: Maps | None) -> tuple[InstanceData, Aggregated]:
        """Stage after stage; boxes are those of the last one, scores the mean of all."""
        memory = memory or [None] * self.num_stages
        steps: list[Aggregated] = []
        scores: list[Tensor] = []
        objects = self._stage_of(key, 0)
        for stage, head in enumerate(self.bbox_head):
            step = self.aggregator[stage](
                objects, self._references_of(stage, references), memory[stage])
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
        return detections, Aggregated(steps[-1].feats, steps, steps[0].relation_stage)

    def _bbox_forward(self, stage: int, x: tuple[Tensor, ...], rois: Tensor) -> dict[str, Tensor]:
        """What mmdet's ``forward`` asks for: scores and deltas of RoIs without references."""
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

    def _embed(self, x: tuple[Tensor, ...], rois: Tensor) -> Tensor:
        """Embeddings (N, S * C) of RoIs (N, 5), the stages side by side."""
        return torch.cat(
            [self._embed_stage(stage, x, rois) for stage in range(self.num_stages)], dim=1)

    def _embed_stage(self, stage: int, x: tuple[Tensor, ...], rois: Tensor) -> Tensor:
        """Embeddings (N, C) of RoIs (N, 5) in one stage."""
        extractor = self.bbox_roi_extractor[stage]
        return self.embedding[stage](extractor(x[:extractor.num_inputs], rois))

    def _stage_of(self, objects: ObjectFeatures, stage: int) -> ObjectFeatures:
        """Objects with the embeddings of one stage."""
        return objects.with_feats(objects.feats.chunk(self.num_stages, dim=1)[stage])

    def _references_of(self, stage: int, references: References) -> References:
        """References with the embeddings of one stage."""
        return {role: [self._stage_of(frame, stage) for frame in frames]
                for role, frames in references.items()}
