"""RDN: relation distillation networks (Deng et al., ICCV 2019)."""

from __future__ import annotations

from mmdet.registry import MODELS

from mmvod_plugins.models.layers.relation import location_biases
from mmvod_plugins.models.memories.kept_projections import (
    KeptProjections,
    ProjectionStep,
    projections,
    step_of,
)
from mmvod_plugins.models.temporal_part import Needs
from mmvod_plugins.structures import ObjectFeatures

from .base import Aggregated, ObjectsByRole, RelationStage
from .projecting import ProjectingAggregator
from .relation_steps import (
    best,
    make_relations,
    make_transforms,
    relate,
    relate_frames,
    split,
    transform,
    transform_frames,
)


@MODELS.register_module()
class RDNAggregator(ProjectingAggregator):
    """Basic and advanced stage of relations between the proposals of a window.

    The basic stage enhances the key objects with the supportive proposals: the best
    ``reference_topk`` of every window frame, which stay as they are. The advanced stage first
    refines the best ``distilled_topk`` of every frame with all supportive proposals, then the
    key objects with the refined ones. All relations are location-based.

    Role: ``local``, the window with the key frame included, oldest first. Nothing is remembered
    but keys, values and location biases of the supportive proposals.

    Args:
        channels: Width of the embeddings.
        num_heads: Heads of every relation module.
        num_base_stages: Relation modules N_b of the basic stage.
        num_advanced_stages: Times N_a that the distilled proposals are refined; 0 for RDN-base.
        reference_topk: Supportive proposals of a window frame.
        distilled_topk: Those of them that the advanced stage refines, 20% in the paper.
        init_cfg: Initial weights.
    """

    def __init__(self,
                 channels: int = 1024,
                 num_heads: int = 16,
                 *,
                 num_base_stages: int = 2,
                 num_advanced_stages: int = 1,
                 reference_topk: int = 75,
                 distilled_topk: int = 15,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if num_base_stages < 1 or num_advanced_stages < 0:
            raise ValueError('num_base_stages must be at least 1 and num_advanced_stages at least '
                             f'0, got {num_base_stages} and {num_advanced_stages}')
        self.method = 'RDN' if num_advanced_stages else 'RDN-base'
        self.needs = Needs(topk=reference_topk)
        self.distilled_topk = distilled_topk
        self.base_relations = make_relations(num_base_stages, channels, num_heads, key_bias=False)
        self.base_transforms = make_transforms(num_base_stages - 1, channels)
        if num_advanced_stages:
            # the last one relates the key objects to those that the others refined
            self.advanced_relations = make_relations(
                num_advanced_stages + 1, channels, num_heads, key_bias=False)
            self.advanced_transforms = make_transforms(num_advanced_stages, channels)
        self.num_advanced_stages = num_advanced_stages

    @property
    def shared_layers(self) -> list[str]:
        """The layers between base stages: with them a trained box head starts RDN."""
        return [f'base_transforms.{i}' for i in range(len(self.base_transforms))]

    def forward(self, key: ObjectFeatures, references: ObjectsByRole,
                memory: KeptProjections | None) -> Aggregated:
        """Enhance the key objects, see :class:`Aggregator`."""
        window = best(references['local'], self.needs.topk)
        first = RelationStage(self.base_relations[0], key, window)
        support, step = ObjectFeatures.cat(window), step_of(memory)
        biases = location_biases(self.base_relations, key.boxes, support.boxes)
        for index, (relation, bias) in enumerate(zip(self.base_relations, biases, strict=True)):
            if index:
                key = transform(self.base_transforms[index - 1], key)
            key = relate(relation, key, support, projections(step, relation, window), bias)
        if self.num_advanced_stages:
            key = self._advanced_stage(key, window, support, step)
        return Aggregated(key.feats, to_memory=step, details={'relations': first.weights_to})

    def _advanced_stage(self, key: ObjectFeatures, window: list[ObjectFeatures],
                        support: ObjectFeatures, step: ProjectionStep | None) -> ObjectFeatures:
        """Refine the best supportive proposals, then the key objects with them."""
        refined = best(window, self.distilled_topk)
        *refining, last = self.advanced_relations
        for relation, linear in zip(refining, self.advanced_transforms, strict=True):
            kept = None if step is None else step.location_bias(relation, refined, window)
            if kept is None:
                objects = relate(relation, ObjectFeatures.cat(refined), support,
                                 projections(step, relation, window))
                refined = split(objects.feats, refined)
            else:
                frames = kept.in_columns(window)
                refined = relate_frames(relation, refined, ObjectFeatures.cat(frames),
                                        projections(step, relation, frames), kept)
            refined = transform_frames(linear, refined)
        return relate(last, key, ObjectFeatures.cat(refined))
