"""Spatial-temporal memory in front of a detection head (STMN, ECCV 2018)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.model import ModuleList
from torch import Tensor
from torch.nn import functional

from mmvod_plugins.models.detector_steps import without_padding
from mmvod_plugins.models.layers.level_memory import LevelMemory
from mmvod_plugins.models.memories import RecurrentMemory
from mmvod_plugins.structures import FrameRecord

from .temporal_neck import EnhancedMaps, Maps, TemporalNeck, in_time


@MODELS.register_module()
class STMMNeck(TemporalNeck):
    """Sends feature maps through recurrent memories, forward and backward in time.

    As published the memories stand in the place of a convolution with ReLU of the detector, as
    many filters as both memories have channels (``replaces``). In a detector where there is no
    such convolution they are added to the map, after a 1 x 1 convolution that is zero at first: a
    trained detector stays as it is until the neck is trained. Its cells start as those of the
    identity.

    With references the memories start from zero in every window. In one direction and without
    references the memory of the stream is carried from frame to frame, online.

    Args:
        in_channels: Channels of the maps; one for each of ``levels``, or the same for all.
        channels: Channels of the memory of each direction, likewise.
        levels: Levels that have memories, as indices of the tuple of maps; others stay.
        cell: Config of the cells: ``STMMCell`` or ``ConvGRUCell``, with their options.
        bidirectional: Whether a second cell goes through the window from its end.
        stride: Online: frames from a frame to the one whose memory it goes on from.
        replaces: Name of the convolution, no longer in the detector, in whose place the memories
            stand and whose trained weights start them, such as ``'detector.neck.last_conv.conv'``;
            ``{level}`` stands for a level's index. None: the memories are added to the maps.
        init_cfg: Initial weights.

    Raises:
        ValueError: If ``stride`` is below 1, a level is named twice, or ``in_channels`` and
            ``channels`` do not fit ``levels`` or each other.
    """

    def __init__(self,
                 in_channels: int | Sequence[int] = 1024,
                 channels: int | Sequence[int] = 512,
                 *,
                 levels: Sequence[int] = (-1, ),
                 cell: dict[str, Any] | None = None,
                 bidirectional: bool = True,
                 stride: int = 1,
                 replaces: str | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if stride < 1:
            raise ValueError(f'temporal_neck.stride is {stride}, expected 1 or more: frames from a '
                             'frame to the one whose memory it goes on from')
        if not levels or len(set(levels)) < len(levels):
            raise ValueError(f'temporal_neck.levels is {tuple(levels)}, expected one index or '
                             'more, each once')
        self.indices = tuple(levels)
        self.stride = stride
        self.replaces = replaces
        self.levels = ModuleList(
            LevelMemory(size, width, cell or dict(type='STMMCell'), bidirectional=bidirectional,
                        residual=replaces is None)
            for size, width in zip(self._per_level('in_channels', in_channels),
                                   self._per_level('channels', channels), strict=True))

    @property
    def causal(self) -> bool:
        """Whether it looks at no frame after the key frame."""
        return self.levels[0].backward_cell is None

    def init_memory(self) -> RecurrentMemory | None:
        """The memory of a new video; in both directions there is none."""
        return RecurrentMemory(self.stride) if self.causal else None

    def encode(self, image: Tensor, sample: DetDataSample, feats: Maps | None) -> dict[str, Any]:
        """Nothing; refuse maps that the settings do not fit.

        Raises:
            ValueError: If a level is not there, is named twice, or has other channels.
        """
        if feats is not None:
            self._check(feats)
        return {}

    def forward(self, key: FrameRecord, references: dict[str, list[FrameRecord]],
                memory: RecurrentMemory | None) -> EnhancedMaps:
        """Enhance the maps of the key frame.

        Args:
            key: Record of the key frame.
            references: Records by role: the window, from which the memories are made anew.
            memory: Online: what was carried to the key frame; only used without references.
        """
        if memory is not None and not any(references.values()):
            return self._go_on(key, memory)
        window = in_time(key, references)
        row = [record.frame_id for record in window].index(key.frame_id)
        feats = list(key.feats)
        for index, level in zip(self.indices, self.levels, strict=True):
            feats[index] = _padded(level.enhance(_maps(window, index), row), feats[index])
        return EnhancedMaps(tuple(feats))

    def leaves_first_map(self, num_levels: int) -> bool:
        """Whether no memory stands at the first map."""
        return all(index % num_levels for index in self.indices)

    def enhance_all(self, windows: Sequence[Sequence[FrameRecord]]) -> list[list[Maps]]:
        """Enhanced maps of every frame; the recurrence runs once, equal windows side by side."""
        groups: dict[Hashable, list[int]] = {}
        for i, window in enumerate(windows):
            shapes = tuple(_maps(window[:1], index).shape for index in self.indices)
            groups.setdefault((len(window), shapes), []).append(i)
        enhanced: dict[int, list[Maps]] = {}
        for rows in groups.values():
            enhanced.update(zip(rows, self._enhance([windows[i] for i in rows]), strict=True))
        return [enhanced[i] for i in range(len(windows))]

    def write(self, memory: RecurrentMemory | None, enhanced: EnhancedMaps,
              detections: DetDataSample) -> None:
        """Carry the state of the key frame on to the next ones; online alone."""
        if enhanced.to_memory is not None:
            memory.write(*enhanced.to_memory)

    def from_detector(self, weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], set[str]]:
        """Let the convolution that the memories replace start their cells.

        Args:
            weights: Of a trained detector without temporal neck.

        Returns:
            Weights of this neck, and the names of the detector's weights that it replaces.

        Raises:
            ValueError: If the convolution is missing or has another shape.
        """
        found: dict[str, Tensor] = {}
        replaced: set[str] = set()
        for i, index in enumerate(self.indices if self.replaces else ()):
            name = self.replaces.format(level=index)
            weight = weights.get(f'{name}.weight')
            conv = self.levels[i].forward_cell.w.weight
            expected = (conv.shape[0] * (1 + (not self.causal)), *conv.shape[1:])
            if weight is None or tuple(weight.shape) != expected:
                raise ValueError(
                    f'temporal_neck.replaces is {self.replaces!r}: expected {name}.weight of shape '
                    f'{expected} in the checkpoint, got '
                    f'{"nothing" if weight is None else tuple(weight.shape)}: use the checkpoint '
                    'of the static detector of the same config')
            bias = weights.get(f'{name}.bias', weight.new_zeros(len(weight)))
            parts = self.levels[i].from_convolution(weight, bias)
            found.update({f'levels.{i}.{key}': value for key, value in parts.items()})
            replaced |= {f'{name}.weight', f'{name}.bias'} & weights.keys()
        return found, replaced

    def _check(self, feats: Maps) -> None:
        """Refuse maps that ``levels`` or ``in_channels`` do not fit."""
        count = len(feats)
        if any(not -count <= index < count for index in self.indices):
            raise ValueError(f'temporal_neck.levels is {self.indices}, but the detector has '
                             f'{count} maps: expected indices from {-count} to {count - 1}')
        if len({index % count for index in self.indices}) < len(self.indices):
            raise ValueError(f'temporal_neck.levels is {self.indices}, which names the same of '
                             f'the {count} maps of the detector twice: name each level once')
        expected = [level.forward_cell.w.in_channels for level in self.levels]
        found = [feats[index].shape[1] for index in self.indices]
        if found != expected:
            raise ValueError(f'temporal_neck.in_channels is {expected} for the levels '
                             f'{self.indices}, but the maps of the detector have {found} '
                             f'channels: set in_channels={found}')

    def _enhance(self, windows: Sequence[Sequence[FrameRecord]]) -> list[list[Maps]]:
        """:meth:`enhance_all` of windows of one length and size."""
        number = len(windows)
        frames = [record for step in zip(*windows, strict=True) for record in step]
        maps = [list(record.feats) for record in frames]
        for index, level in zip(self.indices, self.levels, strict=True):
            parts = level(_maps(frames, index), number).split(1)
            for feats, part in zip(maps, parts, strict=True):
                feats[index] = _padded(part, feats[index])
        return [[tuple(feats) for feats in maps[i::number]] for i in range(number)]

    def _go_on(self, key: FrameRecord, memory: RecurrentMemory) -> EnhancedMaps:
        """One step from the memory of the stream."""
        before = memory.read(key.frame_id) or [None] * len(self.levels)
        feats, states = list(key.feats), []
        for index, level, state in zip(self.indices, self.levels, before, strict=True):
            feats[index], after = level.go_on(key.feats[index], state)
            states.append(after)
        return EnhancedMaps(tuple(feats), to_memory=(key.frame_id, states))

    def _per_level(self, name: str, value: int | Sequence[int]) -> list[int]:
        values = [value] * len(self.indices) if isinstance(value, int) else list(value)
        if len(values) != len(self.indices):
            raise ValueError(f'temporal_neck.{name} has {len(values)} values for '
                             f'{len(self.indices)} levels: give one for each, or one number')
        return values


def _maps(window: Sequence[FrameRecord], index: int) -> Tensor:
    """The maps of a level, (T, C, H, W), without what batching with larger frames added.

    Padding would enter the means of the gates.
    """
    return torch.cat([without_padding((record.feats[index], ), record.sample.metainfo)[0]
                      for record in window])


def _padded(part: Tensor, whole: Tensor) -> Tensor:
    """A map with zeros where the batch has padding, as large as ``whole``."""
    height, width = (whole.shape[i] - part.shape[i] for i in (2, 3))
    return part if height == width == 0 else functional.pad(part, (0, width, 0, height))
