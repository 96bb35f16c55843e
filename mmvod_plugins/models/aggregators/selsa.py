"""SELSA: sequence level semantics aggregation (Wu et al., ICCV 2019)."""

from __future__ import annotations

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn

from mmvod_plugins.models.layers import SemanticAttention
from mmvod_plugins.models.memories.kept_projections import (
    KeptProjections,
    projections,
    step_of,
)
from mmvod_plugins.models.temporal_part import Needs
from mmvod_plugins.structures import ObjectFeatures

from .base import Aggregated, ObjectsByRole
from .projecting import ProjectingAggregator


@MODELS.register_module()
class SELSAAggregator(ProjectingAggregator):
    """Key objects attend to the objects of all references, once after every shared layer.

    With x the key and r the reference objects, as the RoI embedding (the first shared layer,
    *without* activation) gives them, for every stage::

        x, r = fc(x), fc(r)          (not in the first stage: the embedding did it)
        x = relu(x + A(x, r))        r = relu(r)          A sees both before the ReLU

    The references form one set: neither their roles, their order nor their frames matter. A
    frame that is named twice counts twice in every softmax.

    Roles: ``local`` (a window) and ``global`` (frames spread over the video). The key frame is
    one of the references while testing (the policy names it), and is not while training.

    Args:
        channels: Width of the embeddings.
        num_heads: Heads of every attention.
        num_stages: Shared layers, the embedding being the first one (SELSA 2, with Temporal RoI
            Align 3).
        reference_topk: Objects of a reference frame.
        init_cfg: Initial weights; by default as a shared layer of mmdet's box heads.
    """

    method = 'SELSA'

    def __init__(self,
                 channels: int = 1024,
                 num_heads: int = 16,
                 *,
                 num_stages: int = 2,
                 reference_topk: int = 300,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg or dict(
            type='Xavier', distribution='uniform', override=dict(name='fcs')))
        if num_stages < 1:
            raise ValueError(f'num_stages must be at least 1, got {num_stages}')
        self.needs = Needs(roles=frozenset({'local', 'global'}), topk=reference_topk)
        self.fcs = nn.ModuleList(nn.Linear(channels, channels) for _ in range(num_stages - 1))
        self.attentions = nn.ModuleList(
            SemanticAttention(channels, num_heads) for _ in range(num_stages))

    def forward(self, key: ObjectFeatures, references: ObjectsByRole,
                memory: KeptProjections | None) -> Aggregated:
        """Enhance the key objects, see :class:`Aggregator`."""
        frames = [frame.top(self.needs.topk)
                  for role in sorted(references) for frame in references[role]]
        step = step_of(memory)
        projected = projections(step, self, frames)
        valid = None if frames[0].valid is None else torch.cat([part.valid for part in frames])
        feats = key.feats
        for stage, attention in enumerate(self.attentions):
            if stage:
                feats = self.fcs[stage - 1](feats)
            added = attention(feats, projected=projected[2 * stage:2 * stage + 2], valid=valid)
            feats = (feats + added).relu()
        return Aggregated(feats, to_memory=step)

    def project(self, feats: Tensor) -> tuple[Tensor, ...]:
        """Keys and values of reference objects (M, C) for every stage, in a row."""
        projected: list[Tensor] = []
        for stage, attention in enumerate(self.attentions):
            if stage:
                feats = self.fcs[stage - 1](feats.relu())
            projected += attention.project(feats)
        return tuple(projected)
