"""Settings of reference policies in the manifest of an exported model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmvod_plugins.references import (
    CausalWindow,
    ComposedReferences,
    GlobalReservoir,
    GlobalShuffle,
    LocalWindow,
    PrecedingIntervals,
    PrecedingWindow,
    ReferencePolicy,
    TrainTestReferences,
    UniformStride,
)


def _window(policy: LocalWindow) -> dict[str, Any]:
    return dict(rule='window', before=policy.before, after=policy.after, stride=policy.stride,
                outside=policy.outside)


#: Rules of the runtime by policy; those of a memory name no frames while testing.
_RULES: dict[type[ReferencePolicy], Callable[[Any], dict[str, Any] | None]] = {
    LocalWindow: _window,
    CausalWindow: _window,
    GlobalShuffle: lambda policy: dict(
        rule='shuffle', num_frames=policy.num_frames, seed=policy.seed),
    GlobalReservoir: lambda policy: dict(
        rule='reservoir', num_frames=policy.num_frames, seed=policy.seed),
    UniformStride: lambda policy: dict(
        rule='spread', num_frames=policy.num_frames, append_key=policy.append_key),
    PrecedingWindow: lambda _: None,
    PrecedingIntervals: lambda _: None,
}


def policy_settings(policy: ReferencePolicy, roles: frozenset[str]) -> list[dict[str, Any]]:
    """``references`` of the manifest.

    Args:
        policy: Of the model.
        roles: Those that its head looks at.

    Raises:
        ValueError: If the runtime does not have a policy, or no role is left.
    """
    found = [settings for part in _parts(policy)
             if (settings := _settings(part)) is not None and settings['role'] in roles]
    if not found:
        raise ValueError(f'{policy!r} names no references while testing: a model of single frames '
                         'cannot be exported')
    return found


def most_frames(settings: list[dict[str, Any]]) -> dict[str, int]:
    """Most reference frames of a key frame, by role."""
    return {part['role']: part['before'] + part['after'] + 1 if part['rule'] == 'window'
            else part['num_frames'] + part.get('append_key', False) for part in settings}


def _parts(policy: ReferencePolicy) -> list[ReferencePolicy]:
    if type(policy) is TrainTestReferences:
        return _parts(policy.testing)
    if type(policy) is ComposedReferences:
        return [part for child in policy.policies for part in _parts(child)]
    return [policy]


def _settings(policy: ReferencePolicy) -> dict[str, Any] | None:
    if type(policy) not in _RULES:
        names = ', '.join(sorted(rule.__name__ for rule in _RULES))
        raise ValueError(f'references of {type(policy).__name__} cannot be exported; these can: '
                         f'{names}, also composed')
    settings = _RULES[type(policy)](policy)
    return settings if settings is None else dict(role=policy.role, **settings)
