"""The state of a recurrent temporal neck, carried through a stream (STMN)."""

from __future__ import annotations

from collections.abc import Sequence

from mmvod_plugins.models.layers import CellState


class RecurrentMemory:
    """States of the recurrent cells of every level for one video.

    With a ``stride`` the video is as many interleaved sequences, each with a state of its own, so
    that a cell meets the distance between frames that it was trained with.

    Args:
        stride: Distance, in frames, between a frame and the one whose state it continues.
    """

    def __init__(self, stride: int = 1) -> None:
        self.stride = stride
        self._states: dict[int, list[CellState]] = {}

    def read(self, frame_id: int) -> list[CellState] | None:
        """The states that a frame continues, one per level; None at the start of a sequence."""
        return self._states.get(frame_id % self.stride)

    def write(self, frame_id: int, states: Sequence[CellState]) -> None:
        """Replace the state of a frame's sequence by copies of these, one for each level."""
        self._states[frame_id % self.stride] = [state.detached_copy() for state in states]
