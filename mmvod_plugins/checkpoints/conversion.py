"""Common steps of translating a checkpoint, and their result."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass
class Conversion:
    """A translated checkpoint; every key of the file is mapped or dropped.

    Attributes:
        method: Name of the method that the file holds.
        state_dict: Weights under our names.
        mapped: Our name for every key of the file that was mapped.
        dropped: Reason for every key of the file that was not.
    """

    method: str
    state_dict: dict[str, Tensor] = field(default_factory=dict)
    mapped: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)


def rename_weights(weights: Mapping[str, Tensor], program: str, method: str,
                   name_of: Callable[[str], str | None],
                   dropped: Iterable[tuple[str, str]]) -> Conversion:
    """Translate the names of a program's weights.

    Args:
        weights: Unwrapped weights.
        program: Name of the program.
        method: Name of the method that they are of.
        name_of: Our name for a key of the program; None for an unknown one.
        dropped: Pattern of the keys that a model does not need, and the reason.

    Raises:
        ValueError: If a key is neither known nor dropped.
    """
    conversion = Conversion(method)
    for key, value in weights.items():
        reason = next((why for pattern, why in dropped if re.fullmatch(pattern, key)), None)
        if reason is not None:
            conversion.dropped[key] = reason
            continue
        name = name_of(key)
        if name is None:
            raise ValueError(f'the checkpoint has the names of {program}, but its key {key!r} is '
                             'not known: only files of the unchanged program can be loaded')
        conversion.mapped[key] = name
        conversion.state_dict[name] = value
    return conversion


def unwrap(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Extract the weights of a training checkpoint, without the prefix of a wrapper."""
    return {key.removeprefix('module.'): value
            for key, value in wrapped_state_dict(checkpoint).items()}


def wrapped_state_dict(checkpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the state dict of a training checkpoint, or the checkpoint if it is one itself."""
    for name in ('model', 'state_dict'):
        if isinstance(checkpoint.get(name), Mapping):
            checkpoint = checkpoint[name]
    return checkpoint


def take_renamed(state_dict: dict[str, Any], prefix: str, names: dict[str, str]) -> None:
    """Reduce a whole backbone's file to the weights of one module, under its names, in place.

    For a pre-hook of ``load_state_dict``: a file of the module alone stays as it is.

    Args:
        state_dict: The weights being loaded.
        prefix: The module's prefix in them; only a module that loads a file by itself renames.
        names: Prefixes of the file's names, and the module's prefixes that replace them.
    """
    taken = {
        new + key.removeprefix(old): value
        for key, value in state_dict.items()
        for old, new in names.items() if key.startswith(old)
    }
    if taken and not prefix:
        state_dict.clear()
        state_dict.update(taken)
