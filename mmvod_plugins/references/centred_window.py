"""One window for every frame (STMN, the cheap form)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from mmdet.registry import TASK_UTILS

from .base import WINDOW_ROLE, Roles
from .interleaved_windows import InterleavedWindows


@TASK_UTILS.register_module()
class CentredWindow(InterleavedWindows):
    """One window for every frame, with the frame in its middle: cheaper than overlapping windows.

    At an end of the video the window is moved inside, and a sequence that is shorter than it is
    the window: no frame is repeated. While testing the window is a role of its own, so that the
    key frame alone is detected in it; training is that of :class:`InterleavedWindows`.

    Args:
        num_frames: Frames in a window.
        stride: Frames from one to the next.
        role: Name under which the model receives the frames while testing.
        **kwargs: As :class:`InterleavedWindows`.
    """

    def __init__(self, num_frames: int = 11, stride: int = 10, *, role: str = 'local',
                 **kwargs: Any) -> None:  # noqa: ANN401 - of the base class
        super().__init__(num_frames, stride, **kwargs)
        if role == WINDOW_ROLE:
            raise ValueError(f'CentredWindow detects the key frame alone: its role must not be '
                             f'{role!r}, whose frames are all detected; omit it')
        self.role = role

    @property
    def draws(self) -> dict[str, int]:
        """The other frames of the training window; the role of testing has none."""
        return {WINDOW_ROLE: self.num_samples - 1, self.role: 0}

    def frames(self, key_id: int, video_length: int, video_id: Hashable = 0) -> Roles:
        """The window around the key frame, itself included."""
        first = key_id // self.stride - self.num_frames // 2
        return {self.role: self._window(key_id, first, self.num_frames, video_length)}

    def still_needed(self, frame_id: int, next_key: int, video_id: Hashable = 0) -> bool:
        """Frames that a window at the end of the video would reach back to."""
        return frame_id >= next_key - self.lookahead
