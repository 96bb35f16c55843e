"""What a video detector asks of a RoI head, whatever mmdet head it stands on."""

from __future__ import annotations

import logging
from abc import ABCMeta, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache

import torch
from mmdet.models.task_modules.assigners import BaseAssigner
from mmdet.models.task_modules.samplers import BaseSampler, SamplingResult
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi, get_box_tensor
from mmengine.config import ConfigDict
from mmengine.logging import print_log
from mmengine.structures import InstanceData
from torch import Tensor

from mmvod_plugins.models.detection_options import DetectionOptions, select_detections
from mmvod_plugins.structures import ObjectFeatures

from .aggregator import Aggregated, Aggregator, References

#: Feature maps of a frame, (1, C, H, W) for every level.
Maps = tuple[Tensor, ...]


class BaseTemporalRoIHead(metaclass=ABCMeta):
    """Embeds proposals once per frame, enhances the key frame's by aggregators, classifies them.

    A mixin that stands before one of mmdet's RoI heads. Without references (a plain mmdet
    detector) each frame is its own reference.

    Attributes:
        needs_maps: Whether key frames need the feature maps of their references.
        needs_key_maps: Whether :meth:`detect` needs the feature maps of the key frame.
        single_frame_fcs: Name of the first layers in the box head of the single-frame detector.
    """

    needs_maps: bool = False
    needs_key_maps: bool = False
    single_frame_fcs: str = 'shared_fcs'

    @property
    @abstractmethod
    def aggregators(self) -> Mapping[str, Aggregator]:
        """One aggregator per stage, all with the same settings.

        The key is what the stage adds to the names of its parts: ``''``, or ``'.0'``, ``'.1'``.
        """

    @property
    def _settings(self) -> Aggregator:
        return next(iter(self.aggregators.values()))

    @property
    def reference_topk(self) -> int:
        """Objects used of a reference frame, the best ones."""
        return self._settings.reference_topk

    @property
    def roles(self) -> frozenset[str]:
        """Roles of the references it knows."""
        return self._settings.roles

    @property
    def detached_roles(self) -> frozenset[str]:
        """Roles whose frames get no gradient."""
        return self._settings.detached_roles

    @property
    def knows_locations(self) -> bool:
        """Whether :attr:`Aggregated.relation_stage` is given."""
        return self._settings.knows_locations

    @abstractmethod
    def init_memory(self) -> object:
        """The memory of a new video."""

    @abstractmethod
    def write(self, memory: object, aggregated: Aggregated, detections: DetDataSample) -> None:
        """Remember a key frame after its detection."""

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

    def detect(self,
               key: ObjectFeatures,
               references: References,
               memory: object,
               img_meta: dict,
               rescale: bool = False,
               options: DetectionOptions | None = None,
               maps: Maps | None = None) -> tuple[InstanceData, Aggregated]:
        """Detect in one key frame.

        Args:
            key: Objects of the key frame.
            references: Objects of reference frames by role.
            memory: Memory of the video, which is only read.
            img_meta: Metainfo of the key frame.
            rescale: Whether boxes are returned in pixels of the original image.
            options: What is returned beyond boxes; None for what ``test_cfg`` says.
            maps: Feature maps of the key frame, if :attr:`needs_key_maps`.

        Returns:
            The detections, and what :meth:`write` needs.
        """
        self._say_if_alone(references)
        if options is None or options.default:
            return self._detect(key, references, memory, img_meta, self.test_cfg, rescale, maps)
        raw, aggregated = self._detect(key, references, memory, img_meta, None, rescale, maps)
        return select_detections(raw, self.test_cfg, options), aggregated

    def predict_bbox(self,
                     x: tuple[Tensor, ...],
                     batch_img_metas: list[dict],
                     rpn_results_list: list[InstanceData],
                     rcnn_test_cfg: ConfigDict,
                     rescale: bool = False) -> list[InstanceData]:
        """Detect without references, as a plain mmdet detector does; see mmdet for arguments."""
        self._say_if_alone({})
        objects = self.embed(x, rpn_results_list, [0] * len(rpn_results_list))
        return [
            self._detect(key, {}, None, meta, rcnn_test_cfg, rescale,
                         tuple(level[i:i + 1] for level in x))[0]
            for i, (key, meta) in enumerate(zip(objects, batch_img_metas, strict=True))
        ]

    @abstractmethod
    def _embed(self, x: tuple[Tensor, ...], rois: Tensor) -> Tensor:
        """Embeddings (N, D) of RoIs (N, 5)."""

    @abstractmethod
    def _detect(self, key: ObjectFeatures, references: References, memory: object, img_meta: dict,
                test_cfg: ConfigDict | None, rescale: bool,
                maps: Maps | None) -> tuple[InstanceData, Aggregated]:
        """:meth:`detect`; with no ``test_cfg`` boxes and scores of every object."""

    def _say_if_alone(self, references: References) -> None:
        if not any(references.values()):
            _say_without_references(type(self._settings).__name__)

    def _alone(self, aggregator: Aggregator, rois: Tensor, feats: Tensor) -> Tensor:
        """Enhanced embeddings (N, C) of RoIs (N, 5), each image its own reference."""
        self._say_if_alone({})
        enhanced = feats.new_zeros(len(feats), aggregator.out_channels)
        for image in rois[:, 0].unique():
            rows = (rois[:, 0] == image).nonzero()[:, 0]
            key = ObjectFeatures(rois[rows, 1:], feats[rows], feats.new_zeros(len(rows)),
                                 torch.zeros_like(rows))
            enhanced[rows] = aggregator(key, {}, None).feats
        return enhanced

    def _enhance(self, aggregator: Aggregator, sampling: Sequence[SamplingResult], feats: Tensor,
                 references: Sequence[References]) -> Tensor:
        """Enhanced embeddings (N, C) of the training RoIs of all key frames."""
        enhanced = []
        parts = feats.split([len(result.priors) for result in sampling])
        for result, feat, roles in zip(sampling, parts, references, strict=True):
            self._say_if_alone(roles)
            key = ObjectFeatures(
                get_box_tensor(result.priors), feat, feat.new_zeros(len(feat)),
                torch.zeros(len(feat), dtype=torch.long, device=feat.device))
            if not any(roles.values()):
                # Samplers put positives first: the best of the key objects would be the true ones.
                order = torch.randperm(len(feat), device=feat.device)
                roles = {'local': [key[order]]}
            enhanced.append(aggregator(key, roles, None).feats)
        return torch.cat(enhanced)

    @staticmethod
    def _sample(x: tuple[Tensor, ...], proposals: Sequence[InstanceData],
                samples: Sequence[DetDataSample], assigner: BaseAssigner,
                sampler: BaseSampler) -> list[SamplingResult]:
        """Training RoIs of every key frame; the proposals handed in stay as they are."""
        results = []
        for i, (proposal, sample) in enumerate(zip(proposals, samples, strict=True)):
            priors = InstanceData(priors=proposal.bboxes)
            if 'scores' in proposal:  # boxes that a cascade refined have none
                priors.scores = proposal.scores
            ignored = sample.get('ignored_instances')
            assigned = assigner.assign(priors, sample.gt_instances, ignored)
            results.append(
                sampler.sample(
                    assigned, priors, sample.gt_instances, feats=[feat[i][None] for feat in x]))
        return results

    def _rename_single_frame_fcs(self, state_dict: dict, prefix: str, *_: object) -> None:
        """Let the first layers of single-frame box heads start embeddings and aggregators."""
        for stage, aggregator in self.aggregators.items():
            layers = [f'embedding{stage}.fc',
                      *(f'aggregator{stage}.{fc}' for fc in aggregator.shared_fcs)]
            for i, layer in enumerate(layers):
                for name in ('weight', 'bias'):
                    old = f'{prefix}bbox_head{stage}.{self.single_frame_fcs}.{i}.{name}'
                    if old in state_dict and f'{prefix}{layer}.{name}' not in state_dict:
                        state_dict[f'{prefix}{layer}.{name}'] = state_dict.pop(old)


@cache
def _say_without_references(aggregator: str) -> None:
    """Once per kind of aggregator and process."""
    print_log(f'{aggregator} gets no reference frames: each frame is its own reference. In a '
              'VideoDetector, `references` says which frames a key frame looks at.',
              logger='current', level=logging.WARNING)
