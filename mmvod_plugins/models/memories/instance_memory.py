"""Memory of the objects of one frame (OGEMN's instance memory, section 3.2)."""

from __future__ import annotations

from torch import Tensor


class InstanceMemory:
    """Features of all objects of one frame, replaced as a whole after some frames.

    Args:
        interval: Frames from one that is remembered to the next (the paper: 10).

    Attributes:
        frame_id: The frame that is remembered; None before the first one.
    """

    def __init__(self, interval: int = 10) -> None:
        self.interval = interval
        self.frame_id: int | None = None
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
        if not due or not len(feats) or not feats.isfinite().all():
            return False
        self.frame_id, self._rows = frame_id, feats.detach().clone()
        return True
