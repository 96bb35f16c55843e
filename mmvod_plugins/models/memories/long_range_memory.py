"""Long Range Memory (MEGA, section 3.2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from mmvod_plugins.models.layers import KeptRelation
from mmvod_plugins.structures import ObjectFeatures


class LongRangeMemory:
    """Objects of past frames, one queue for each level of the local stage.

    An entry is what a frame's objects were when the frame left the window; it never changes, and
    the oldest entry leaves when a queue is full. Beside the queues stands what the relations keep
    of the last step, which saves time and changes no result.

    Args:
        num_levels: Queues, one for each relation module of the local stage.
        size: Frames in a queue (the paper's T_m).
    """

    def __init__(self, num_levels: int, size: int = 25) -> None:
        self.size = size
        self._levels: list[deque[ObjectFeatures]] = [
            deque(maxlen=size) for _ in range(num_levels)
        ]
        self._kept: list[KeptRelation | None] = [None] * num_levels

    def __len__(self) -> int:
        """Frames remembered."""
        return len(self._levels[0]) if self._levels else 0

    def read(self, level: int) -> list[ObjectFeatures]:
        """Objects of every remembered frame at a level, oldest frame first."""
        return list(self._levels[level])

    def kept(self, level: int) -> KeptRelation | None:
        """What the relation of a level keeps of the last step, if anything."""
        return self._kept[level]

    def write(self, levels: Sequence[ObjectFeatures],
              kept: Sequence[KeptRelation | None] | None = None) -> None:
        """Remember a frame: its objects at every level, without their graph.

        Args:
            levels: The objects.
            kept: What the relations keep of this step at every level, for the next one.

        Raises:
            ValueError: If the number of levels differs.
        """
        if len(levels) != len(self._levels):
            raise ValueError(f'the memory has {len(self._levels)} levels, got {len(levels)}')
        for queue, objects in zip(self._levels, levels, strict=True):
            queue.append(objects.detach().clone())
        self._kept = list(kept or [None] * len(self._levels))
