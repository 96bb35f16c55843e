"""Spatial-temporal memory in front of a detection head (STMN, ECCV 2018)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.model import ModuleList
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmvod_plugins.models.layers.padding import padded_as, without_padding
from mmvod_plugins.models.layers.recurrent_cell import CellInputs, CellState
from mmvod_plugins.models.layers.recurrent_level import RecurrentLevel
from mmvod_plugins.models.memories import RecurrentMemory
from mmvod_plugins.models.temporal_part import NeckStep, Needs
from mmvod_plugins.references import WINDOW_ROLE
from mmvod_plugins.structures import FrameRecord, Maps, References, in_temporal_order

from .temporal_neck import TemporalNeck

#: Entry of a record's extras: the feature convolutions of a level in a direction.
INPUTS = 'recurrent_inputs_{}_{}'


@MODELS.register_module()
class STMMNeck(TemporalNeck):
    """Sends feature maps through recurrent memories, forward and backward in time.

    As published the memories stand in the place of a convolution with ReLU of the detector, as
    many filters as both memories have channels (``replaces``). In a detector where there is no
    such convolution they are added to the map, after a 1 x 1 convolution that is zero at first: a
    trained detector stays as it is until the neck is trained. Its cells start as those of the
    identity.

    With references the memories start from zero in every window. In one direction and without
    other frames as references the memory of the stream is carried from frame to frame, online.

    Args:
        in_channels: Channels of the maps; one for each of ``levels``, or the same for all.
        channels: Channels of the memory of each direction, likewise.
        levels: Levels that have memories, as indices of the tuple of maps; others stay.
        cell: Config of the cells: ``STMMCell`` or ``ConvGRUCell``, with their options.
        bidirectional: Whether a second cell goes through the window from its end.
        stride: Online: distance, in frames, between a frame and the one whose memory it continues.
        replaces: Name of the convolution, no longer in the detector, in whose place the memories
            stand and whose trained weights start them, such as ``'detector.neck.last_conv.conv'``;
            ``{level}`` stands for a level's index. None: the memories are added to the maps.
        project_once: Whether the convolutions of the features, which know nothing of a window, run
            once per frame while testing and not once per window. Frames then hold their results:
            in both directions three times the maps, where both memories are as wide as these.
        init_cfg: Initial weights.

    Raises:
        ValueError: If ``stride`` is below 1, a level is named twice, or ``in_channels`` and
            ``channels`` do not fit ``levels`` or each other.
    """

    method = 'STMN'

    def __init__(self,  # noqa: PLR0913 - the settings of cells and where they stand
                 in_channels: int | Sequence[int] = 1024,
                 channels: int | Sequence[int] = 512,
                 *,
                 levels: Sequence[int] = (-1, ),
                 cell: dict[str, Any] | None = None,
                 bidirectional: bool = True,
                 stride: int = 1,
                 replaces: str | None = None,
                 project_once: bool = True,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if stride < 1:
            raise ValueError(f'temporal_neck.stride is {stride}, expected 1 or more: the distance, '
                             'in frames, to the frame whose memory is continued')
        if not levels or len(set(levels)) < len(levels):
            raise ValueError(f'temporal_neck.levels is {tuple(levels)}, expected one index or '
                             'more, each once')
        self.indices = tuple(levels)
        self.stride = stride
        self.replaces = replaces
        self.project_once = project_once
        self.levels = ModuleList(
            RecurrentLevel(size, width, cell or dict(type='STMMCell'), bidirectional=bidirectional,
                        residual=replaces is None)
            for size, width in zip(self._per_level('in_channels', in_channels),
                                   self._per_level('channels', channels), strict=True))

    @property
    def needs(self) -> Needs:
        """Windows, and single key frames in a window; the levels that have memories change."""
        return Needs(roles=frozenset({'local', WINDOW_ROLE}), levels=self.indices)

    @property
    def bidirectional(self) -> bool:
        """Whether a second cell goes through a window from its end."""
        return self.levels[0].backward_cell is not None

    def init_memory(self) -> RecurrentMemory | None:
        """The memory of a new video; None in both directions, which need the whole window."""
        return None if self.bidirectional else RecurrentMemory(self.stride)

    def check(self, model: nn.Module) -> None:
        """Refuse to replace a convolution that is still in the detector.

        Raises:
            ValueError: With the name of the convolution.
        """
        modules = {name for name, _ in model.named_modules()}
        for index in self.indices if self.replaces else ():
            name = self.replaces.format(level=index)
            if name in modules:
                raise ValueError(
                    f'temporal_neck.replaces is {self.replaces!r}: expected a detector without it, '
                    f'but found the module {name}, whose trained weights would be thrown away: set '
                    'last_conv=False in detector.neck (as do the base configs of STMN), or omit '
                    '`replaces`, so that the memories are added to the map')

    def encode(self, record: FrameRecord, image: Tensor) -> dict[str, Any]:
        """The convolutions of the features, for frames that stand in several windows.

        Raises:
            ValueError: If a level is not there, is named twice, or has other channels.
        """
        if record.maps is None:
            return {}
        self._check_maps(record.maps)
        if self.training or not (self.project_once and self.bidirectional):
            return {}
        return {INPUTS.format(i, direction): inputs.joined()
                for i, (index, level) in enumerate(zip(self.indices, self.levels, strict=True))
                for direction, inputs in enumerate(level.project(_maps([record], index)))}

    def enhance(self, key: FrameRecord, references: References,
                memory: RecurrentMemory | None) -> NeckStep:
        """Enhance the maps of the key frame.

        Args:
            key: Record of the key frame.
            references: Records by role: the window, over which the recurrence runs anew.
            memory: Online: what was carried to the key frame; only used if no other frame is a
                reference.
        """
        window = in_temporal_order(key, references)
        if memory is not None and len(window) == 1:
            return self._continue(key, memory)
        row = [record.frame_id for record in window].index(key.frame_id)
        maps = list(key.maps)
        for i, (index, level) in enumerate(zip(self.indices, self.levels, strict=True)):
            enhanced = level.enhance(_maps(window, index), row, _inputs(window, i))
            maps[index] = padded_as(enhanced, maps[index])
        return NeckStep(tuple(maps))

    def enhance_windows(self, windows: Sequence[Sequence[FrameRecord]]) -> list[list[NeckStep]]:
        """Enhance every frame; the recurrence runs once, equal windows side by side."""
        groups: dict[Hashable, list[int]] = {}
        for i, window in enumerate(windows):
            shapes = tuple(_maps(window[:1], index).shape for index in self.indices)
            groups.setdefault((len(window), shapes), []).append(i)
        enhanced: dict[int, list[NeckStep]] = {}
        for rows in groups.values():
            enhanced.update(zip(rows, self._enhance_alike([windows[i] for i in rows]),
                                strict=True))
        return [enhanced[i] for i in range(len(windows))]

    def write(self, memory: RecurrentMemory, step: NeckStep, found: InstanceData | None) -> None:
        """Carry the state of the key frame to the next ones."""
        carried: _Carried | None = step.to_memory
        if carried is not None:
            memory.write(carried.frame_id, carried.states)

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
            expected = (conv.shape[0] * (1 + self.bidirectional), *conv.shape[1:])
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

    def _check_maps(self, maps: Maps) -> None:
        """Refuse maps that ``levels`` or ``in_channels`` do not fit."""
        count = len(maps)
        if any(not -count <= index < count for index in self.indices):
            raise ValueError(f'temporal_neck.levels is {self.indices}, but the detector has '
                             f'{count} maps: expected indices from {-count} to {count - 1}')
        if len({index % count for index in self.indices}) < len(self.indices):
            raise ValueError(f'temporal_neck.levels is {self.indices}, which names the same of '
                             f'the {count} maps of the detector twice: name each level once')
        expected = [level.forward_cell.w.in_channels for level in self.levels]
        found = [maps[index].shape[1] for index in self.indices]
        if found != expected:
            raise ValueError(f'temporal_neck.in_channels is {expected} for the levels '
                             f'{self.indices}, but the maps of the detector have {found} '
                             f'channels: set in_channels={found}')

    def _enhance_alike(self, windows: Sequence[Sequence[FrameRecord]]) -> list[list[NeckStep]]:
        """:meth:`enhance_windows` for windows of one length and size."""
        number = len(windows)
        # time first: frames of one step of all windows lie side by side
        frames = [record for step in zip(*windows, strict=True) for record in step]
        enhanced = [list(record.maps) for record in frames]
        for i, (index, level) in enumerate(zip(self.indices, self.levels, strict=True)):
            parts = level(_maps(frames, index), number, _inputs(frames, i)).split(1)
            for maps, part in zip(enhanced, parts, strict=True):
                maps[index] = padded_as(part, maps[index])
        return [[NeckStep(tuple(maps)) for maps in enhanced[i::number]] for i in range(number)]

    def _continue(self, key: FrameRecord, memory: RecurrentMemory) -> NeckStep:
        """One step from the memory of the stream."""
        before = memory.read(key.frame_id) or [None] * len(self.levels)
        maps, states = list(key.maps), []
        for index, level, state in zip(self.indices, self.levels, before, strict=True):
            maps[index], after = level.step(key.maps[index], state)
            states.append(after)
        return NeckStep(tuple(maps), to_memory=_Carried(key.frame_id, states))

    def _per_level(self, name: str, value: int | Sequence[int]) -> list[int]:
        values = [value] * len(self.indices) if isinstance(value, int) else list(value)
        if len(values) != len(self.indices):
            raise ValueError(f'temporal_neck.{name} has {len(values)} values for '
                             f'{len(self.indices)} levels: give one for each, or one number')
        return values


@dataclass(frozen=True)
class _Carried:
    """The states after a frame, one for every level."""

    frame_id: int
    states: list[CellState]


def _maps(window: Sequence[FrameRecord], index: int) -> Tensor:
    """The maps of a level, (T, C, H, W), without what batching with larger frames added.

    Padding would enter the means of the gates.
    """
    return torch.cat([without_padding((record.maps[index], ), record.sample.metainfo)[0]
                      for record in window])


def _inputs(window: Sequence[FrameRecord], level: int) -> list[CellInputs] | None:
    """The feature convolutions of frames at a level, for both directions, if all have them."""
    names = [INPUTS.format(level, direction) for direction in (0, 1)]
    if any(name not in record.extras for record in window for name in names):
        return None
    return [CellInputs.split(torch.cat([record.extras[name] for record in window]))
            for name in names]
