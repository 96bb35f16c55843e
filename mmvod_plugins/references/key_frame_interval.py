"""One frame in so many passes the backbone."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from mmdet.registry import TASK_UTILS

from mmvod_plugins.structures.frame_place import FramePlace, FramePlan

from .base import ReferencePolicy, Roles, clip


@TASK_UTILS.register_module()
class KeyFrameInterval(ReferencePolicy):
    """Frames 0, ``interval``, 2 ``interval``, ... pass the backbone, each serves those after it.

    These are the key frames of Deep Feature Flow; in this package the key frame is the one that is
    detected. All other frames give their image alone, unless another policy beside this one
    (:class:`ComposedReferences`) asks for more. Looks back only, so it serves live streams.

    Args:
        interval: Frames from one to the next that passes the backbone.
        sample_range: First and last offset from the key frame of the one training reference:
            (-9, 0) in mega.pytorch, (-9, 9) in MMTracking.
        sample_key: Whether 0 is among these offsets; a video of one frame is its own reference in
            any case.
        clamp: Whether offsets that leave the video give its first or last frame (mega.pytorch), or
            are not drawn (MMTracking).
        role: Name under which the model receives the frame.

    Raises:
        ValueError: If the interval is below 1, or the range is empty.
    """

    lookahead = 0

    def __init__(self,
                 interval: int = 10,
                 *,
                 sample_range: Sequence[int] = (-9, 0),
                 sample_key: bool = True,
                 clamp: bool = True,
                 role: str = 'local') -> None:
        super().__init__()
        low, high = sample_range
        if interval < 1 or low > high:
            raise ValueError('interval must be at least 1 and sample_range (first, last) offset, '
                             f'got interval={interval}, sample_range={tuple(sample_range)}')
        self.interval = interval
        self.sample_range = (low, high)
        self.sample_key = sample_key
        self.clamp = clamp
        self.role = role

    @property
    def draws(self) -> dict[str, int]:
        """One training reference."""
        return {self.role: 1}

    def sample(self, key_id: int, video_length: int, rng: np.random.Generator) -> Roles:
        """One frame of the range, or the key frame if there is none in the video."""
        low, high = self.sample_range
        frames = [key_id + o for o in range(low, high + 1) if o or self.sample_key]
        if not self.clamp:
            frames = [t for t in frames if 0 <= t < video_length]
        return {self.role: [clip(int(rng.choice(frames or [key_id])), video_length)]}

    def frames(self, key_id: int, video_length: int, video_id: Hashable = 0) -> Roles:
        """The last frame that passed the backbone, which may be the key frame itself."""
        return {self.role: [key_id - key_id % self.interval]}

    def still_needed(self, frame_id: int, next_key: int, video_id: Hashable = 0) -> bool:
        """The frame that passed the backbone last, and frames to come."""
        return frame_id >= next_key or frame_id == next_key - next_key % self.interval

    def plan(self, place: FramePlace) -> FramePlan:
        """Maps of one frame in ``interval``; of all others the image alone."""
        passes = place.frame_id % self.interval == 0
        return FramePlan(maps=passes, objects=passes)
