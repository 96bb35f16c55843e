"""A RoI head whose objects look at the objects of other frames."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi, get_box_tensor
from mmengine.config import ConfigDict
from mmengine.logging import print_log
from mmengine.structures import InstanceData
from torch import Tensor

from mmvod_plugins.models.detection_options import DetectionOptions, select_detections
from mmvod_plugins.structures import ObjectFeatures

from .aggregator import Aggregated, Aggregator, References
from .temporal_roi_align import TemporalRoIAlign

#: Feature maps of a frame, (1, C, H, W) for every level.
Maps = tuple[Tensor, ...]


@MODELS.register_module()
class TemporalRoIHead(StandardRoIHead):
    """Embeds proposals once per frame, enhances the key frame's by an aggregator, classifies them.

    It fits any two-stage detector in place of :class:`StandardRoIHead`; without references (a
    plain mmdet detector) each frame is its own reference, which the log says once.

    Args:
        embedding: Config of the layer from pooled features to embeddings.
        aggregator: Config of an :class:`Aggregator`.
        temporal_roi_align: Config of a :class:`TemporalRoIAlign` that enhances the pooled
            features of key frames, not of references; None for plain RoI features.
        **kwargs: As mmdet's standard head; ``bbox_head`` is a box head on embeddings, mmdet's
            ``BBoxHead`` with ``roi_feat_size=1``.
    """

    aggregator: Aggregator
    temporal_roi_align: TemporalRoIAlign | None

    def __init__(self,
                 embedding: dict,
                 aggregator: dict,
                 temporal_roi_align: dict | None = None,
                 **kwargs: Any) -> None:  # noqa: ANN401 - mmdet's
        super().__init__(**kwargs)
        if self.with_mask:
            raise ValueError('TemporalRoIHead detects boxes alone: leave mask_head away')
        self.embedding = MODELS.build(embedding)
        self.aggregator = MODELS.build(aggregator)
        self.temporal_roi_align = MODELS.build(temporal_roi_align) if temporal_roi_align else None
        self._register_load_state_dict_pre_hook(self._rename_single_frame_fcs)

    @property
    def needs_maps(self) -> bool:
        """Whether key frames need the feature maps of their references."""
        return self.temporal_roi_align is not None

    def init_memory(self) -> object:
        """The memory of a new video."""
        return self.aggregator.init_memory()

    def embed(self, x: tuple[Tensor, ...], proposals: Sequence[InstanceData],
              frame_ids: Sequence[int]) -> list[ObjectFeatures]:
        """Objects of every frame of a batch: its proposals with their embeddings.

        Args:
            x: Feature maps, (B, C, H, W) each.
            proposals: ``bboxes`` (N, 4) and ``scores`` (N,) of every frame.
            frame_ids: Number of every frame.
        """
        boxes = [get_box_tensor(result.bboxes) for result in proposals]
        feats = self._embed(x, bbox2roi(boxes)).split([len(part) for part in boxes])
        return [
            ObjectFeatures(part, feat, result.scores,
                           torch.full((len(part), ), frame_id, device=part.device))
            for part, feat, result, frame_id in zip(
                boxes, feats, proposals, frame_ids, strict=True)
        ]

    def align(self, key: ObjectFeatures, x: tuple[Tensor, ...],
              reference_maps: Sequence[Maps]) -> ObjectFeatures:
        """The key objects with embeddings of temporally aligned RoI features.

        In its role as a reference a frame keeps the plain ones that :meth:`embed` gave.

        Args:
            key: Objects of the key frame.
            x: Feature maps of the key frame, (1, C, H, W) each.
            reference_maps: Feature maps of every reference frame, in any order.
        """
        return key.with_feats(self._embed(x, bbox2roi([key.boxes]), [reference_maps]))

    def detect(self,
               key: ObjectFeatures,
               references: References,
               memory: object,
               img_meta: dict,
               rescale: bool = False,
               options: DetectionOptions | None = None) -> tuple[InstanceData, Aggregated]:
        """Detect in one key frame.

        Args:
            key: Objects of the key frame.
            references: Objects of reference frames by role.
            memory: Memory of the video, which is only read.
            img_meta: Metainfo of the key frame.
            rescale: Whether boxes are returned in pixels of the original image.
            options: What is returned beyond boxes; None for what ``test_cfg`` says.

        Returns:
            The detections, and what :meth:`write` needs.
        """
        aggregated = self._aggregate(key, references, memory)
        if options is None or options.default:
            return self._classify(key, aggregated, img_meta, self.test_cfg, rescale), aggregated
        raw = self._classify(key, aggregated, img_meta, None, rescale)
        return select_detections(raw, self.test_cfg, options), aggregated

    def write(self, memory: object, aggregated: Aggregated, detections: DetDataSample) -> None:
        """Remember a key frame after its detection."""
        self.aggregator.write(memory, aggregated, detections)

    def loss(self,
             x: tuple[Tensor, ...],
             rpn_results_list: list[InstanceData],
             batch_data_samples: list[DetDataSample],
             references: Sequence[References] | None = None,
             reference_maps: Sequence[Sequence[Maps]] | None = None) -> dict[str, Tensor]:
        """Losses of the key frames.

        Args:
            x: Feature maps of the key frames, (B, C, H, W) each.
            rpn_results_list: Proposals of the key frames.
            batch_data_samples: Key frames with ground truth.
            references: Objects by role for every key frame; None without references.
            reference_maps: Maps of the references of every key frame, if :attr:`needs_maps`.
        """
        sampling = self._sample(x, rpn_results_list, batch_data_samples)
        rois = bbox2roi([result.priors for result in sampling])
        feats = self._embed(x, rois, reference_maps)
        feats = feats.split([len(result.priors) for result in sampling])
        references = references or [{} for _ in sampling]
        enhanced = []
        for result, feat, roles in zip(sampling, feats, references, strict=True):
            key = ObjectFeatures(
                get_box_tensor(result.priors), feat, feat.new_zeros(len(feat)),
                torch.zeros(len(feat), dtype=torch.long, device=feat.device))
            enhanced.append(self._aggregate(key, roles, None).feats)
        cls_score, bbox_pred = self.bbox_head(torch.cat(enhanced))
        return self.bbox_head.loss_and_target(
            cls_score=cls_score,
            bbox_pred=bbox_pred,
            rois=rois,
            sampling_results=sampling,
            rcnn_train_cfg=self.train_cfg)['loss_bbox']

    def predict_bbox(self,
                     x: tuple[Tensor, ...],
                     batch_img_metas: list[dict],
                     rpn_results_list: list[InstanceData],
                     rcnn_test_cfg: ConfigDict,
                     rescale: bool = False) -> list[InstanceData]:
        """Detect without references, as a plain mmdet detector does; see mmdet for arguments."""
        objects = self.embed(x, rpn_results_list, [0] * len(rpn_results_list))
        return [
            self._classify(key, self._aggregate(key, {}, None), meta, rcnn_test_cfg, rescale)
            for key, meta in zip(objects, batch_img_metas, strict=True)
        ]

    def _aggregate(self, key: ObjectFeatures, references: References,
                   memory: object) -> Aggregated:
        """Enhance the key objects; the log says when there is nothing to enhance them with."""
        if not any(references.values()):
            _say_without_references(type(self.aggregator).__name__)
        return self.aggregator(key, references, memory)

    def _classify(self, key: ObjectFeatures, aggregated: Aggregated, img_meta: dict,
                  test_cfg: ConfigDict | None, rescale: bool) -> InstanceData:
        """Detections of one frame, or with no ``test_cfg`` boxes and scores of every object."""
        cls_score, bbox_pred = self.bbox_head(aggregated.feats)
        return self.bbox_head.predict_by_feat(
            rois=(bbox2roi([key.boxes]), ),
            cls_scores=(cls_score, ),
            bbox_preds=(bbox_pred, ),
            batch_img_metas=[img_meta],
            rcnn_test_cfg=test_cfg,
            rescale=rescale)[0]

    def _embed(self, x: tuple[Tensor, ...], rois: Tensor,
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
        levels = torch.zeros(len(rois), dtype=torch.long, device=rois.device)
        if extractor.num_inputs > 1:
            levels = extractor.map_roi_levels(rois, extractor.num_inputs)
        aligned = feats.clone()
        for frame, frames_maps in enumerate(reference_maps):
            for level in range(extractor.num_inputs if frames_maps else 0):
                rows = ((rois[:, 0] == frame) & (levels == level)).nonzero()[:, 0]
                maps = torch.cat([maps[level] for maps in frames_maps])
                aligned[rows] = self.temporal_roi_align(feats[rows], maps).to(feats.dtype)
        return aligned

    def _rename_single_frame_fcs(self, state_dict: dict, prefix: str, *_: object) -> None:
        """Let the first layers of a single-frame box head start embedding and aggregator."""
        layers = ['embedding.fc', *(f'aggregator.{fc}' for fc in self.aggregator.shared_fcs)]
        for i, layer in enumerate(layers):
            for name in ('weight', 'bias'):
                old = f'{prefix}bbox_head.shared_fcs.{i}.{name}'
                if old in state_dict and f'{prefix}{layer}.{name}' not in state_dict:
                    state_dict[f'{prefix}{layer}.{name}'] = state_dict.pop(old)

    def _sample(self, x: tuple[Tensor, ...], proposals: list[InstanceData],
                samples: list[DetDataSample]) -> list[SamplingResult]:
        """Training RoIs of every key frame; the proposals handed in stay as they are."""
        results = []
        for i, (proposal, sample) in enumerate(zip(proposals, samples, strict=True)):
            priors = InstanceData(priors=proposal.bboxes, scores=proposal.scores)
            ignored = sample.get('ignored_instances')
            assigned = self.bbox_assigner.assign(priors, sample.gt_instances, ignored)
            results.append(
                self.bbox_sampler.sample(
                    assigned, priors, sample.gt_instances, feats=[feat[i][None] for feat in x]))
        return results


@functools.cache
def _say_without_references(aggregator: str) -> None:
    """Once per kind of aggregator and process."""
    print_log(f'{aggregator} gets no reference frames: each frame is its own reference. In a '
              'VideoDetector, `references` says which frames a key frame looks at.',
              logger='current', level=logging.WARNING)
