"""Memory of the objects of one frame (OGEMN's instance memory, section 3.2)."""

from __future__ import annotations

import logging

from mmengine.logging import print_log
from torch import Tensor


class InstanceMemory:
    """Features of all objects of one frame, replaced as a whole after some frames.

    Args:
        interval: Frames from one that is remembered to the next (the paper: 10).

    Attributes:
        frame_id: The frame that is remembered; None before the first one.
        skipped: Frames that were due and not remembered because they were not finite.
    """

    def __init__(self, interval: int = 10) -> None:
        self.interval = interval
        self.frame_id: int | None = None
        self.skipped = 0
        self._rows: Tensor | None = None

    def __len__(self) -> int:
        """Rows of the memory."""
        return 0 if self._rows is None else len(self._rows)

    def read(self) -> list[Tensor]:
        """The rows, (P, C), or nothing before the first frame. Not to be changed."""
        return [] if self._rows is None else [self._rows]

    def write(self, frame_id: int, feats: Tensor) -> bool:
        """Replace the memory by a copy of the enhanced features of a frame, if it is time.

        A frame without objects, or with features that are not finite, changes nothing: the next
        one is remembered in its place.

        Args:
            frame_id: Number of the frame.
            feats: (P, C).

        Returns:
            Whether the frame is remembered.
        """
        due = self.frame_id is None or frame_id - self.frame_id >= self.interval
        if not due or not len(feats):
            return False
        if not feats.isfinite().all():
            if not self.skipped:
                print_log(f'frame {frame_id} is not remembered: the features of its objects are '
                          'not finite; further ones of this video are not reported',
                          logger='current', level=logging.WARNING)
            self.skipped += 1
            return False
        self.frame_id, self._rows = frame_id, feats.detach().clone()
        return True
