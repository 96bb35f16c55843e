"""Base class of policies that look at the whole video."""

from __future__ import annotations

import numpy as np

from .base import ReferencePolicy, Roles, draw_offsets


class WholeVideo(ReferencePolicy):
    """Frames from anywhere in the video, so that its length must be known while testing.

    Args:
        num_frames: Frames that a key frame looks at.
        num_samples: Training references, distinct frames of the whole video.
        role: Name under which the model receives the frames.
        max_records: See :class:`ReferencePolicy`.
    """

    lookahead = None

    def __init__(self,
                 num_frames: int,
                 *,
                 num_samples: int = 2,
                 role: str = 'global',
                 max_records: int | None = None) -> None:
        super().__init__(max_records)
        if num_frames < 1:
            raise ValueError(f'num_frames must be at least 1, got {num_frames}')
        self.num_frames = num_frames
        self.num_samples = num_samples
        self.role = role

    @property
    def draws(self) -> dict[str, int]:
        """Training references of the role."""
        return {self.role: self.num_samples}

    def sample(self, key_id: int, video_length: int, rng: np.random.Generator) -> Roles:
        """Distinct frames of the whole video."""
        return {self.role: draw_offsets(0, video_length - 1, self.num_samples, rng)}
