"""When a stream lets go of a frame."""

from __future__ import annotations

from collections.abc import Collection, Hashable

from mmvod_plugins.references import ReferencePolicy
from mmvod_plugins.references.base import farthest_use


class LastUseEviction:
    """A frame leaves after the last key frame that looks at it; the length is known."""

    def __init__(self, policy: ReferencePolicy, video_id: Hashable, video_length: int) -> None:
        self._leaving: list[list[int]] = [[] for _ in range(video_length)]
        for frame_id, key_id in enumerate(policy.last_use(video_length, video_id)):
            self._leaving[key_id].append(frame_id)

    def excess(self, held: Collection[int], next_key: int) -> list[int]:
        """Frames that must leave before another one is taken: none, there is no bound."""
        return []

    def expired(self, held: Collection[int], key_id: int) -> list[int]:
        """Frames that no key frame after ``key_id`` looks at."""
        return self._leaving[key_id]


class BoundedEviction:
    """As last use, and beyond ``policy.max_records`` the farthest next use leaves too."""

    def __init__(self, policy: ReferencePolicy, video_id: Hashable, video_length: int) -> None:
        self._policy, self._video_id, self._video_length = policy, video_id, video_length
        self._uses = policy.uses(video_length, video_id)

    def excess(self, held: Collection[int], next_key: int) -> list[int]:
        """The frame whose next use is the farthest, when the bound is reached."""
        if len(held) < self._policy.max_records:
            return []
        needed = self._policy.needed(next_key, self._video_length, self._video_id)
        free = set(held).difference(needed)
        return [farthest_use(free, self._uses, next_key)] if free else []

    def expired(self, held: Collection[int], key_id: int) -> list[int]:
        """Frames that no key frame after ``key_id`` looks at."""
        return [frame_id for frame_id in held if self._uses[frame_id][-1] <= key_id]


class LiveEviction:
    """The policy says what a live stream may still look at."""

    def __init__(self, policy: ReferencePolicy, video_id: Hashable) -> None:
        policy.still_needed(0, 0, video_id)  # refuses policies that need the whole video
        self._policy, self._video_id = policy, video_id

    def excess(self, held: Collection[int], next_key: int) -> list[int]:
        """Frames that must leave before another one is taken: none, the policy is bounded."""
        return []

    def expired(self, held: Collection[int], key_id: int) -> list[int]:
        """Frames that no key frame after ``key_id`` may look at."""
        return [
            frame_id for frame_id in held
            if not self._policy.still_needed(frame_id, key_id + 1, self._video_id)
        ]
