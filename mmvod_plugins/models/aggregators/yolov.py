"""YOLOV (Shi et al., AAAI 2023) and YOLOV++ (IJCV 2025): points of all frames of a group."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.registry import MODELS
from mmengine.structures import InstanceData
from torch import Tensor

from mmvod_plugins.models.layers import AffinityAggregation, LocalAggregation
from mmvod_plugins.models.layers.affinity_aggregation import BRANCHES
from mmvod_plugins.models.memories import YOLOVMemory
from mmvod_plugins.models.temporal_part import Needs
from mmvod_plugins.references import WINDOW_ROLE
from mmvod_plugins.structures import ObjectFeatures

from .base import Aggregated, Aggregator, ObjectsByRole

#: How the outputs of the two branches are made.
OBJECTNESS = ('none', 'coupled', 'decoupled')
#: What aggregates.
FORMS = ('2022', '2024', 'local')


@MODELS.register_module()
class YOLOVAggregator(Aggregator):
    """All points of a group of frames attend to one another, see :class:`AffinityAggregation`.

    Offline, a group (:class:`~mmvod_plugins.references.ShuffledGroups`) is enhanced at once. With
    other policies the references of a key frame are its group. Online, with ``memory`` and
    without references in testing, its group are past frames that a memory draws; frames just
    before give their results, too (:meth:`YOLOVMemory.refine`). Training knows groups alone.

    Args:
        channels: C, of each of the two features of a point.
        num_heads: Heads of the attention.
        objectness: ``'none'``: classes alone are enhanced (YOLOV); ``'decoupled'``: objectness by
            a module of its own (YOLOV++); ``'coupled'``: both by one module.
        form: ``'2022'``: the regression attention is weighted by objectness, as in the program
            that made YOLOV's published weights and in its online mode; ``'2024'``: it is not
            (YOLOV++); ``'local'``: :class:`LocalAggregation` in place of
            :class:`AffinityAggregation`, an ablation of YOLOV++'s program, for ``'coupled'``.
        memory: Arguments of :class:`YOLOVMemory`; None for groups.
        reference_topk: Objects of a reference frame outside of groups; None for all.
        affinity: Further arguments of the module that aggregates.
        init_cfg: Initial weights.
    """

    def __init__(self,
                 channels: int,
                 num_heads: int = 4,
                 *,
                 objectness: str = 'none',
                 form: str = '2024',
                 memory: dict | None = None,
                 reference_topk: int | None = None,
                 affinity: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if objectness not in OBJECTNESS or form not in FORMS:
            raise ValueError(f'objectness must be one of {OBJECTNESS} and form one of {FORMS}, '
                             f'got {objectness!r} and {form!r}')
        if form == 'local' and objectness != 'coupled':
            raise ValueError("form='local' enhances both embeddings at once: it needs "
                             f"objectness='coupled', got {objectness!r}")
        self.memory = memory
        self.needs = Needs(roles=frozenset({WINDOW_ROLE, 'local', 'global'}), topk=reference_topk)

        def module(*branches: str) -> AffinityAggregation:
            return AffinityAggregation(
                channels, num_heads, branches=branches, weigh_by_objectness=form == '2022',
                **(affinity or {}))
        first = BRANCHES if objectness == 'coupled' else BRANCHES[:1]
        self.attention = module(*first) if form != 'local' else \
            LocalAggregation(channels, num_heads, **(affinity or {}))
        self.obj_attention = module('obj') if objectness == 'decoupled' else None

    @property
    def method(self) -> str:
        """YOLOV++ enhances objectness, too."""
        return 'YOLOV' if self.obj_attention is None else 'YOLOV++'

    @property
    def out_channels(self) -> int:
        """Width of an enhanced feature."""
        return self.attention.out_channels

    def init_memory(self) -> YOLOVMemory | None:
        """The memory of a new video in the online mode."""
        return None if self.memory is None else YOLOVMemory(**self.memory)

    def forward(self, key: ObjectFeatures, references: ObjectsByRole,
                memory: YOLOVMemory | None) -> Aggregated:
        """Enhance the key objects, see :class:`Aggregator`; (N, C') or (N, 2, C')."""
        if memory is not None:
            return self._online(key, memory)
        others = other_frames(key, [frame for role in sorted(references)
                                    for frame in references[role]])
        return Aggregated(self._enhance([key, *others])[:len(key)])

    def group(self, frames: Sequence[ObjectFeatures]) -> list[Aggregated]:
        """Enhance all frames of a group at once."""
        sizes = [len(frame) for frame in frames]
        return [Aggregated(feats) for feats in self._enhance(frames).split(sizes)]

    def write(self, memory: YOLOVMemory | None, aggregated: Aggregated,
              found: InstanceData | None) -> None:
        """Remember a key frame; see :class:`Aggregator`."""
        if memory is not None:
            memory.write(*aggregated.to_memory)

    def _online(self, key: ObjectFeatures, memory: YOLOVMemory) -> Aggregated:
        """Enhance by past frames; what is remembered is what they gave, before the refinement."""
        past = memory.read()
        if not past:
            feats = self._enhance([key])
            return Aggregated(feats, (key, None))
        feats = self._enhance([key, *past])[:len(key)]
        enhanced = key.with_feats(feats)
        refined = memory.refine(enhanced)
        return Aggregated(refined, (key, enhanced))

    def _enhance(self, frames: Sequence[ObjectFeatures]) -> Tensor:
        """Enhanced features of all objects of frames."""
        rows = ObjectFeatures.cat(list(frames))
        x_cls, x_reg = rows.feats.unbind(1) if rows.feats.ndim == 3 else (rows.feats, rows.feats)
        if isinstance(self.attention, LocalAggregation):
            return torch.stack(self.attention(x_cls, x_reg, rows.boxes), 1)
        objectness = rows.boxes.new_ones(len(rows)) if rows.objectness is None else rows.objectness
        best = objectness if rows.class_probs is None else rows.class_probs.amax(1)
        outputs = self.attention(x_cls, x_reg, best, objectness)
        if self.obj_attention is not None:
            outputs.update(self.obj_attention(x_cls, x_reg, best, objectness))
        return outputs['cls'] if len(outputs) == 1 else \
            torch.stack([outputs[name] for name in BRANCHES], 1)


def other_frames(key: ObjectFeatures, frames: Sequence[ObjectFeatures]) -> list[ObjectFeatures]:
    """The frames that have objects and are not the frame of the key objects."""
    others = [frame for frame in frames if len(frame)]
    if not len(key) or not others:
        return others
    # all numbers at once: a device's host waits for each time that it reads some
    own, *ids = torch.stack([frame.frame_ids[0] for frame in (key, *others)]).tolist()
    return [frame for frame, number in zip(others, ids, strict=True) if number != own]
