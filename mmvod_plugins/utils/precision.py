"""How code runs: steps that need single precision or no gradient, and code that is traced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """Convert half precision to single precision; other tensors stay as they are."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def is_compiled() -> bool:
    """Whether torch traces the code, to compile or to export it.

    Buffers that are used again and chunks that fit a cache serve eager execution alone.
    """
    compiler = getattr(torch, 'compiler', None)  # torch 2.0 has no ``is_compiling``
    return compiler is not None and hasattr(compiler, 'is_compiling') and compiler.is_compiling()


@contextmanager
def no_grad_and_uncached() -> Iterator[None]:
    """Disable gradients, and clear autocast's cache so that weights get gradients later.

    Autocast caches the half precision copy of a weight until it ends. Older versions of torch also
    cache copies made under ``no_grad``; a later step that uses one gives the weight no gradient.
    """
    with torch.no_grad():
        yield
    if torch.is_grad_enabled():
        torch.clear_autocast_cache()
