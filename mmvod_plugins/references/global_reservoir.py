"""A random sample of the past, for online detection and live input."""

from __future__ import annotations

from bisect import insort
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from mmdet.registry import TASK_UTILS

from .base import ReferencePolicy, Roles, draw_offsets, video_rng

#: Priorities that are drawn at once.
BLOCK = 256


@TASK_UTILS.register_module()
class GlobalReservoir(ReferencePolicy):
    """A seeded random sample of all previous frames, of bounded size (online MEGA).

    Every frame has a random priority; the reservoir holds the ``num_frames`` largest of the past,
    which is a uniform sample without replacement, and a frame that left never comes back. The
    first key frame has no past and looks at itself.

    Args:
        num_frames: Size of the reservoir.
        seed: Seed of the priorities; the video's id enters too.
        num_samples: Training references, distinct frames of the past.
        role: Name under which the model receives the frames.
    """

    def __init__(self,
                 num_frames: int = 10,
                 *,
                 seed: int = 0,
                 num_samples: int = 2,
                 role: str = 'global') -> None:
        super().__init__()
        if num_frames < 1:
            raise ValueError(f'num_frames must be at least 1, got {num_frames}')
        self.num_frames = num_frames
        self.seed = seed
        self.num_samples = num_samples
        self.role = role
        self._histories: dict[Hashable, _History] = {}

    @property
    def draws(self) -> dict[str, int]:
        """Training references of the role."""
        return {self.role: self.num_samples}

    def sample(self, key_id: int, video_length: int, rng: np.random.Generator) -> Roles:
        """Distinct frames of the past; the first key frame draws itself."""
        return {self.role: draw_offsets(0, max(key_id - 1, 0), self.num_samples, rng)}

    def frames(self, key_id: int, video_length: int, video_id: Hashable = 0) -> Roles:
        """The reservoir of the past; the first key frame itself."""
        return {self.role: self._reservoir(video_id, key_id) or [key_id]}

    def still_needed(self, frame_id: int, next_key: int, video_id: Hashable = 0) -> bool:
        """Frames in the reservoir, and those not yet offered to it."""
        return frame_id >= next_key - 1 or frame_id in self._reservoir(video_id, next_key)

    def _reservoir(self, video_id: Hashable, end: int) -> list[int]:
        """The frames below ``end`` with the largest priorities, ascending.

        The history of a video is a memo of a pure function: it serves any number of streams of
        that video, wherever each of them is. It is replaced, never changed, so that threads that
        extend it at once do the same work twice and agree.
        """
        history = self._histories.get(video_id)
        if history is None or history.end < end:
            history = _extend(history or _History(), self.seed, video_id, self.num_frames, end)
            self._histories = {**dict(list(self._histories.items())[-63:]), video_id: history}
        return history.held_at(end)


@dataclass(frozen=True)
class _History:
    """Every frame that was ever in the reservoir of a video: some ``n log(end / n)`` of them.

    Attributes:
        end: Frames that were offered.
        entries: (frame, first end at which it is in no more or None, priority), ascending.
    """

    end: int = 0
    entries: tuple[tuple[int, int | None, float], ...] = ()

    def held_at(self, end: int) -> list[int]:
        """The reservoir after the frames below ``end``, at most :attr:`end`."""
        return [frame_id for frame_id, left, _ in self.entries
                if frame_id < end and (left is None or end < left)]


def _extend(history: _History, seed: int, video_id: Hashable, size: int, end: int) -> _History:
    """The history after ``end`` frames at least, in whole blocks."""
    end = -(-end // BLOCK) * BLOCK
    entries = list(history.entries)
    # rows of the entries that are in the reservoir, by priority
    held = sorted((priority, row) for row, (_, left, priority) in enumerate(entries)
                  if left is None)
    for start in range(history.end, end, BLOCK):
        priorities = video_rng(seed, f'{video_id}/{start // BLOCK}').random(BLOCK)
        for frame_id, priority in enumerate(priorities.tolist(), start):
            if len(held) == size:
                if priority <= held[0][0]:
                    continue
                _, row = held.pop(0)
                # the frame leaves when this one has been offered
                entries[row] = (entries[row][0], frame_id + 1, entries[row][2])
            insort(held, (priority, len(entries)))
            entries.append((frame_id, None, priority))
    return _History(end, tuple(entries))
