"""Frames evenly spread over the whole video."""

from __future__ import annotations

from collections.abc import Hashable

from mmdet.registry import TASK_UTILS

from .base import Roles
from .whole_video import WholeVideo


@TASK_UTILS.register_module()
class UniformStride(WholeVideo):
    """``num_frames`` frames evenly spread over the video, the same for every key frame.

    The rule of SELSA's published configs ("adaptive stride"): ``round(i (L - 1) / (n - 1))``,
    halves to the even number; short videos repeat frames. Needs the whole video.

    Args:
        num_frames: Frames that every key frame looks at.
        append_key: Whether the key frame follows them while testing, as in the published
            configs; where it is one of the spread it then counts twice.
        num_samples: Training references, distinct frames of the whole video.
        role: Name under which the model receives the frames.
        max_records: See :class:`ReferencePolicy`.
    """

    def __init__(self,
                 num_frames: int = 14,
                 *,
                 append_key: bool = False,
                 num_samples: int = 2,
                 role: str = 'global',
                 max_records: int | None = None) -> None:
        super().__init__(num_frames, num_samples=num_samples, role=role, max_records=max_records)
        self.append_key = append_key

    def frames(self, key_id: int, video_length: int, video_id: Hashable = 0) -> Roles:
        """The same spread for every key frame, and that frame itself with ``append_key``."""
        step = (video_length - 1) / max(self.num_frames - 1, 1)
        spread = [round(i * step) for i in range(self.num_frames)]
        return {self.role: spread + [key_id] * self.append_key}
