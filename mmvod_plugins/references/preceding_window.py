"""Frames well before the key frame, for training a memory."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from mmdet.registry import TASK_UTILS

from .base import ReferencePolicy, Roles, clip, draw_offsets


@TASK_UTILS.register_module()
class PrecedingWindow(ReferencePolicy):
    """Frames around ``max(key - distance, 0)``: they stand in for a memory in training.

    While testing it names no frame: the memory itself supplies the past. MEGA's program draws 3
    frames around ``key - 25`` within 12; its paper draws 2 from ``[key - 37, key - 13]``, which is
    the same window with ``num_samples=2`` where the video is long enough.

    Args:
        distance: Frames from the key frame back to the middle of the window.
        radius: Largest offset from the middle.
        num_samples: Training references.
        role: Name under which the model receives the frames.
    """

    def __init__(self,
                 distance: int = 25,
                 radius: int = 12,
                 *,
                 num_samples: int = 3,
                 role: str = 'memory') -> None:
        super().__init__()
        self.distance = distance
        self.radius = radius
        self.num_samples = num_samples
        self.role = role

    @property
    def draws(self) -> dict[str, int]:
        """Training references of the role."""
        return {self.role: self.num_samples}

    def sample(self, key_id: int, video_length: int, rng: np.random.Generator) -> Roles:
        """Distinct offsets around the middle, clipped to the video."""
        middle = max(key_id - self.distance, 0)
        offsets = draw_offsets(-self.radius, self.radius, self.num_samples, rng)
        return {self.role: [clip(middle + o, video_length) for o in offsets]}

    def frames(self, key_id: int, video_length: int, video_id: Hashable = 0) -> Roles:
        """No frames: the memory stands for them."""
        return {}

    def still_needed(self, frame_id: int, next_key: int, video_id: Hashable = 0) -> bool:
        """Only key frames to come are needed."""
        return frame_id >= next_key
