"""Whole key frames, which a memory remembers, and small frames in between."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from mmdet.registry import TASK_UTILS

from mmvod_plugins.structures.frame_place import FramePlace, FramePlan

from .base import ReferencePolicy, Roles


@TASK_UTILS.register_module()
class ScaledKeyFrames(ReferencePolicy):
    """Frames 0, ``interval``, ... at full size are remembered; others are small and only read.

    Section 3.3 of OGEMN, whose key frames they are; in this package the key frame is the one that
    is detected. Beside :class:`TrainTestReferences`, as the policy of testing. Online.

    Args:
        interval: Frames from one at full size to the next.
        scale: Factor of the sides of all other frames, in (0, 1].
        role: Role of the memory, for which there are no frames while testing.

    Raises:
        ValueError: If the interval is below 1 or the scale outside (0, 1].
    """

    def __init__(self, interval: int = 5, scale: float = 0.5, *, role: str = 'memory') -> None:
        super().__init__()
        if interval < 1 or not 0 < scale <= 1:
            raise ValueError('interval must be at least 1 and scale in (0, 1], got '
                             f'interval={interval}, scale={scale}')
        self.interval = interval
        self.scale = scale
        self.role = role

    @property
    def draws(self) -> dict[str, int]:
        """No training references."""
        return {self.role: 0}

    def sample(self, key_id: int, video_length: int, rng: np.random.Generator) -> Roles:
        """No frames."""
        return {}

    def frames(self, key_id: int, video_length: int, video_id: Hashable = 0) -> Roles:
        """No frames: the memory stands for them."""
        return {}

    def still_needed(self, frame_id: int, next_key: int, video_id: Hashable = 0) -> bool:
        """Only key frames to come are needed."""
        return frame_id >= next_key

    def plan(self, place: FramePlace) -> FramePlan:
        """One frame in ``interval`` whole and remembered."""
        whole = place.frame_id % self.interval == 0
        return FramePlan(scale=1.0 if whole else self.scale, memorize=whole)
