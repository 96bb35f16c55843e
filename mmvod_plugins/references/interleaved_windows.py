"""Windows over the interleaved sequences of a video (STMN)."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from mmdet.registry import TASK_UTILS

from .base import WINDOW_ROLE, ReferencePolicy, Roles


@TASK_UTILS.register_module()
class InterleavedWindows(ReferencePolicy):
    """Windows that slide over every ``stride``-th frame; each frame is detected in all of its own.

    A video is ``min(stride, length)`` sequences, the frames ``p, p + stride, ...``. Over each of
    them a window slides frame by frame; a sequence that is shorter than the window is one shorter
    window. The references of a frame, in the role ``window``, are the frames of the window that
    *starts* there, itself included; where no window starts there are none, and the frame's
    detections are those that earlier windows found in it.

    Training takes one window that starts at the key frame, moved back by whole steps where the
    sequence ends before; the last frame of a short sequence is named again, so that every clip
    has as many frames (the model computes them once, and a still image is a window of one frame).

    Args:
        num_frames: Frames in a window.
        stride: Frames from one to the next.
        num_samples: Frames in a training window, the key frame included.
        max_records: See :class:`ReferencePolicy`.
    """

    def __init__(self,
                 num_frames: int = 11,
                 stride: int = 10,
                 *,
                 num_samples: int = 7,
                 max_records: int | None = None) -> None:
        super().__init__(max_records)
        if min(num_frames, stride, num_samples) < 1:
            raise ValueError('num_frames, stride and num_samples must be at least 1, got '
                             f'num_frames={num_frames}, stride={stride}, '
                             f'num_samples={num_samples}')
        self.num_frames = num_frames
        self.stride = stride
        self.num_samples = num_samples

    @property
    def lookahead(self) -> int:
        """Frames of the future that a window reaches into."""
        return (self.num_frames - 1) * self.stride

    @property
    def draws(self) -> dict[str, int]:
        """The other frames of the training window."""
        return {WINDOW_ROLE: self.num_samples - 1}

    def sample(self, key_id: int, video_length: int, rng: np.random.Generator) -> Roles:
        """The other frames of the training window; nothing is random."""
        window = self._window(key_id, key_id // self.stride, self.num_samples, video_length)
        others = [t for t in window if t != key_id]
        others += [max(window)] * (self.num_samples - 1 - len(others))
        return {WINDOW_ROLE: others}

    def frames(self, key_id: int, video_length: int, video_id: Hashable = 0) -> Roles:
        """The window that starts at the key frame; nothing where none starts."""
        first = key_id // self.stride
        window = self._window(key_id, first, self.num_frames, video_length)
        return {WINDOW_ROLE: window} if window[0] == key_id else {}

    def still_needed(self, frame_id: int, next_key: int, video_id: Hashable = 0) -> bool:
        """Frames to come: a window looks at no frame before its first."""
        return frame_id >= next_key

    def _window(self, key_id: int, first: int, num_frames: int, video_length: int) -> list[int]:
        """The window from position ``first`` of a frame's sequence on, moved inside the video."""
        phase = key_id % self.stride
        sequence = range(phase, video_length, self.stride)
        first = max(min(first, len(sequence) - num_frames), 0)
        return list(sequence[first:first + num_frames])
