"""A window of frames around the key frame."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal, get_args

import numpy as np
from mmdet.registry import TASK_UTILS

from .base import ReferencePolicy, Roles, clip, draw_offsets

#: What a window does with positions outside the video.
Outside = Literal['repeat', 'cut']


@TASK_UTILS.register_module()
class LocalWindow(ReferencePolicy):
    """All frames around the key frame, itself included (MEGA's local pool, RDN, FGFA).

    Positions outside the video repeat its first or last frame, as the published programs do, or,
    ``outside='cut'``, are left out (MST); then training draws from the frames inside alone.
    In training ``num_samples`` distinct offsets of the window are drawn ("temporal dropout"), or,
    ``bilateral``, half of them from the frames before the key frame and half from those after it
    (SELSA and FGFA in MMTracking); at an end of the video the key frame stands in.

    Args:
        radius: Steps before and after the key frame; a pair for different sides.
        stride: Frames per step.
        num_samples: Training references drawn.
        sample_key: Whether the key frame comes before those drawn, as it is in every window while
            testing (MEGA, RDN; FGFA's program leaves it out).
        bilateral: Whether half of the training references comes from each side.
        outside: ``'repeat'`` or ``'cut'``, see above.
        role: Name under which the model receives the frames.
        max_records: See :class:`ReferencePolicy`.
    """

    def __init__(self,
                 radius: int | Sequence[int] = 12,
                 *,
                 stride: int = 1,
                 num_samples: int = 2,
                 sample_key: bool = False,
                 bilateral: bool = False,
                 outside: Outside = 'repeat',
                 role: str = 'local',
                 max_records: int | None = None) -> None:
        super().__init__(max_records)
        self.before, self.after = (radius, radius) if isinstance(radius, int) else radius
        if min(self.before, self.after) < 0 or stride < 1 or num_samples < 0:
            raise ValueError('radius and num_samples must not be negative and stride at least 1, '
                             f'got radius={radius}, stride={stride}, num_samples={num_samples}')
        if bilateral and num_samples % 2:
            raise ValueError('bilateral needs an even num_samples, half of it for each side, got '
                             f'{num_samples}')
        if outside not in get_args(Outside):
            raise ValueError(f'outside must be one of {get_args(Outside)}, got {outside!r}')
        self.stride = stride
        self.num_samples = num_samples
        self.sample_key = sample_key
        self.bilateral = bilateral
        self.outside = outside
        self.role = role

    @property
    def lookahead(self) -> int:
        """Frames of the future that a key frame looks at."""
        return self.after * self.stride

    @property
    def draws(self) -> dict[str, int]:
        """Training references of the role."""
        return {self.role: self.sample_key + self.num_samples}

    def sample(self, key_id: int, video_length: int, rng: np.random.Generator) -> Roles:
        """Distinct offsets of the window, clipped to the video (``bilateral``: inside it)."""
        before, after = self._inside(key_id, video_length)
        if self.bilateral:
            half = self.num_samples // 2
            offsets = [-o for o in _draw_steps(before, half, rng)] + _draw_steps(after, half, rng)
        elif self.outside == 'cut':
            offsets = draw_offsets(-before, after, self.num_samples, rng)
        else:
            offsets = draw_offsets(-self.before, self.after, self.num_samples, rng)
        offsets = [0] * self.sample_key + offsets
        return {self.role: [clip(key_id + self.stride * o, video_length) for o in offsets]}

    def frames(self, key_id: int, video_length: int, video_id: Hashable = 0) -> Roles:
        """The whole window, oldest frame first."""
        before, after = self.before, self.after
        if self.outside == 'cut':
            before, after = self._inside(key_id, video_length)
        offsets = range(-before, after + 1)
        return {self.role: [clip(key_id + self.stride * o, video_length) for o in offsets]}

    def _inside(self, key_id: int, video_length: int) -> tuple[int, int]:
        """Steps before and after a key frame that stay inside the video."""
        return (min(self.before, key_id // self.stride),
                min(self.after, (video_length - 1 - key_id) // self.stride))

    def still_needed(self, frame_id: int, next_key: int, video_id: Hashable = 0) -> bool:
        """Frames that the window has not passed."""
        return frame_id >= next_key - self.before * self.stride


def _draw_steps(most: int, count: int, rng: np.random.Generator) -> list[int]:
    """Distinct numbers of steps from 1 to ``most``; 0, the key frame itself, if there is none."""
    return draw_offsets(1, most, count, rng) if most else [0] * count
