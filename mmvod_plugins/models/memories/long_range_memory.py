"""Long Range Memory (MEGA, section 3.2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from mmvod_plugins.structures import ObjectFeatures

from .kept_projections import KeptProjections


class LongRangeMemory:
    """Objects of past frames, one queue for each level of the local stage.

    An entry is what a frame's objects were when the frame left the window; it never changes, and
    the oldest entry leaves when a queue is full.

    Args:
        num_levels: Queues, one for each relation module of the local stage.
        size: Frames in a queue (the paper's T_m).

    Attributes:
        kept: Keys, values and location biases of frames that stay; they only save time.
    """

    def __init__(self, num_levels: int, size: int = 25) -> None:
        self.size = size
        self.kept = KeptProjections()
        self._levels: list[deque[ObjectFeatures]] = [
            deque(maxlen=size) for _ in range(num_levels)
        ]

    def __len__(self) -> int:
        """Frames remembered."""
        return len(self._levels[0]) if self._levels else 0

    def read(self, level: int) -> list[ObjectFeatures]:
        """Objects of every remembered frame at a level, oldest frame first."""
        return list(self._levels[level])

    def write(self, levels: Sequence[ObjectFeatures]) -> None:
        """Remember a frame: its objects at every level, without their graph.

        Raises:
            ValueError: If the number of levels differs.
        """
        if len(levels) != len(self._levels):
            raise ValueError(f'the memory has {len(self._levels)} levels, got {len(levels)}')
        for queue, objects in zip(self._levels, levels, strict=True):
            queue.append(objects.detach().clone())
