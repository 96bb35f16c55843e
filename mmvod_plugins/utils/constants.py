"""Small constant tensors without a copy from the host at each use."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import torch
from torch import Tensor, nn

from mmvod_plugins.utils.precision import is_compiled


def constant(values: Iterable[float], like: Tensor) -> Tensor:
    """A tensor (n,) of numbers, of the type and on the device of another one; not to be changed.

    ``new_tensor`` of a list copies it to the device at every call, and the host waits for all work
    before it; here equal numbers are copied once.
    """
    if is_compiled() or not is_plain(like):  # it would stay for later
        return like.new_tensor(tuple(values))
    return _constant(tuple(values), like.dtype, like.device)


def is_plain(x: Tensor) -> bool:
    """Whether a tensor is no subclass that fakes one: those have no numbers."""
    return type(x) in (Tensor, nn.Parameter)


@lru_cache(maxsize=1024)
def _constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # it may become part of a graph later
        return torch.tensor(values, dtype=dtype, device=device)
