"""The small steps that relation methods are made of, on objects."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmvod_plugins.models.layers import (
    FrameBoxes,
    KeptRelation,
    RelationModule,
    move_bias,
    name_frames,
    project_frames,
)
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


def relate(relation: RelationModule, objects: ObjectFeatures,
           reference: ObjectFeatures) -> ObjectFeatures:
    """Add what the references say (MEGA, equation 2 without h; RDN, equation 2)."""
    added = relation(objects.feats, reference.feats, objects.boxes, reference.boxes)
    return objects.with_feats(objects.feats + added)


def relate_frames(
    relation: RelationModule, key: ObjectFeatures, frames: Sequence[ObjectFeatures],
    window: Sequence[ObjectFeatures], remembered: Sequence[ObjectFeatures],
    kept: KeptRelation | None
) -> tuple[ObjectFeatures, KeptRelation | None]:
    """:func:`relate` for key objects and those of frames, most of which were there a step before.

    Args:
        relation: A module with locations.
        key: Objects of the key frame; their location bias is new at every step.
        frames: Further objects by frame; their bias is kept while both frames of a pair stay.
        window: Reference objects by frame, with new features at every step.
        remembered: Further ones, which never change; their projections are kept as well.
        kept: What this function kept at the step before.

    Returns:
        The key objects with those of the frames behind, and what to keep for the next step.
    """
    references = [*window, *remembered]
    reference, objects = ObjectFeatures.cat(references), ObjectFeatures.cat([key, *frames])
    if not len(reference) or not len(key):
        return relate(relation, objects, reference), None
    projected, projections = project_frames(
        relation, [frame.feats for frame in window], [frame.feats for frame in remembered],
        kept.projections if kept else [])
    bias = move_bias(relation, _boxes_of(frames), _boxes_of(references),
                     kept.bias if kept else None)
    added = [relation.attend_by_location(key.feats, key.boxes, projected, reference.boxes)]
    if len(objects) > len(key):
        start = len(key)
        for portion in bias.portions(relation.portion(len(reference))):
            stop = start + portion.shape[1]
            added.append(relation.attend(objects.feats[start:stop], projected, portion))
            start = stop
    return objects.with_feats(objects.feats + torch.cat(added)), KeptRelation(bias, projections)


def _boxes_of(frames: Sequence[ObjectFeatures]) -> FrameBoxes:
    return name_frames([int(frame.frame_ids[0]) if len(frame) else -1 for frame in frames],
                       [frame.boxes for frame in frames])


def transform(linear: nn.Linear, objects: ObjectFeatures) -> ObjectFeatures:
    """A linear layer and ReLU: MEGA's h, and what stands between RDN's stages."""
    feats: Tensor = linear(objects.feats).relu()
    return objects.with_feats(feats)


def best(frames: Sequence[ObjectFeatures], topk: int) -> list[ObjectFeatures]:
    """The best objects of every frame."""
    return [frame.top(topk) for frame in frames]


def split(objects: ObjectFeatures, frames: Sequence[ObjectFeatures]) -> list[ObjectFeatures]:
    """Cut objects into frames of the same sizes as others."""
    ends = torch.tensor([len(frame) for frame in frames]).cumsum(0).tolist()
    return [objects[end - len(frame):end] for end, frame in zip(ends, frames, strict=True)]
