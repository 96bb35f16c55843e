"""Reference policies: which frames a key frame looks at, and what each frame must provide."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Hashable
from typing import Any

import numpy as np
from mmdet.registry import TASK_UTILS

from mmvod_plugins.structures.frame_place import FramePlace, FramePlan

#: Role of the frame that is detected; policies name others.
KEY_ROLE = 'key'
#: Role of references that are enhanced, detected and trained together with their key frame.
WINDOW_ROLE = 'window'
#: Frame numbers by role (``local``, ``global``, ``memory``).
Roles = dict[str, list[int]]


class ReferencePolicy(ABC):
    """Names the reference frames of a key frame, for loader, sampler and model alike.

    Every method is a pure function of its arguments; frames are named by their number in the
    video, from 0. Randomness comes from the given ``rng`` (training) or from a seed in the
    constructor and the video's id (testing).

    References in the role ``window`` (:data:`WINDOW_ROLE`) are detected together with the key
    frame: while testing, the detections of a frame are those of all windows that contain it,
    pooled, and in training every frame of the window has a loss. Only key frames before a frame
    may have it in their window; a key frame without references was in windows before.

    Attributes:
        lookahead: How many frames of the future a key frame may look at while testing; None
            means any frame of the video, so that the length must be known.
        max_records: Bound on the frames that a stream holds; None holds a frame until its last
            use. With a bound some frames are loaded a second time.
    """

    lookahead: int | None = 0

    def __init__(self, max_records: int | None = None) -> None:
        if max_records is not None and max_records < 1:
            raise ValueError(f'max_records must be at least 1 or None, got {max_records}')
        self.max_records = max_records

    @property
    @abstractmethod
    def draws(self) -> dict[str, int]:
        """Training references of every role; 0 for roles that only testing has."""

    @abstractmethod
    def sample(self, key_id: int, video_length: int, rng: np.random.Generator) -> Roles:
        """Draw training references: as many frame numbers of every role as ``draws`` says."""

    @abstractmethod
    def frames(self, key_id: int, video_length: int, video_id: Hashable = 0) -> Roles:
        """References while testing, by role; repeated frames are real multiplicities."""

    def still_needed(self, frame_id: int, next_key: int, video_id: Hashable = 0) -> bool:
        """Whether a key frame from ``next_key`` on may look at a frame; for live streams.

        Raises:
            ValueError: If the policy needs the length of the video.
        """
        raise ValueError(f'{type(self).__name__} needs the whole video: give the length of the '
                         'video, or use a causal policy (CausalWindow, GlobalReservoir) for '
                         'live input')

    def plan(self, place: FramePlace) -> FramePlan:
        """Products that a frame must provide while testing: by default all."""
        return FramePlan()

    def needed(self, key_id: int, video_length: int, video_id: Hashable = 0) -> list[int]:
        """The key frame and its references, each once, in order of the roles."""
        roles = self.frames(key_id, video_length, video_id)
        return list(dict.fromkeys([key_id, *(t for ids in roles.values() for t in ids)]))

    def last_use(self, video_length: int, video_id: Hashable = 0) -> list[int]:
        """For every frame the last key frame that looks at it."""
        last = list(range(video_length))
        for key_id in range(video_length):
            for frame_id in self.needed(key_id, video_length, video_id):
                last[frame_id] = max(last[frame_id], key_id)
        return last

    def schedule(self, video_length: int, video_id: Hashable = 0) -> list[int]:
        """The order in which frames are loaded: earliest need first, each frame once.

        With ``max_records`` a frame whose next use is far away may be named again.

        Raises:
            ValueError: If one key frame needs more than ``max_records`` frames.
        """
        if self.max_records is None:
            order: dict[int, None] = {}
            for key_id in range(video_length):
                order.update(dict.fromkeys(sorted(self.needed(key_id, video_length, video_id))))
            return list(order)
        return self._bounded_schedule(video_length, video_id)

    def peak_records(self, video_length: int, video_id: Hashable = 0) -> int:
        """The largest number of frames that a stream fed by the schedule holds at once."""
        last = self.last_use(video_length, video_id)
        leaving: list[list[int]] = [[] for _ in range(video_length)]
        for frame_id, key_id in enumerate(last):
            leaving[key_id].append(frame_id)
        seen: set[int] = set()
        held = peak = 0
        for key_id in range(video_length):
            new = set(self.needed(key_id, video_length, video_id)) - seen
            seen |= new
            held += len(new)
            peak = max(peak, held)
            held -= len(leaving[key_id])
        return peak if self.max_records is None else min(peak, self.max_records)

    def uses(self, video_length: int, video_id: Hashable = 0) -> list[list[int]]:
        """For every frame the key frames that look at it, ascending."""
        uses: list[list[int]] = [[] for _ in range(video_length)]
        for key_id in range(video_length):
            for frame_id in self.needed(key_id, video_length, video_id):
                uses[frame_id].append(key_id)
        return uses

    def _bounded_schedule(self, video_length: int, video_id: Hashable) -> list[int]:
        uses = self.uses(video_length, video_id)
        held: set[int] = set()
        order: list[int] = []
        for key_id in range(video_length):
            needed = set(self.needed(key_id, video_length, video_id))
            if len(needed) > self.max_records:
                raise ValueError(f'key frame {key_id} needs {len(needed)} frames but max_records '
                                 f'is {self.max_records}: raise it to {len(needed)} or more')
            for frame_id in sorted(needed - held):
                order.append(frame_id)
                held.add(frame_id)
                if len(held) > self.max_records:
                    held.remove(farthest_use(held - needed, uses, key_id))
            held = {frame_id for frame_id in held if uses[frame_id][-1] > key_id}
        return order

    def __repr__(self) -> str:
        settings = ', '.join(f'{key}={value!r}' for key, value in sorted(self._settings().items()))
        return f'{type(self).__name__}({settings})'

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._settings() == other._settings()

    __hash__ = None

    def _settings(self) -> dict[str, Any]:
        """Attributes without memos, which decide whether two policies are equal."""
        return {key: value for key, value in vars(self).items() if not key.startswith('_')}


def farthest_use(frame_ids: set[int], uses: list[list[int]], key_id: int) -> int:
    """The frame whose next use after ``key_id`` is the farthest (ties: the smallest number)."""

    def next_use(frame_id: int) -> int:
        position = bisect_right(uses[frame_id], key_id)
        return uses[frame_id][position] if position < len(uses[frame_id]) else len(uses)

    return max(sorted(frame_ids), key=next_use)


@TASK_UTILS.register_module()
class KeyFrameOnly(ReferencePolicy):
    """No references: a detector of single frames."""

    draws: dict[str, int] = {}  # noqa: RUF012 - a constant

    def sample(self, key_id: int, video_length: int, rng: np.random.Generator) -> Roles:
        """No frames."""
        return {}

    def frames(self, key_id: int, video_length: int, video_id: Hashable = 0) -> Roles:
        """No frames."""
        return {}

    def still_needed(self, frame_id: int, next_key: int, video_id: Hashable = 0) -> bool:
        """Only key frames to come are needed."""
        return frame_id >= next_key


def build_references(config: dict[str, Any] | ReferencePolicy | None) -> ReferencePolicy:
    """Build a policy from its config; None is a detector of single frames."""
    if config is None:
        return KeyFrameOnly()
    if isinstance(config, ReferencePolicy):
        return config
    return TASK_UTILS.build(config)


def clip(frame_id: int, video_length: int) -> int:
    """The nearest frame of the video: the first or last one stands in for those outside."""
    return min(max(frame_id, 0), video_length - 1)


def video_rng(seed: int, video_id: Hashable) -> np.random.Generator:
    """A generator that depends on a seed and on the identity of a video alone."""
    return np.random.default_rng([seed, zlib.crc32(str(video_id).encode())])


def draw_offsets(low: int, high: int, count: int, rng: np.random.Generator) -> list[int]:
    """Draw distinct offsets in ``[low, high]``; all of them repeat when there are too few."""
    span = high - low + 1
    offsets = [int(x) + low for x in rng.permutation(span)]
    return [offsets[i % span] for i in range(count)]
