"""Several policies at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from keyword import iskeyword
from typing import Any

import numpy as np
from mmdet.registry import TASK_UTILS

from mmvod_plugins.structures.frame_place import FramePlace, FramePlan

from .base import ReferencePolicy, Roles, build_references

#: Roles in the order in which a dict of policies draws, whatever the order of its keys.
ROLES = ('local', 'memory', 'global')


@TASK_UTILS.register_module()
class ComposedReferences(ReferencePolicy):
    """The references of several policies, each under its own role (MEGA: local, global, memory).

    Args:
        policies: Policies or their configs by role, so that a child config changes one number:
            ``policies=dict(local=dict(radius=6))``. ``global`` is a keyword of Python: write
            ``global_``. None omits a role that a base config has. Roles are in the order of
            :data:`ROLES`, others follow by name: mmengine sorts the keys of the configs that it
            dumps, and draws must not depend on that. A list, whose policies name their roles
            themselves, keeps its order.
        max_records: Bound for all of them together, see :class:`ReferencePolicy`.

    Raises:
        ValueError: If there is no policy, a role is named twice, or a policy has no type.
    """

    def __init__(self,
                 policies: dict[str, dict[str, Any] | ReferencePolicy | None]
                 | Sequence[dict[str, Any] | ReferencePolicy],
                 max_records: int | None = None) -> None:
        super().__init__(max_records)
        if isinstance(policies, dict):
            policies = _in_order(policies)
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
        """Products that any part requires, at the largest scale that one of them wants."""
        parts = [policy.plan(place) for policy in self.policies]
        return FramePlan(
            maps=any(part.maps for part in parts),
            objects=any(part.objects for part in parts),
            scale=max(part.scale for part in parts),
            memorize=any(part.memorize for part in parts))


def _in_order(
    policies: dict[str, dict[str, Any] | ReferencePolicy | None]
) -> list[ReferencePolicy]:
    """The policies of a dict in order of their roles, which they get from the keys."""
    by_role: dict[str, ReferencePolicy] = {}
    for key, policy in policies.items():
        if policy is None:
            continue
        role = key.removesuffix('_') if iskeyword(key.removesuffix('_')) else key
        if role in by_role:
            raise ValueError(f'policies has both {role!r} and {role + "_"!r}: omit the first')
        by_role[role] = _with_role(policy, role, key)
    known = [role for role in ROLES if role in by_role]
    return [by_role[role] for role in [*known, *sorted(by_role.keys() - set(known))]]


def _with_role(policy: dict[str, Any] | ReferencePolicy, role: str, key: str) -> ReferencePolicy:
    """Build a policy with the role of its key; refuse another one."""
    if isinstance(policy, dict) and 'type' not in policy:
        raise ValueError(f'policies.{key} has no type, only {sorted(policy)}: name its type, or '
                         'the role of a policy that the base config has')
    built = build_references(policy)
    if isinstance(policy, dict) and 'role' not in policy and hasattr(built, 'role'):
        built.role = role
    if role not in built.draws:
        raise ValueError(f'policies.{key} has the role {" and ".join(map(repr, built.draws))}, '
                         f'expected {role!r}: omit its role, or use it as the key')
    return built
