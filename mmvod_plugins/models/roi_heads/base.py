"""Mixin that makes one of mmdet's RoI heads temporal."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from mmdet.models.task_modules.assigners import BaseAssigner
from mmdet.models.task_modules.samplers import BaseSampler, PseudoSampler, SamplingResult
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi, get_box_tensor
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from mmvod_plugins.models.aggregators import Aggregated, Aggregator, ObjectsByRole
from mmvod_plugins.models.layers.padding import without_padding
from mmvod_plugins.models.temporal_part import (
    HeadStep,
    Needs,
    TemporalHead,
    warn_without_references,
)
from mmvod_plugins.references import WINDOW_ROLE
from mmvod_plugins.structures import FrameRecord, Maps, ObjectFeatures, References, place_of

from .instance_ids import instance_ids, matched


class TemporalRoIHeadMixin(TemporalHead):
    """Embeds proposals once per frame, enhances the key frame's by aggregators, classifies them.

    It stands before one of mmdet's RoI heads. Without references (a plain mmdet detector) each
    frame is its own reference.

    Attributes:
        single_frame_fcs: Name of the first layers in the box head of the single-frame detector.
    """

    single_frame_fcs: str = 'shared_fcs'

    @property
    @abstractmethod
    def aggregators(self) -> Mapping[str, Aggregator]:
        """One aggregator per stage, all with the same settings.

        The key is what the stage adds to the names of its parts: ``''``, or ``'.0'``, ``'.1'``.
        """

    @property
    def aggregator_settings(self) -> Aggregator:
        """One of the aggregators, which all have the same settings."""
        return next(iter(self.aggregators.values()))

    @property
    def method(self) -> str:
        """The method of the aggregators, or the name of their class."""
        return self.aggregator_settings.method or type(self.aggregator_settings).__name__

    @property
    def needs(self) -> Needs:
        """The objects of the roles that the aggregators know."""
        needs = self.aggregator_settings.needs
        return replace(needs, roles=needs.roles - {WINDOW_ROLE},
                       of_key=needs.of_key & {'detections'} | {'objects'},
                       of_references=frozenset({'objects'}))

    def extract(self, maps: Maps, proposals: list[InstanceData],
                records: list[FrameRecord]) -> list[ObjectFeatures]:
        """Embedded proposals of frames; see :class:`TemporalHead`.

        In training they have the instance ids that the aggregators want of references.
        """
        objects = self._objects(maps, proposals, [record.frame_id for record in records])
        iou = self.aggregator_settings.instance_iou
        if not self.training or iou is None:
            return objects
        return [replace(part, ids=instance_ids(part.boxes, record.sample, iou))
                for part, record in zip(objects, records, strict=True)]

    def enhance(self, key: FrameRecord, references: References, memory: object) -> HeadStep:
        """Detect in the key frame; see :class:`TemporalHead`."""
        raw, aggregated = self._detect(key.objects, objects_of(references), memory,
                                       key.sample.metainfo, key.maps)
        return HeadStep(raw, aggregated, details=aggregated.details)

    def predict_bbox(self,
                     x: tuple[Tensor, ...],
                     batch_img_metas: list[dict],
                     rpn_results_list: list[InstanceData],
                     rcnn_test_cfg: ConfigDict,
                     rescale: bool = False) -> list[InstanceData]:
        """Detect without references, as a plain mmdet detector does; see mmdet for arguments."""
        warn_without_references(self.method_name)
        objects = self._objects(x, rpn_results_list, [0] * len(rpn_results_list))
        return [
            self._detect(key, self.needs.alone(key), None, meta,
                         tuple(level[i:i + 1] for level in x), rcnn_test_cfg, rescale)[0]
            for i, (key, meta) in enumerate(zip(objects, batch_img_metas, strict=True))
        ]

    def _objects(self, maps: Maps, proposals: list[InstanceData],
                 frame_ids: Sequence[int]) -> list[ObjectFeatures]:
        """Embedded proposals of frames, whose RoIs are pooled together."""
        boxes = [get_box_tensor(result.bboxes) for result in proposals]
        feats = self._embed(maps, bbox2roi(boxes)).split([len(part) for part in boxes])
        return [
            ObjectFeatures(part, feat, result.get('scores'), _frame_ids(part, frame_id))
            for part, feat, result, frame_id in zip(boxes, feats, proposals, frame_ids, strict=True)
        ]

    @abstractmethod
    def _embed(self, x: Maps, rois: Tensor) -> Tensor:
        """Embeddings (N, ..., D) of RoIs (N, 5)."""

    @abstractmethod
    def _detect(self, key: ObjectFeatures, references: ObjectsByRole, memory: object,
                img_meta: dict, maps: Maps | None, test_cfg: ConfigDict | None = None,
                rescale: bool = False) -> tuple[InstanceData, Aggregated]:
        """Detections of a key frame; without ``test_cfg`` boxes and scores of every object."""

    def _alone(self, aggregator: Aggregator, rois: Tensor, feats: Tensor) -> Tensor:
        """Enhanced embeddings (N, C) of RoIs (N, 5), each image its own reference."""
        warn_without_references(self.method_name)
        # of no image too: without RoIs the result has the aggregator's width
        images = rois[:, 0].unique().tolist() or [0]
        rows = [(rois[:, 0] == image).nonzero()[:, 0] for image in images]
        enhanced = []
        for part in rows:
            key = ObjectFeatures(rois[part, 1:], feats[part], None, _frame_ids(part, 0))
            enhanced.append(aggregator(key, aggregator.needs.alone(key), None).feats)
        joined = torch.cat(enhanced)
        result = torch.empty_like(joined)
        result[torch.cat(rows)] = joined
        return result

    def _enhance_training(self, aggregator: Aggregator, sampling: Sequence[SamplingResult],
                          scores: Sequence[Tensor | None], feats: Tensor,
                          samples: Sequence[DetDataSample], references: Sequence[ObjectsByRole]
                          ) -> tuple[Tensor, dict[str, Tensor]]:
        """Enhanced embeddings of the training RoIs of all frames, and the aggregator's losses.

        Args:
            aggregator: Of this stage.
            sampling: RoIs of every frame, N in all.
            scores: Scores of the RoIs of every frame, from :meth:`_sample`.
            feats: Embeddings of all RoIs, (N, C).
            samples: The frames.
            references: Objects of the references of every frame, by role.

        Returns:
            (N, C'), and the losses, averaged over the frames.
        """
        enhanced, losses = [], []
        parts = feats.split([len(result.priors) for result in sampling])
        for result, score, feat, sample, roles in zip(sampling, scores, parts, samples, references,
                                                      strict=True):
            boxes = get_box_tensor(result.priors)
            key = ObjectFeatures(boxes, feat, score,
                                 _frame_ids(boxes, place_of(sample).frame_id))
            if aggregator.instance_iou is not None:
                key, roles = _with_ids(key, roles, sample, aggregator.instance_iou)
            if not any(roles.values()):
                # Samplers put positives first: the best of the key objects would be the true ones.
                order = torch.randperm(len(feat), device=feat.device)
                roles = aggregator.needs.alone(key[order])
            step = aggregator(key, roles, None)
            enhanced.append(step.feats)
            losses.append(step.losses)
        names = dict.fromkeys(name for part in losses for name in part)
        # a frame without the loss, a triplet loss without positives for example, adds nothing
        means = {name: sum(part[name] for part in losses if name in part) / len(losses)
                 for name in names}
        return torch.cat(enhanced), means

    @staticmethod
    def _sample(x: Maps, proposals: Sequence[InstanceData], samples: Sequence[DetDataSample],
                assigner: BaseAssigner,
                sampler: BaseSampler) -> tuple[list[SamplingResult], list[Tensor | None]]:
        """Training RoIs of every frame and their scores; the proposals stay as they are.

        Returns:
            The RoIs, and the scores (n,) that they have as objects: those of the proposals, as
            while testing, and 1 for true boxes; None where the proposals have none.
        """
        results, scores = [], []
        for i, (proposal, sample) in enumerate(zip(proposals, samples, strict=True)):
            priors = InstanceData(priors=proposal.bboxes)
            if 'scores' in proposal:
                priors.scores = proposal.scores
            ignored = sample.get('ignored_instances')
            assigned = assigner.assign(priors, sample.gt_instances, ignored)
            result = sampler.sample(
                assigned, priors, sample.gt_instances, feats=[feat[i][None] for feat in x])
            results.append(result)
            scores.append(_scores_of(result, proposal, sampler, len(sample.gt_instances)))
        return results, scores

    def _rename_single_frame_fcs(self, state_dict: dict, prefix: str, *_: object) -> None:
        """Let the first layers of single-frame box heads start embeddings and aggregators."""
        for stage, aggregator in self.aggregators.items():
            layers = [f'embedding{stage}.fc',
                      *(f'aggregator{stage}.{name}' for name in aggregator.shared_layers)]
            for i, layer in enumerate(layers):
                for name in ('weight', 'bias'):
                    old = f'{prefix}bbox_head{stage}.{self.single_frame_fcs}.{i}.{name}'
                    if old in state_dict and f'{prefix}{layer}.{name}' not in state_dict:
                        state_dict[f'{prefix}{layer}.{name}'] = state_dict.pop(old)


def maps_of(references: References) -> list[Maps]:
    """Maps of every reference without padding, role by role."""
    return [without_padding(record.maps, record.sample.metainfo)
            for records in references.values() for record in records]


def objects_of(references: References) -> ObjectsByRole:
    """Objects of every reference, by role."""
    return {role: [record.objects for record in records] for role, records in references.items()}


def joined_losses(own: dict[str, Tensor], of_box_head: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of an aggregator and of the box head.

    Raises:
        ValueError: If both have one of the same name.
    """
    both = own.keys() & of_box_head.keys()
    if both:
        raise ValueError(f'the aggregator has losses with names of the box head: {sorted(both)}; '
                         'give them other names')
    return {**own, **of_box_head}


def _scores_of(result: SamplingResult, proposals: InstanceData, sampler: BaseSampler,
               num_gts: int) -> Tensor | None:
    """Scores (N,) of sampled RoIs, positives first; None where the proposals have none."""
    if 'scores' not in proposals:
        return None
    scores = proposals.scores
    adds_gts = not isinstance(sampler, PseudoSampler) and sampler.add_gt_as_proposals
    if adds_gts and num_gts:  # true boxes come before the proposals
        scores = torch.cat([scores.new_ones(num_gts), scores])
    return scores[torch.cat([result.pos_inds, result.neg_inds])]


def _with_ids(key: ObjectFeatures, references: ObjectsByRole, sample: DetDataSample,
              iou: float) -> tuple[ObjectFeatures, ObjectsByRole]:
    """The key objects with instance ids, which the references lose if the key frame has none.

    Then the numbers of the true boxes stand for them: objects are told from the background.
    """
    ids = instance_ids(key.boxes, sample, iou)
    if ids is None:
        ids = matched(key.boxes, sample.gt_instances.bboxes, iou)
        references = {role: [replace(frame, ids=None) for frame in frames]
                      for role, frames in references.items()}
    return replace(key, ids=ids), references


def _frame_ids(rows: Tensor, frame_id: int) -> Tensor:
    return torch.full((len(rows), ), frame_id, dtype=torch.long, device=rows.device)
