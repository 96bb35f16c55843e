"""The weights in what a program saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def unwrap(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights in a training checkpoint, without the prefix of a wrapper."""
    weights = checkpoint
    for name in ('model', 'state_dict'):
        if isinstance(weights.get(name), Mapping):
            weights = weights[name]
    return {key.removeprefix('module.'): value for key, value in weights.items()}
