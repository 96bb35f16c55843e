"""Pixel memory in front of a detection head (OGEMN, ICCV 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.model import ModuleList
from mmengine.structures import InstanceData
from torch import Tensor

from mmvod_plugins.models.layers import MemoryRead
from mmvod_plugins.models.layers.padding import padded_as, without_padding
from mmvod_plugins.models.memories import Detections, ObjectGuidedMemory, WriteRule
from mmvod_plugins.models.temporal_part import NeckStep, Needs
from mmvod_plugins.structures import FrameRecord, Maps, References

from .temporal_neck import TemporalNeck


@MODELS.register_module()
class OGEMNNeck(TemporalNeck):
    """Enhances feature maps by an external memory of features of detected objects, online.

    A stream reads its memory in every frame (eqs. 1 to 6) and writes the features of detected
    objects, of the *enhanced* map, after the detection (eqs. 7 and 8). References are not looked
    at: maps may have any size, frames of several scales share the memory, and an empty one leaves
    them as they are, bit for bit.

    In training there is no memory and no write: all locations of all frames in the role
    ``memory``, the earlier frames of a sample, are its rows, as the detector's own maps have them.

    Args:
        in_channels: Channels of the maps; one for each of ``levels``, or the same for all.
        levels: Levels with a memory each, as indices of the tuple of maps; others stay. Several
            indices together, ``((0, 1), )``, are slices of one map: joined along their channels
            they share a memory.
        strides: Pixels per cell, one for each of ``levels``, or the same for all.
        num_heads: N of every read.
        embed_channels: Width of the embedding of each head.
        temperature: Initial lambda.
        alike: Whether keys start as the queries do, see
            :class:`~mmvod_plugins.models.layers.MemoryRead`.
        write_rule: Settings of :class:`~mmvod_plugins.models.memories.WriteRule`; the paper's by
            default.
        detach: Whether training frames in the role ``memory`` get no gradient. The paper does not
            say; they get one by default.
        init_cfg: Initial weights; those of the paper by default.

    Raises:
        ValueError: If a level is named twice, numbers do not fit ``levels``, or the rule is
            impossible.
    """

    method = 'OGEMN'

    def __init__(self,  # noqa: PLR0913 - the paper's table of settings
                 in_channels: int | Sequence[int] = 1024,
                 *,
                 levels: Sequence[int | Sequence[int]] = (-1, ),
                 strides: int | Sequence[int] = 16,
                 num_heads: int = 8,
                 embed_channels: int = 32,
                 temperature: float = 1.0,
                 alike: bool = False,
                 write_rule: dict[str, Any] | None = None,
                 detach: bool = False,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.groups = tuple((level, ) if isinstance(level, int) else tuple(level)
                            for level in levels)
        indices = [index for group in self.groups for index in group]
        if not all(self.groups) or not indices or len(set(indices)) < len(indices):
            raise ValueError(f'temporal_neck.levels is {levels}, expected one index or more, each '
                             'once')
        self.strides = self._per_level('strides', strides)
        self.rule = WriteRule(**(write_rule or {}))
        memory = frozenset({'memory'})
        self.needs = Needs(roles=memory, detached_roles=memory if detach else frozenset(),
                           of_key=frozenset({'maps', 'detections'}), levels=tuple(indices))
        self.reads = ModuleList(
            MemoryRead(channels, num_heads, embed_channels, temperature, alike=alike)
            for channels in self._per_level('in_channels', in_channels))

    def init_memory(self) -> list[ObjectGuidedMemory]:
        """An empty memory for each of the levels."""
        return [ObjectGuidedMemory(self.rule) for _ in self.groups]

    def encode(self, record: FrameRecord, image: Tensor | None) -> dict[str, Any]:
        """Validate the maps; this neck keeps nothing else of a frame.

        Raises:
            ValueError: If a level is not there, is named twice, or has other channels.
        """
        if record.maps is not None:
            self._check_maps(record.maps)
        return {}

    def enhance(self, key: FrameRecord, references: References,
                memory: list[ObjectGuidedMemory] | None) -> NeckStep:
        """Read the memory.

        Args:
            key: Record of the key frame.
            references: In training, the frames in the role ``memory``.
            memory: Of the stream, or None while training.
        """
        maps, steps = list(key.maps), []
        for i, (group, read) in enumerate(zip(self.groups, self.reads, strict=True)):
            feats, grid = self.cells(key, i)
            if memory is None:
                blocks = [self.cells(record, i)[0] for record in references.get('memory', [])]
                found = read(feats, blocks)
            else:
                found = read(feats, memory[i].read(), memory[i].sizes)
            steps.append(_Read(key.frame_id, found.feats, grid, found.attention))
            if found.feats is feats:
                continue
            parts = found.feats.T.unflatten(1, grid)[None].split(
                [key.maps[index].shape[1] for index in group], dim=1)
            for index, part in zip(group, parts, strict=True):
                maps[index] = padded_as(part, key.maps[index])
        return NeckStep(tuple(maps), to_memory=steps)

    def cells(self, record: FrameRecord, level: int) -> tuple[Tensor, tuple[int, int]]:
        """What a read gets of a frame.

        Args:
            record: The frame, with maps.
            level: Which of the levels with a memory, from 0.

        Returns:
            Features (n, C) of all cells of the level, joined, without padding; H and W.
        """
        maps = without_padding(tuple(record.maps[index] for index in self.groups[level]),
                               record.sample.metainfo)
        joined = maps[0] if len(maps) == 1 else torch.cat(maps, dim=1)
        return joined[0].flatten(1).T, tuple(joined.shape[2:])

    def write(self, memory: list[ObjectGuidedMemory], step: NeckStep,
              found: InstanceData) -> None:
        """Remember the objects that were found, at every level."""
        detections = Detections(found.bboxes, found.scores, found.labels)
        for part, read, stride in zip(memory, step.to_memory, self.strides, strict=True):
            part.write(read.frame_id, read.feats, read.grid, stride, read.attention, detections)

    def _check_maps(self, maps: Maps) -> None:
        """Refuse maps that ``levels`` or ``in_channels`` do not fit."""
        count, indices = len(maps), self.needs.levels
        if any(not -count <= index < count for index in indices):
            raise ValueError(f'temporal_neck.levels is {self.groups}, but the detector has '
                             f'{count} maps: expected indices from {-count} to {count - 1}')
        if len({index % count for index in indices}) < len(indices):
            raise ValueError(f'temporal_neck.levels is {self.groups}, which names the same of '
                             f'the {count} maps of the detector twice: name each level once')
        sizes = [{tuple(maps[index].shape[2:]) for index in group} for group in self.groups]
        if any(len(group) > 1 for group in sizes):
            raise ValueError(f'temporal_neck.levels is {self.groups}, but maps that share a '
                             f'memory have several sizes, {sizes}: join maps of one stride')
        expected = [read.channels for read in self.reads]
        found = [sum(maps[index].shape[1] for index in group) for group in self.groups]
        if found != expected:
            raise ValueError(f'temporal_neck.in_channels is {expected} for the levels '
                             f'{self.groups}, but the maps of the detector have {found} '
                             f'channels: set in_channels={found}')

    def _per_level(self, name: str, value: int | Sequence[int]) -> list[int]:
        values = [value] * len(self.groups) if isinstance(value, int) else list(value)
        if len(values) != len(self.groups):
            raise ValueError(f'temporal_neck.{name} has {len(values)} values for '
                             f'{len(self.groups)} levels: give one for each, or one number')
        return values


@dataclass(frozen=True)
class _Read:
    """A level of a frame as it was read: features (n, C) of its cells, attention (P, n)."""

    frame_id: int
    feats: Tensor
    grid: tuple[int, int]
    attention: Tensor
