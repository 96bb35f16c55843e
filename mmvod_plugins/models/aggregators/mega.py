"""MEGA: memory enhanced global-local aggregation (Chen et al., CVPR 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from mmdet.registry import MODELS
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmvod_plugins.models.layers import RelationModule
from mmvod_plugins.models.memories import LongRangeMemory
from mmvod_plugins.models.memories.kept_projections import (
    ProjectionStep,
    projections,
    step_of,
)
from mmvod_plugins.models.temporal_part import Needs
from mmvod_plugins.structures import ObjectFeatures
from mmvod_plugins.utils.forms import on_processor
from mmvod_plugins.utils.precision import no_grad_and_uncached

from .base import Aggregated, Aggregator, ObjectsByRole, RelationStage
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

#: Products of a query and a key, in channels, from which the global stage keeps sums on a CPU.
KEEP_SUMS_FROM = 2**27


@MODELS.register_module()
class MEGAAggregator(Aggregator):
    """Global stage, local stage and Long Range Memory over embedded proposals.

    The global stage (eq. 3-4) enhances key and local objects with those of global frames, by
    location-free relations. The local stage (eq. 5-8) then refines the key objects and the best
    objects of every local frame with the local window and the memory, by location-based ones.
    After its first module only the best ``distilled_topk`` objects of a local frame are refined
    further.

    Roles: ``local`` (the window, key frame included, oldest first), ``global``, and in training
    ``memory``: frames that pass the base model without gradient and then serve as the memory.

    Where paper and program differ, the default is the program's: 75 and 15 objects (the paper: 80
    and 20), no time in the location terms, ``num_result_stages`` for R-101. Between stacked
    modules of the global stage stands h (a linear layer and ReLU), as between the local ones; the
    programs have one module there at most and so do not say.

    Args:
        channels: Width of the embeddings.
        num_heads: Heads of every relation module.
        num_local_stages: N_l.
        num_global_stages: N_g before the local stage, 0 for none.
        num_result_stages: Global modules after the local stage (1 in the published R-101).
        global_location: Whether the global relations use locations (an ablation).
        reference_topk: Objects of a reference frame.
        distilled_topk: Objects of a local frame after the first local module.
        memory_size: T_m in frames, 0 for the base model without memory.
        init_cfg: Initial weights.
    """

    method = 'MEGA'

    def __init__(self,  # noqa: PLR0913 - the paper's table of settings
                 channels: int = 1024,
                 num_heads: int = 16,
                 *,
                 num_local_stages: int = 3,
                 num_global_stages: int = 1,
                 num_result_stages: int = 0,
                 global_location: bool = False,
                 reference_topk: int = 75,
                 distilled_topk: int = 15,
                 memory_size: int = 25,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.needs = Needs(roles=frozenset({'local', 'global', 'memory'}),
                           detached_roles=frozenset({'memory'}), topk=reference_topk)
        self.distilled_topk = distilled_topk
        self.memory_size = memory_size

        size = channels, num_heads
        self.global_relations = make_relations(num_global_stages, *size, location=global_location)
        self.global_transforms = make_transforms(num_global_stages - 1, channels)
        self.local_relations = make_relations(num_local_stages, *size)
        self.local_transforms = make_transforms(num_local_stages - 1, channels)
        self.result_relations = make_relations(num_result_stages, *size, location=global_location)

    @property
    def shared_layers(self) -> list[str]:
        """The layers between local modules: with them a trained box head starts MEGA."""
        return [f'local_transforms.{i}' for i in range(len(self.local_transforms))]

    def init_memory(self) -> LongRangeMemory | None:
        """An empty memory with a level for each local module, or None without memory."""
        if not self.memory_size or not self.local_relations:
            return None
        return LongRangeMemory(len(self.local_relations), self.memory_size)

    def forward(self, key: ObjectFeatures, references: ObjectsByRole,
                memory: LongRangeMemory | None) -> Aggregated:
        """Enhance the key objects, see :class:`Aggregator`."""
        window = best(references.get('local', []), self.needs.topk)
        window = window or [key.top(self.needs.topk)]
        pool = best(references.get('global', []), self.needs.topk)
        if references.get('memory'):
            memory = self._remember(references['memory'], pool)
        step = step_of(None if memory is None else memory.kept)
        key = self._global_stage(key, pool, self.global_relations, step)
        levels: list[list[ObjectFeatures]] = []
        details = {}
        if self.local_relations:
            window = self._per_frame(window, pool, step)
            first = RelationStage(self.local_relations[0], key, with_memory(window, memory, 0))
            details['relations'] = first.weights_to
            key, levels = self._local_stage(key, window, memory, step)
        key = self._global_stage(key, pool, self.result_relations, step)
        oldest = [level[0] for level in levels]
        return Aggregated(key.feats, _Remembered(oldest, step), details=details)

    def write(self, memory: LongRangeMemory, aggregated: Aggregated,
              found: InstanceData | None) -> None:
        """Remember the oldest frame of the window at every level."""
        memory.write(aggregated.to_memory.levels)
        if aggregated.to_memory.step is not None:
            memory.kept.write(aggregated.to_memory.step)

    @no_grad_and_uncached()
    def _remember(self, frames: list[ObjectFeatures],
                  pool: list[ObjectFeatures]) -> LongRangeMemory | None:
        """The memory that training frames stand for: the base model's intermediate objects."""
        memory = self.init_memory()
        if memory is None:
            return None
        window = self._per_frame(best(frames, self.needs.topk), pool, None)
        _, levels = self._local_stage(window[0][:0], window, None, None)
        for entry in zip(*levels, strict=True):
            memory.write(entry)
        return memory

    def _global_stage(self, objects: ObjectFeatures, pool: list[ObjectFeatures],
                      relations: nn.ModuleList, step: ProjectionStep | None) -> ObjectFeatures:
        """Equation 4: enhance objects with those of the global frames, which stay as they are."""
        if not pool:
            return objects
        reference = ObjectFeatures.cat(pool)
        for stage, relation in enumerate(relations):
            if stage:
                objects = transform(self.global_transforms[stage - 1], objects)
            objects = relate(relation, objects, reference, projections(step, relation, pool))
        return objects

    def _per_frame(self, frames: list[ObjectFeatures], pool: list[ObjectFeatures],
                   step: ProjectionStep | None) -> list[ObjectFeatures]:
        """The global stage on several frames at once."""
        if step is not None and self._keeps_sums(frames, pool):
            [relation] = self.global_relations
            added = step.relate(relation, frames, pool)
            return [frame.with_feats(frame.feats + part)
                    for frame, part in zip(frames, added, strict=True)]
        objects = self._global_stage(ObjectFeatures.cat(frames), pool, self.global_relations,
                                     step)
        return split(objects.feats, frames)

    def _keeps_sums(self, frames: list[ObjectFeatures], pool: list[ObjectFeatures]) -> bool:
        """Whether it pays to keep what window frames get from each global frame.

        It needs one relation without location, and enough work for a processor: a device, and
        small models, lose more by the many small steps.
        """
        if len(self.global_relations) != 1 or self.global_relations[0].location is not None:
            return False
        work = sum(map(len, frames)) * sum(map(len, pool)) * frames[0].feats.shape[1]
        return work >= KEEP_SUMS_FROM and on_processor(frames[0].feats)

    def _local_stage(
        self, key: ObjectFeatures, window: list[ObjectFeatures], memory: LongRangeMemory | None,
        step: ProjectionStep | None
    ) -> tuple[ObjectFeatures, list[list[ObjectFeatures]]]:
        """Equation 8: refine key and local objects, level by level.

        Returns:
            The key objects; for every level the local objects, by frame, that it referred to.
        """
        levels, distilled = [window], best(window, self.distilled_topk)

        for level, linear in enumerate(self.local_transforms):
            key, distilled = self._refine(key, distilled, levels[level], memory, level, step)
            key, *distilled = transform_frames(linear, [key, *distilled])
            levels.append(distilled)
        key, _ = self._refine(key, [], levels[-1], memory, len(levels) - 1, step)
        return key, levels

    def _refine(
        self, key: ObjectFeatures, frames: list[ObjectFeatures], window: list[ObjectFeatures],
        memory: LongRangeMemory | None, level: int, step: ProjectionStep | None
    ) -> tuple[ObjectFeatures, list[ObjectFeatures]]:
        """Relate the key objects and those of window frames to a level of window and memory."""
        relation = self.local_relations[level]
        references = with_memory(window, memory, level)
        projected = _projected(relation, window, memory, level, step)
        kept = None
        if projected is not None and frames:
            kept = step.location_bias(relation, frames, references)
        if kept is not None:  # the key objects take the references as they stand in the table
            references, projected = kept.in_columns(references), kept.in_columns(projected)
        reference = ObjectFeatures.cat(references)
        joined = None
        if projected is not None:
            joined = tuple(torch.cat(part, dim=-2) for part in zip(*projected, strict=True))
        if kept is not None:
            return (relate(relation, key, reference, joined),
                    relate_frames(relation, frames, reference, joined, kept))
        objects = relate(relation, ObjectFeatures.cat([key, *frames]), reference, joined)
        key, *frames = split(objects.feats, [key, *frames])
        return key, frames


def with_memory(window: list[ObjectFeatures], memory: LongRangeMemory | None,
                level: int) -> list[ObjectFeatures]:
    """The references of a level: objects of the window and those remembered, by frame."""
    return window if memory is None else [*window, *memory.read(level)]


@dataclass(frozen=True)
class _Remembered:
    """The oldest frame of the window at every level, and the projections of the step."""

    levels: list[ObjectFeatures]
    step: ProjectionStep | None


def _projected(relation: RelationModule, window: list[ObjectFeatures],
               memory: LongRangeMemory | None, level: int,
               step: ProjectionStep | None) -> list[tuple[Tensor, Tensor]] | None:
    """Keys and values of every frame of a level, those of the memory kept; None: none are kept.

    The window's own change with every key frame: they look at the global frames.
    """
    if step is None or not len(memory):
        return None
    sizes = [len(frame) for frame in window]
    now = relation.project(torch.cat([frame.feats for frame in window]))
    return [*zip(*(part.split(sizes, dim=-2) for part in now), strict=True),
            *step.project_each(relation, memory.read(level))]
