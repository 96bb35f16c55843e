"""The memories of one level of a feature pyramid, in one or both directions (STMN)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from .recurrent_cell import CellInputs, CellState, RecurrentCell


class RecurrentLevel(BaseModule):
    """Turns the maps of a clip into memories: forward channels first, then backward ones.

    Args:
        in_channels: C of the feature maps.
        channels: M of the memory of each direction.
        cell: Config of a :class:`RecurrentCell` without ``in_channels`` and ``channels``.
        bidirectional: Whether a second cell goes through the clip from its end.
        residual: Whether the memories are reduced to C channels by a 1 x 1 convolution that is
            zero at first, and added to the map; otherwise they stand in its place. The cells then
            start as though the convolution that they replace were the identity: from the first
            step on the reduction has something to learn from.

    Raises:
        ValueError: If the memories stand in the place of a map with another number of channels.
    """

    def __init__(self, in_channels: int, channels: int, cell: dict[str, Any], *,
                 bidirectional: bool, residual: bool) -> None:
        super().__init__()
        settings = dict(cell, in_channels=in_channels, channels=channels)
        self.forward_cell: RecurrentCell = MODELS.build(settings)
        self.backward_cell: RecurrentCell | None = MODELS.build(settings) if bidirectional else None
        out_channels = channels * (1 + bidirectional)
        if not residual and out_channels != in_channels:
            raise ValueError(
                f'the memories have {out_channels} channels in all, but stand in the place of a '
                f'map of {in_channels}: set channels to {in_channels // (1 + bidirectional)}, or '
                'omit `replaces`, so that they are added to the map')
        self.reduction = nn.Conv2d(out_channels, in_channels, 1) if residual else None
        if residual:
            nn.init.zeros_(self.reduction.weight)
            nn.init.zeros_(self.reduction.bias)
            identity = torch.zeros(out_channels, in_channels, 3, 3)
            rows = torch.arange(out_channels)
            identity[rows, rows % in_channels, 1, 1] = 1
            weights = self.from_convolution(identity, torch.zeros(out_channels))
            self.load_state_dict(weights, strict=False)

    @property
    def cells(self) -> list[RecurrentCell]:
        """The cell of each direction."""
        return [cell for cell in (self.forward_cell, self.backward_cell) if cell is not None]

    def project(self, feats: Tensor) -> list[CellInputs]:
        """The feature convolutions of frames (T N, C, H, W) for each direction."""
        return [cell.project(feats) for cell in self.cells]

    def forward(self, feats: Tensor, num_clips: int = 1,
                inputs: Sequence[CellInputs] | None = None) -> Tensor:
        """Enhanced maps of all frames of a clip, or of several side by side.

        Args:
            feats: (T N, C, H, W), in order of time, time first.
            num_clips: N.
            inputs: What :meth:`project` gave for them; None: it is computed.

        Returns:
            (T N, C, H, W).
        """
        inputs = self.project(feats) if inputs is None else inputs
        parts = [_memories(self.forward_cell(feats, None, num_clips, inputs[0]))]
        if self.backward_cell is not None:
            backward = self.backward_cell(_reverse(feats, num_clips), None, num_clips,
                                          inputs[1].map(lambda part: _reverse(part, num_clips)))
            parts.append(_memories(backward[::-1]))
        return self._combine(feats, torch.cat(parts, dim=1))

    def enhance(self, feats: Tensor, row: int,
                inputs: Sequence[CellInputs] | None = None) -> Tensor:
        """The enhanced map (1, C, H, W) of one frame of a clip.

        As in :meth:`forward`, without the steps that do not lead to the frame.
        """
        before, after = slice(row + 1), slice(row, None)
        given = inputs[0][before] if inputs else None
        parts = [self.forward_cell(feats[before], inputs=given)[-1].memory]
        if self.backward_cell is not None:
            given = inputs[1][after].map(lambda part: part.flip(0)) if inputs else None
            parts.append(self.backward_cell(feats[after].flip(0), inputs=given)[-1].memory)
        return self._combine(feats[row:row + 1], torch.cat(parts, dim=1))

    def step(self, feat: Tensor, state: CellState | None) -> tuple[Tensor, CellState]:
        """The enhanced map (1, C, H, W) of the next frame of a stream, and the state after it.

        Args:
            feat: (1, C, H, W).
            state: That of the frame before, None if there is none.
        """
        state = self.forward_cell(feat, state)[-1]
        return self._combine(feat, state.memory), state

    def from_convolution(self, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
        """Weights that a replaced convolution gives: the first filters to the forward cell.

        Args:
            weight: (D M, C, 3, 3), for D directions.
            bias: (D M,).
        """
        cells = {'forward_cell': self.forward_cell, 'backward_cell': self.backward_cell}
        channels = self.forward_cell.w.out_channels
        found = {}
        for i, (name, cell) in enumerate(cells.items()):
            rows = slice(i * channels, (i + 1) * channels)
            parts = {} if cell is None else cell.from_convolution(weight[rows], bias[rows])
            found.update({f'{name}.{key}': value for key, value in parts.items()})
        return found

    def _combine(self, feats: Tensor, memories: Tensor) -> Tensor:
        return memories if self.reduction is None else feats + self.reduction(memories)


def _memories(states: list[CellState]) -> Tensor:
    return torch.cat([state.memory for state in states])


def _reverse(feats: Tensor, num_clips: int) -> Tensor:
    """Frames (T N, C, H, W), the last ones first."""
    return feats.unflatten(0, (-1, num_clips)).flip(0).flatten(0, 1)
