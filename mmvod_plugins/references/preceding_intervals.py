"""Earlier frames of a training sample, each a bounded interval before the next."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from mmdet.registry import TASK_UTILS

from .base import ReferencePolicy, Roles, clip


@TASK_UTILS.register_module()
class PrecedingIntervals(ReferencePolicy):
    """Frames before the key frame, at most ``max_interval`` from each to the next (OGEMN).

    OGEMN trains on 4 frames of one video with "a maximum frame interval" of 20, which is read as
    the distance of neighbours in the sample: they reach back by 60 frames at most. Intervals are
    drawn alike from 1 on; where the video begins its first frame stands in. While testing there
    are no references: a memory supplies the past, online.

    Args:
        num_samples: Training references, the frames of a sample without the key frame.
        max_interval: Largest distance between neighbours, in frames.
        role: Name under which the model receives the frames.

    Raises:
        ValueError: If a number is below 1.
    """

    def __init__(self, num_samples: int = 3, max_interval: int = 20, *,
                 role: str = 'memory') -> None:
        super().__init__()
        if num_samples < 1 or max_interval < 1:
            raise ValueError('num_samples and max_interval must be at least 1, got '
                             f'num_samples={num_samples}, max_interval={max_interval}')
        self.num_samples = num_samples
        self.max_interval = max_interval
        self.role = role

    @property
    def draws(self) -> dict[str, int]:
        """Training references of the role."""
        return {self.role: self.num_samples}

    def sample(self, key_id: int, video_length: int, rng: np.random.Generator) -> Roles:
        """Frames before the key frame, the earliest first."""
        steps = rng.integers(1, self.max_interval + 1, self.num_samples).cumsum()
        return {self.role: [clip(key_id - int(step), video_length) for step in steps[::-1]]}

    def frames(self, key_id: int, video_length: int, video_id: Hashable = 0) -> Roles:
        """No frames: the memory stands for them."""
        return {}

    def still_needed(self, frame_id: int, next_key: int, video_id: Hashable = 0) -> bool:
        """Only key frames to come are needed."""
        return frame_id >= next_key
