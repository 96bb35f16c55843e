"""MST before the RPN: alignment and frame level (Xu et al., TCSVT 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import torch
from mmdet.registry import MODELS
from torch import Tensor

from mmvod_plugins.models.layers.dalign import DAlign
from mmvod_plugins.models.layers.flow_warp import Grid, check_grid
from mmvod_plugins.models.layers.frame_attention import FrameAttention
from mmvod_plugins.models.layers.padding import padded_as, without_padding
from mmvod_plugins.models.temporal_part import NeckStep, Needs
from mmvod_plugins.structures import FrameRecord, Maps, References, in_temporal_order
from mmvod_plugins.utils.constants import constant
from mmvod_plugins.utils.forms import frames_at_once

from .flow_guided_neck import find_motion, flow_input, warp
from .temporal_neck import TemporalNeck

#: Which frames of the clip the frame level enhances.
Queries = Literal['all', 'key']
#: Values of maps that DAlign aligns at once on a CPU: fewer take more time on small maps.
PORTION = 2**22


@MODELS.register_module()
class MSTNeck(TemporalNeck):
    """Aligns the frames of a clip with the key frame, then lets all their cells attend to all.

    Both parts can be left out. With DAlign every frame of the clip is aligned, the key frame with
    itself too; flow moves the other frames alone. A temporal head behind this neck sees the
    references as it aligned (and enhanced) them together with the key frame; those in other roles,
    such as MEGA's global frames, as enhanced alone.

    Role: ``local``, the window; a frame that is named several times counts once. Nothing is
    remembered.

    While testing, what depends on one frame alone is computed once per frame: of DAlign what
    :meth:`DAlign.project` gives; without alignment the keys and values of the frame level.

    Args:
        channels: Of every map.
        dalign: Arguments of :class:`DAlign` (``{}`` for its defaults); None for none.
        motion: Config of a flow network (:class:`FlowNetSimple`) that aligns instead; None.
        attention: Arguments of :class:`FrameAttention`; None for no frame level.
        queries: ``'all'``: the frame level enhances all frames of the clip, for a temporal head to
            see; ``'key'``: the key frame alone (table IX).
        frame_stride: The frame level looks at every n-th frame of the clip, counted from the key
            frame; 1 for all, as in the paper.
        levels: Levels of the maps that change, as indices; None for all. They share the weights.
        grid: How flow samples positions, see :func:`flow_warp`.
        init_cfg: Initial weights.

    Raises:
        ValueError: If there is nothing to do, two ways to align, or an option is not known.
    """

    def __init__(self,  # noqa: PLR0913 - two parts that can be left out
                 channels: int,
                 *,
                 dalign: dict[str, Any] | None = None,
                 motion: dict[str, Any] | None = None,
                 attention: dict[str, Any] | None = None,
                 queries: Queries = 'all',
                 frame_stride: int = 1,
                 levels: Sequence[int] | None = None,
                 grid: Grid = 'exact',
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        check_grid(grid)
        if dalign is None and motion is None and attention is None:
            raise ValueError('temporal_neck has neither dalign nor motion nor attention: name one '
                             'of them, or omit the neck')
        if dalign is not None and motion is not None:
            raise ValueError('temporal_neck has both dalign and motion: name one way to align')
        if queries not in get_args(Queries) or frame_stride < 1:
            raise ValueError(f'queries must be one of {get_args(Queries)} and frame_stride at '
                             f'least 1, got {queries!r} and {frame_stride}')
        if levels is not None and (not levels or len(set(levels)) < len(levels)):
            raise ValueError(f'temporal_neck.levels is {tuple(levels)}, expected one index or '
                             'more, each once')
        self.channels = channels
        self.queries = queries
        self.frame_stride = frame_stride
        self.levels = None if levels is None else tuple(levels)
        self.grid = grid
        self.dalign = None if dalign is None else DAlign(channels, **dalign)
        self.motion = None if motion is None else MODELS.build(motion)
        self.attention = None if attention is None else FrameAttention(channels, **attention)

    @property
    def method(self) -> str:
        """The parts that there are."""
        parts = dict(DAlign=self.dalign, flow=self.motion, frames=self.attention)
        names = ', '.join(name for name, part in parts.items() if part is not None)
        return f'MST ({names})'

    @property
    def needs(self) -> Needs:
        """Maps, and images for flow."""
        reads = frozenset({'maps'} if self.motion is None else {'maps', 'image'})
        return Needs(of_key=reads, of_references=reads, levels=self.levels)

    @property
    def aligns(self) -> bool:
        """Whether frames are aligned with the key frame."""
        return self.dalign is not None or self.motion is not None

    @property
    def enhances_references(self) -> bool:
        """Whether references are aligned or enhanced."""
        return self.aligns or self.queries == 'all'

    def encode(self, record: FrameRecord, image: Tensor | None) -> dict[str, Any]:
        """What no other frame changes; in training, where frames may have padding, flow's alone.

        Raises:
            ValueError: If a level is not there or has other channels than ``channels``.
        """
        extras = {} if self.motion is None else flow_input(self.motion, record, image)
        if record.maps is None:
            return extras
        indices = self._indices(record.maps)
        part = self.dalign or (None if self.aligns else self.attention)
        if part is None or self.training:
            return extras
        return extras | {_name(i): part.project(record.maps[i]) for i in indices}

    def enhance(self, key: FrameRecord, references: References, memory: None) -> NeckStep:
        """Align and enhance; the references when somebody asks for them.

        Args:
            key: Record of the key frame.
            references: Records by role.
            memory: None.
        """
        records = {record.frame_id: record for record in in_temporal_order(key, references)}
        clip = {frame_id: _cropped(record) for frame_id, record in records.items()}
        number = key.frame_id
        seen = [record for record in clip.values()
                if record.frame_id == number or self._is_seen(record.frame_id - number)]
        aligned = self.align(clip[number], seen)
        projected = self._project(seen, aligned)
        parts = {record.frame_id: [level[i:i + 1] for level in aligned]
                 for i, record in enumerate(seen)}
        own = self._restored(records[number], self._attend(parts[number], projected))

        def enhanced_references() -> dict[str, list[Maps]]:
            rest = [record for frame_id, record in clip.items() if frame_id not in parts]
            levels = self.align(clip[number], rest) if rest else []
            late = {record.frame_id: [level[i:i + 1] for level in levels]
                    for i, record in enumerate(rest)}
            maps = {number: own}
            others = {t: part for t, part in {**parts, **late}.items() if t != number}
            if others:
                levels = [torch.cat(level) for level in zip(*others.values(), strict=True)]
                if self.queries == 'all':
                    levels = self._attend(levels, projected)
                maps.update({t: self._restored(records[t], [level[i:i + 1] for level in levels])
                             for i, t in enumerate(others)})
            return {role: [maps[record.frame_id] for record in frames]
                    for role, frames in references.items()}

        return NeckStep(own, references=enhanced_references if self.enhances_references else None)

    def _is_seen(self, distance: int) -> bool:
        """Whether the frame level looks at a frame so many frames from the key frame."""
        return self.attention is not None and distance % self.frame_stride == 0

    def align(self, key: FrameRecord, frames: Sequence[FrameRecord]) -> list[Tensor]:
        """Maps (N, C, H, W) of frames, aligned with the key frame, for every level that changes."""
        indices = self._indices(key.maps)
        if self.dalign is not None:
            return [self._align_level(key, frames, index) for index in indices]
        stacked = [torch.cat([record.maps[i] for record in frames]) for i in indices]
        moving = [i for i, record in enumerate(frames) if record.frame_id != key.frame_id]
        if self.motion is None:
            return stacked
        if not moving:  # a share in every parameter: distributed training wants a gradient
            return [maps + 0 * sum(p.sum() for p in self.motion.parameters()) for maps in stacked]
        motion = find_motion(self.motion, key, [frames[i] for i in moving])
        rows = constant(moving, torch.empty(0, dtype=torch.long, device=stacked[0].device))
        return [maps.index_copy(0, rows, warp(maps[rows], motion, self.grid)) for maps in stacked]

    def _align_level(self, key: FrameRecord, frames: Sequence[FrameRecord], index: int) -> Tensor:
        """A level of frames (N, C, H, W), aligned by DAlign."""
        own = key.maps[index]
        known = self.dalign.project_key(own)
        at_once = frames_at_once(own, len(frames), PORTION)
        parts = [frames[i:i + at_once] for i in range(0, len(frames), at_once)]
        return torch.cat([
            self.dalign(own, torch.cat([record.maps[index] for record in part]), known,
                        _known(part, index)) for part in parts])

    def _project(self, frames: Sequence[FrameRecord], aligned: list[Tensor]) -> list[Tensor]:
        """Keys and values of frames for every level that changes; none without a frame level."""
        if self.attention is None:
            return []
        known = [None if self.aligns else _known(frames, i)
                 for i in self._indices(frames[0].maps)]
        return [self.attention.project(maps) if part is None else part
                for maps, part in zip(aligned, known, strict=True)]

    def _attend(self, levels: list[Tensor], projected: list[Tensor]) -> list[Tensor]:
        """Enhance maps (N, C, H, W) of every level that changes."""
        if self.attention is None:
            return levels
        return [self.attention(maps, part) for maps, part in zip(levels, projected, strict=True)]

    def _restored(self, record: FrameRecord, levels: list[Tensor]) -> Maps:
        """All maps of a frame with those that changed, as large as they were."""
        maps = list(record.maps)
        for index, level in zip(self._indices(record.maps), levels, strict=True):
            maps[index] = padded_as(level, maps[index])
        return tuple(maps)

    def _indices(self, maps: Maps) -> list[int]:
        """Levels that change, from 0."""
        count = len(maps)
        levels = range(count) if self.levels is None else self.levels
        indices = [level % count for level in levels if -count <= level < count]
        if len(set(indices)) < len(levels):
            raise ValueError(f'temporal_neck.levels is {self.levels}, but the detector has {count} '
                             f'maps: expected indices from {-count} to {count - 1}, each level '
                             'once')
        for index in indices:
            if maps[index].shape[1] != self.channels:
                raise ValueError(f'temporal_neck.channels is {self.channels}, but the detector '
                                 f'gives maps of {maps[index].shape[1]} channels: make them equal')
        return indices


def _cropped(record: FrameRecord) -> FrameRecord:
    """A frame without its padding, and without what was computed of maps that had it."""
    maps = without_padding(record.maps, record.sample.metainfo)
    if maps is record.maps:
        return record
    names = [_name(level) for level in range(len(maps))]
    extras = {name: value for name, value in record.extras.items() if name not in names}
    return replace(record, maps=maps, extras=extras)


def _name(level: int) -> str:
    """Entry of a record's extras: what is computed of a level once per frame."""
    return f'mst_{level}'


def _known(frames: Sequence[FrameRecord], level: int) -> Tensor | None:
    """What was computed of a level of the frames when they were encoded; None in training."""
    if any(_name(level) not in record.extras for record in frames):
        return None
    return torch.cat([record.extras[_name(level)] for record in frames])
