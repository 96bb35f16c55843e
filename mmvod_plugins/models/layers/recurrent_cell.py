"""Base class of recurrent cells over feature maps."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from .match_trans import MatchTrans, transform_memory


@dataclass
class CellState:
    """State of a cell after a frame.

    Attributes:
        feat: Feature map of the frame, (N, C, H, W) for N clips.
        memory: (N, M, H, W).
    """

    feat: Tensor
    memory: Tensor

    def detached_copy(self) -> CellState:
        """A copy without its graph, which shares nothing."""
        return CellState(self.feat.detach().clone(), self.memory.detach().clone())


@dataclass
class CellInputs:
    """The feature convolutions of some frames, (T N, M, H, W) each.

    Attributes:
        update: ``W_z * F_t``.
        reset: ``W_r * F_t``.
        candidate: ``W * F_t``.
    """

    update: Tensor
    reset: Tensor
    candidate: Tensor

    def __getitem__(self, frames: slice) -> CellInputs:
        """Slice along time."""
        return self.map(lambda part: part[frames])

    def map(self, function: Callable[[Tensor], Tensor]) -> CellInputs:
        """The results of a function of each."""
        return CellInputs(*map(function, vars(self).values()))

    def joined(self) -> Tensor:
        """One tensor (T N, 3 M, H, W)."""
        return torch.cat([self.update, self.reset, self.candidate], dim=1)

    @staticmethod
    def split(joined: Tensor) -> CellInputs:
        """The inverse of :meth:`joined`."""
        return CellInputs(*joined.chunk(3, dim=1))


class RecurrentCell(BaseModule, metaclass=ABCMeta):
    """A gated memory map that goes from frame to frame (STMN, equations 1 to 4).

    Convolutions are 3 x 3; those of the features have a bias, those of the memory have none.
    They start as torch's convolutions do by default (as did Torch 7's).

    Args:
        in_channels: C of the feature maps.
        channels: M of the memory.
        alignment: Arguments of :class:`MatchTrans`, which moves the memory to the current frame;
            None leaves it where it is.
        init_cfg: Initial weights.
    """

    def __init__(self, in_channels: int, channels: int, alignment: dict[str, Any] | None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.alignment = None if alignment is None else MatchTrans(**alignment)
        for name in ('w_z', 'w_r', 'w'):
            self.add_module(name, nn.Conv2d(in_channels, channels, 3, padding=1))
        for name in ('u_z', 'u_r', 'u'):
            self.add_module(name, nn.Conv2d(channels, channels, 3, padding=1, bias=False))

    def forward(self, feats: Tensor, state: CellState | None = None,
                num_clips: int = 1, inputs: CellInputs | None = None) -> list[CellState]:
        """Go through the frames of a sequence, or of several of the same length side by side.

        What knows nothing of the memory, the convolutions of the features and the coefficients of
        the alignment, is computed of all of them at once.

        Args:
            feats: (T N, C, H, W), in the order of the recurrence, time first.
            state: What was remembered before the first of them; None: nothing, a memory of zeros.
            num_clips: N.
            inputs: What :meth:`project` gave for the frames; None: it is computed.

        Returns:
            The state after every frame.
        """
        inputs = self.project(feats) if inputs is None else inputs
        memory = torch.zeros_like(inputs.candidate[:num_clips]) if state is None else state.memory
        moves = self._moves(feats, state, num_clips)
        states: list[CellState] = []
        for start, move in zip(range(0, len(feats), num_clips), moves, strict=True):
            rows = slice(start, start + num_clips)
            memory = memory if move is None else transform_memory(move, memory)
            memory = self.step(inputs[rows], memory)
            states.append(CellState(feats[rows], memory))
        return states

    def project(self, feats: Tensor) -> CellInputs:
        """The feature convolutions of some frames, (T N, C, H, W)."""
        return CellInputs(self.w_z(feats), self.w_r(feats), self.w(feats))

    def _moves(self, feats: Tensor, state: CellState | None,
               num_clips: int) -> list[Tensor | None]:
        """The coefficients that move a memory to each frame; None: it stays where it is.

        A memory of zeros, before the first frame, does.
        """
        count = len(feats) // num_clips
        if self.alignment is None:
            return [None] * count
        if state is not None:
            before = torch.cat([state.feat, feats[:-num_clips]])
            return [*self.alignment.coefficients(feats, before).split(num_clips)]
        if count <= 1:
            return [None] * count
        found = self.alignment.coefficients(feats[num_clips:], feats[:-num_clips])
        return [None, *found.split(num_clips)]

    def step(self, inputs: CellInputs, memory: Tensor) -> Tensor:
        """Equations 3 and 4.

        Args:
            inputs: Of one frame of each clip.
            memory: The aligned memory, (N, M, H, W).

        Returns:
            The new memory, (N, M, H, W).
        """
        update, reset = self.gates(inputs, memory)
        candidate = self.squash(inputs.candidate + self.u(memory * reset))
        # (1 - update) memory + update candidate, in one pass; it wants one type of numbers
        return torch.lerp(memory, candidate.to(memory.dtype), update.to(memory.dtype))

    def gates(self, inputs: CellInputs, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Equations 1 and 2: ``z`` and ``r``, (N, M, H, W) each."""
        # maps do not mix: both gates are squashed in one pass
        both = torch.cat([inputs.update + self.u_z(memory), inputs.reset + self.u_r(memory)])
        update, reset = self.squash_gate(both).chunk(2)
        return update, reset

    @abstractmethod
    def squash_gate(self, x: Tensor) -> Tensor:
        """The nonlinearity of the gates, into [0, 1], of every map on its own."""

    @abstractmethod
    def squash(self, x: Tensor) -> Tensor:
        """The nonlinearity of the candidate."""

    def from_convolution(self, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
        """Weights that a replaced convolution gives the cell: none.

        Args:
            weight: (M, C, 3, 3).
            bias: (M,).
        """
        return {}
