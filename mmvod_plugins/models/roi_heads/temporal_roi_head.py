"""mmdet's standard RoI head with an aggregator between embedding and box head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from mmvod_plugins.models.aggregators import Aggregated, Aggregator, ObjectsByRole
from mmvod_plugins.models.temporal_part import HeadStep, Needs
from mmvod_plugins.structures import FrameRecord, Maps, ObjectFeatures, References

from .base import TemporalRoIHeadMixin, joined_losses, maps_of, objects_of
from .temporal_roi_align import TemporalRoIAlign


@MODELS.register_module()
class TemporalRoIHead(TemporalRoIHeadMixin, StandardRoIHead):
    """Embeds proposals once per frame, enhances the key frame's by an aggregator, classifies them.

    It fits any two-stage detector in place of :class:`StandardRoIHead`; without references (a
    plain mmdet detector) each frame is its own reference, which the log says once.

    Args:
        embedding: Config of the layer from pooled features to embeddings; None for heads that
            have none.
        aggregator: Config of an :class:`Aggregator`.
        temporal_roi_align: Config of a :class:`TemporalRoIAlign` that enhances the pooled
            features of key frames, not of references; None for plain RoI features.
        **kwargs: As mmdet's standard head; ``bbox_head`` is a box head on embeddings, mmdet's
            ``BBoxHead`` with ``roi_feat_size=1``.
    """

    aggregator: Aggregator
    temporal_roi_align: TemporalRoIAlign | None

    def __init__(self,
                 embedding: dict | None,
                 aggregator: dict,
                 temporal_roi_align: dict | None = None,
                 **kwargs: Any) -> None:  # noqa: ANN401 - mmdet's
        super().__init__(**kwargs)
        if self.with_mask:
            raise ValueError('TemporalRoIHead detects boxes alone: omit mask_head')
        self.embedding = MODELS.build(embedding) if embedding else None
        self.aggregator = MODELS.build(aggregator)
        self.temporal_roi_align = MODELS.build(temporal_roi_align) if temporal_roi_align else None
        self._register_load_state_dict_pre_hook(self._rename_single_frame_fcs)

    @property
    def aggregators(self) -> dict[str, Aggregator]:
        """The only aggregator."""
        return {'': self.aggregator}

    @property
    def method(self) -> str:
        """The method of the aggregator, and Temporal RoI Align if there is any."""
        method = super().method
        return method if self.temporal_roi_align is None else f'{method} + Temporal RoI Align'

    @property
    def needs(self) -> Needs:
        """Objects; Temporal RoI Align looks at the maps of the key frame and its references."""
        needs = super().needs
        if self.temporal_roi_align is None:
            return needs
        return replace(needs, of_key=needs.of_key | {'maps'},
                       of_references=needs.of_references | {'maps'})

    def init_memory(self) -> object:
        """The memory of a new video."""
        return self.aggregator.init_memory()

    def enhance(self, key: FrameRecord, references: References, memory: object) -> HeadStep:
        """Detect in the key frame; see :class:`TemporalHead`.

        With Temporal RoI Align the key objects get embeddings of aligned RoI features; in its role
        as a reference a frame keeps the plain ones that :meth:`extract` gave.
        """
        if self.temporal_roi_align is not None:
            rois = bbox2roi([key.objects.boxes])
            feats = self._embed(key.maps, rois, [maps_of(references)])
            key = replace(key, objects=key.objects.with_feats(feats))
        return super().enhance(key, references, memory)

    def write(self, memory: object, step: HeadStep, found: InstanceData | None) -> None:
        """Remember a key frame after its detection."""
        self.aggregator.write(memory, step.to_memory, found)

    def loss(self,
             x: Maps,
             rpn_results_list: list[InstanceData],
             batch_data_samples: list[DetDataSample],
             reference_frames: Sequence[References] | None = None) -> dict[str, Tensor]:
        """Losses of frames.

        Args:
            x: Maps of the frames, (B, C, H, W) each.
            rpn_results_list: Their proposals.
            batch_data_samples: The frames with ground truth.
            reference_frames: References of every frame, by role; None without references.
        """
        reference_frames = reference_frames or [{} for _ in batch_data_samples]
        sampling, scores = self._sample(x, rpn_results_list, batch_data_samples,
                                        self.bbox_assigner, self.bbox_sampler)
        rois = bbox2roi([result.priors for result in sampling])
        maps = None if self.temporal_roi_align is None else list(map(maps_of, reference_frames))
        feats = self._embed(x, rois, maps)
        enhanced, losses = self._enhance_training(
            self.aggregator, sampling, scores, feats, batch_data_samples,
            [objects_of(roles) for roles in reference_frames])
        cls_score, bbox_pred = self._score(enhanced, x, rois)
        return joined_losses(losses, self.bbox_head.loss_and_target(
            cls_score=cls_score,
            bbox_pred=bbox_pred,
            rois=rois,
            sampling_results=sampling,
            rcnn_train_cfg=self.train_cfg)['loss_bbox'])

    def _detect(self, key: ObjectFeatures, references: ObjectsByRole, memory: object,
                img_meta: dict, maps: Maps | None, test_cfg: ConfigDict | None = None,
                rescale: bool = False) -> tuple[InstanceData, Aggregated]:
        """One aggregation, then the box head."""
        aggregated = self.aggregator(key, references, memory)
        rois = bbox2roi([key.boxes])
        cls_score, bbox_pred = self._score(aggregated.feats, maps, rois)
        detections = self.bbox_head.predict_by_feat(
            rois=(rois, ),
            cls_scores=(cls_score, ),
            bbox_preds=(bbox_pred, ),
            batch_img_metas=[img_meta],
            rcnn_test_cfg=test_cfg,
            rescale=rescale)[0]
        return detections, aggregated

    def _bbox_forward(self, x: Maps, rois: Tensor) -> dict[str, Tensor]:
        """Scores and deltas of RoIs without references, for mmdet's ``forward``."""
        enhanced = self._alone(self.aggregator, rois, self._embed(x, rois))
        cls_score, bbox_pred = self._score(enhanced, x, rois)
        return dict(cls_score=cls_score, bbox_pred=bbox_pred, bbox_feats=enhanced)

    def _score(self, enhanced: Tensor, x: Maps | None,
               rois: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and deltas of RoIs.

        Args:
            enhanced: Their enhanced embeddings, (N, C).
            x: Feature maps that they lie on; given while training, and if the head needs them.
            rois: (N, 5).
        """
        return self.bbox_head(enhanced)

    def _embed(self, x: Maps, rois: Tensor,
               reference_maps: Sequence[Sequence[Maps]] | None = None) -> Tensor:
        """Embeddings (N, D) of RoIs (N, 5), with the references of every frame if there are."""
        feats = self.bbox_roi_extractor(x[:self.bbox_roi_extractor.num_inputs], rois)
        if self.temporal_roi_align is not None and reference_maps is not None:
            feats = self._align(feats, rois, reference_maps)
        if self.with_shared_head:
            feats = self.shared_head(feats)
        return self.embedding(feats)

    def _align(self, feats: Tensor, rois: Tensor,
               reference_maps: Sequence[Sequence[Maps]]) -> Tensor:
        """Pooled features (N, C, h, w), temporally aligned.

        In a pyramid a RoI looks at the level of the references that it is itself pooled from.
        """
        extractor = self.bbox_roi_extractor
        if extractor.num_inputs == 1 and len(reference_maps) == 1:
            # all RoIs: a device's host need not wait for their indices
            return self._align_alike(feats, reference_maps[0], 0)
        levels = torch.zeros(len(rois), dtype=torch.long, device=rois.device)
        if extractor.num_inputs > 1:
            levels = extractor.map_roi_levels(rois, extractor.num_inputs)
        aligned = feats.clone()
        for frame, frames_maps in enumerate(reference_maps):
            for level in range(extractor.num_inputs):
                rows = ((rois[:, 0] == frame) & (levels == level)).nonzero()[:, 0]
                aligned[rows] = self._align_alike(feats[rows], frames_maps, level)
        return aligned

    def _align_alike(self, feats: Tensor, frames_maps: Sequence[Maps], level: int) -> Tensor:
        """Align RoIs (N, C, h, w) of one frame and level."""
        # without references nothing is added, but the weights stay in the graph
        maps = torch.cat([maps[level] for maps in frames_maps]) if frames_maps else \
            feats.new_zeros(0, *feats.shape[1:])
        return self.temporal_roi_align(feats, maps).to(feats.dtype)
