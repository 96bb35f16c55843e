"""Steps that relation methods share, on objects."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmvod_plugins.models.layers import RelationModule
from mmvod_plugins.models.memories.bias_table import FrameBias
from mmvod_plugins.structures import ObjectFeatures


def make_relations(count: int, channels: int, num_heads: int, *, location: bool = True,
                   key_bias: bool = True) -> nn.ModuleList:
    """A list of relation modules; the arguments are those of :class:`RelationModule`."""
    return nn.ModuleList(
        RelationModule(channels, num_heads, location=location, key_bias=key_bias)
        for _ in range(count))


def make_transforms(count: int, channels: int) -> nn.ModuleList:
    """A list of linear layers for :func:`transform`."""
    return nn.ModuleList(nn.Linear(channels, channels) for _ in range(count))


def relate(relation: RelationModule, objects: ObjectFeatures, reference: ObjectFeatures,
           projected: tuple[Tensor, Tensor] | None = None,
           bias: Tensor | None = None) -> ObjectFeatures:
    """Add the sum of reference features (MEGA, equation 2 without h; RDN, equation 2).

    Args:
        relation: The module.
        objects: Are enhanced.
        reference: What they look at.
        projected: Of the reference objects, where it is known.
        bias: Of both, where it is known.
    """
    added = relation(objects.feats, reference.feats, objects.boxes, reference.boxes,
                     projected=projected, bias=bias, valid=reference.valid)
    return objects.with_feats(objects.feats + added)


def relate_frames(relation: RelationModule, frames: Sequence[ObjectFeatures],
                  reference: ObjectFeatures, projected: tuple[Tensor, Tensor],
                  kept: FrameBias) -> list[ObjectFeatures]:
    """:func:`relate` for the objects of several frames, with a bias that was kept.

    Args:
        relation: The module.
        frames: Whose objects are enhanced.
        reference: What they look at, frame by frame as ``kept.in_columns`` has them.
        projected: Of the reference objects.
        kept: The bias.
    """
    rows = kept.in_rows(frames)
    enhanced = relate(relation, ObjectFeatures.cat(rows), reference, projected, kept.values)
    return kept.from_rows(split(enhanced.feats, rows))


def transform(linear: nn.Linear, objects: ObjectFeatures) -> ObjectFeatures:
    """A linear layer and ReLU: MEGA's h, and the layer between RDN's stages."""
    feats: Tensor = linear(objects.feats).relu()
    return objects.with_feats(feats)


def transform_frames(linear: nn.Linear, frames: Sequence[ObjectFeatures]) -> list[ObjectFeatures]:
    """:func:`transform` of the objects of several frames at once."""
    feats: Tensor = linear(torch.cat([frame.feats for frame in frames])).relu()
    return split(feats, frames)


def best(frames: Sequence[ObjectFeatures], topk: int) -> list[ObjectFeatures]:
    """The best objects of every frame."""
    return [frame.top(topk) for frame in frames]


def split(feats: Tensor, frames: Sequence[ObjectFeatures]) -> list[ObjectFeatures]:
    """The objects of every frame with other embeddings, which are (N, C) for all of them."""
    parts = feats.split([len(frame) for frame in frames])
    return [frame.with_feats(part) for frame, part in zip(frames, parts, strict=True)]
