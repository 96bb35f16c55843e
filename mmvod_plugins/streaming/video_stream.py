"""The frames of one video on their way through a detector."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

from mmvod_plugins.references import ReferencePolicy

from .eviction import BoundedEviction, LastUseEviction, LiveEviction

Record = TypeVar('Record')
#: A key frame's record and its references' records by role.
Complete = tuple[Record, dict[str, list[Record]]]


class VideoStream(Generic[Record]):
    """Buffers records of frames and says which key frames have all their references.

    Frames may arrive in any order (a policy's schedule completes key frames earliest); key frames
    leave in the order of the video, and a record leaves after its last use. A live stream
    (``video_length=None``) takes frames in order and ends with :meth:`close`.

    Args:
        policy: Names the references of a key frame.
        video_id: Identity of the video, which the policy may use as a seed.
        video_length: Number of frames, or None when it is not known yet (live).
        memory: What the model remembers between key frames; the stream only owns it.
        shrink: Makes the record that stays of a frame once it was the key frame; by default the
            record itself.

    Attributes:
        next_key: The key frame that is due.
        peak: Largest number of records held at once so far.

    Raises:
        ValueError: If the length is below 1, or unknown and the policy needs it.
    """

    def __init__(self,
                 policy: ReferencePolicy,
                 video_id: Hashable = 0,
                 video_length: int | None = None,
                 memory: object = None,
                 shrink: Callable[[Record], Record] | None = None) -> None:
        if video_length is not None and video_length < 1:
            raise ValueError(f'video {video_id}: video_length must be at least 1, or None for live '
                             f'input, got {video_length}')
        self.policy = policy
        self.video_id = video_id
        self.video_length = video_length
        self.memory = memory
        self.shrink = shrink
        self.next_key = 0
        self.peak = 0
        self._live = video_length is None
        self._records: dict[int, Record] = {}
        self._arrived = 0
        self._schedule: list[int] | None = None
        if self._live:
            self._eviction = LiveEviction(policy, video_id)
            return
        self._seen = bytearray(video_length)
        bounded = policy.max_records is not None
        self._schedule = policy.schedule(video_length, video_id) if bounded else None
        rule = LastUseEviction if policy.max_records is None else BoundedEviction
        self._eviction = rule(policy, video_id, video_length)

    @property
    def finished(self) -> bool:
        """Whether every key frame has left."""
        return self.video_length is not None and self.next_key >= self.video_length

    @property
    def held(self) -> list[int]:
        """Numbers of the frames that are held, ascending."""
        return sorted(self._records)

    def repeats(self, frame_id: int) -> bool:
        """Whether a frame came before and is not wanted again.

        With ``max_records`` frames may come twice, in the order of the schedule alone; any other
        frame is one of a new pass over the video.
        """
        if self._live:
            return frame_id < self._arrived
        if self._schedule is not None:
            due = self._schedule[self._arrived:self._arrived + 1]
            return self._arrived > 0 and due != [frame_id]
        return 0 <= frame_id < self.video_length and bool(self._seen[frame_id])

    def add(self, frame_id: int, record: Record) -> None:
        """Take the record of a frame.

        Raises:
            ValueError: If the frame is not of this video, came before, or (live) is out of order.
        """
        self._check(frame_id)
        for old in self._eviction.excess(self._records, self.next_key):
            del self._records[old]
        self._records[frame_id] = record
        if frame_id < self.next_key:  # loaded again, to serve as a reference alone
            self._shrink(frame_id)
        self._arrived += 1
        self.peak = max(self.peak, len(self._records))
        if not self._live:
            self._seen[frame_id] = 1

    def ready(self) -> Iterator[Complete]:
        """Yield every complete key frame with its references by role; evict behind it."""
        while (roles := self._complete()) is not None:
            references = {role: [self._records[t] for t in ids] for role, ids in roles.items()}
            yield self._records[self.next_key], references
            for frame_id in self._eviction.expired(self._records, self.next_key):
                del self._records[frame_id]
            self._shrink(self.next_key)
            self.next_key += 1

    def close(self) -> Iterator[Complete]:
        """End a live stream, whose last frames become complete; yields them as :meth:`ready`."""
        if self._live:
            self.video_length = self._arrived
        yield from self.ready()

    def missing(self) -> list[int]:
        """Frames that the due key frame waits for; a live stream cannot tell."""
        if self.video_length is None or self.finished:
            return []
        needed = self.policy.needed(self.next_key, self.video_length, self.video_id)
        return sorted(set(needed).difference(self._records))

    def _shrink(self, frame_id: int) -> None:
        if self.shrink is not None and frame_id in self._records:
            self._records[frame_id] = self.shrink(self._records[frame_id])

    def _check(self, frame_id: int) -> None:
        if self._live and frame_id != self._arrived:
            raise ValueError(f'live video {self.video_id}: frame {frame_id} arrived where frame '
                             f'{self._arrived} was due; live frames come in order, from 0')
        if not self._live and not 0 <= frame_id < self.video_length:
            raise ValueError(f'video {self.video_id} has {self.video_length} frames, but frame '
                             f'{frame_id} arrived; check frame_id and the length of the video')
        if self._schedule is not None and self._schedule[self._arrived] != frame_id:
            raise ValueError(f'video {self.video_id}: frame {frame_id} arrived where frame '
                             f'{self._schedule[self._arrived]} was due; with max_records frames '
                             'come in the order of the schedule: use VideoStreamSampler with the '
                             'same references')
        if self.repeats(frame_id):
            raise ValueError(f'video {self.video_id}: frame {frame_id} arrived twice')

    def _complete(self) -> dict[str, list[int]] | None:
        """References of the due key frame if it and all of them are there."""
        if self.finished or self.next_key not in self._records:
            return None
        length = self.video_length
        if length is None:
            if self._arrived <= self.next_key + self.policy.lookahead:
                return None
            length = self._arrived
        roles = self.policy.frames(self.next_key, length, self.video_id)
        there = all(frame_id in self._records for ids in roles.values() for frame_id in ids)
        return roles if there else None
