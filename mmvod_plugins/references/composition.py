"""Several policies at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from mmdet.registry import TASK_UTILS

from mmvod_plugins.structures.frame_place import FramePlace, FramePlan

from .base import ReferencePolicy, Roles, build_references


@TASK_UTILS.register_module()
class ComposedReferences(ReferencePolicy):
    """The references of several policies, each under its own role (MEGA: local, global, memory).

    Args:
        policies: Policies or their configs; their roles must differ.
        max_records: Bound for all of them together, see :class:`ReferencePolicy`.
    """

    def __init__(self,
                 policies: Sequence[dict[str, Any] | ReferencePolicy],
                 max_records: int | None = None) -> None:
        super().__init__(max_records)
        self.policies = [build_references(policy) for policy in policies]
        if not self.policies:
            raise ValueError('policies is empty: use references=None for single frames')
        roles = [policy.role for policy in self.policies if hasattr(policy, 'role')]
        if len(set(roles)) < len(roles):
            raise ValueError(f'two policies have the same role: {roles}; give them other roles')

    @property
    def lookahead(self) -> int | None:
        """The largest of the parts; None as soon as one part needs the whole video."""
        ahead = [policy.lookahead for policy in self.policies]
        return None if None in ahead else max(ahead)

    @property
    def draws(self) -> dict[str, int]:
        """Those of every part."""
        return {role: count for policy in self.policies for role, count in policy.draws.items()}

    def sample(self, key_id: int, video_length: int, rng: np.random.Generator) -> Roles:
        """The draws of every part."""
        parts = [policy.sample(key_id, video_length, rng) for policy in self.policies]
        return {role: ids for part in parts for role, ids in part.items()}

    def frames(self, key_id: int, video_length: int, video_id: Hashable = 0) -> Roles:
        """The references of every part."""
        parts = [policy.frames(key_id, video_length, video_id) for policy in self.policies]
        return {role: ids for part in parts for role, ids in part.items()}

    def still_needed(self, frame_id: int, next_key: int, video_id: Hashable = 0) -> bool:
        """Whether any part needs the frame; asks them all."""
        parts = [part.still_needed(frame_id, next_key, video_id) for part in self.policies]
        return any(parts)

    def plan(self, place: FramePlace) -> FramePlan:
        """What any part requires of a frame, at the largest scale that one of them wants."""
        parts = [policy.plan(place) for policy in self.policies]
        return FramePlan(
            maps=any(part.maps for part in parts),
            objects=any(part.objects for part in parts),
            scale=max(part.scale for part in parts),
            memorize=any(part.memorize for part in parts))
