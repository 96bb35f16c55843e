"""How code runs: steps that need single precision or no gradient, and code that is traced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

_P, _R = ParamSpec('_P'), TypeVar('_R')


def at_least_float32(x: Tensor) -> Tensor:
    """Convert half precision to single precision; other tensors stay as they are."""
    return x if x.dtype in (torch.float32, torch.float64) else x.to(
        torch.promote_types(x.dtype, torch.float32))


def uses_autocast(x: Tensor) -> bool:
    """Whether autocast is on for the device of a tensor; ``meta`` knows none."""
    if x.device.type == 'meta':
        return False
    if hasattr(torch.amp, 'is_autocast_available'):
        return torch.is_autocast_enabled(x.device.type)
    # before torch 2.4 there is a function for each of the two kinds of devices
    return torch.is_autocast_cpu_enabled() if x.device.type == 'cpu' \
        else torch.is_autocast_enabled()


def without_autocast(x: Tensor) -> AbstractContextManager:
    """Code that computes in the types of its tensors, on the device of one of them."""
    return torch.autocast(x.device.type, enabled=False) if uses_autocast(x) else nullcontext()


def predict_in_float32(head: nn.Module) -> None:
    """Let a head give float32 to what decodes its output, while testing.

    mmdet makes anchors in the precision of a dense head's maps, and so boxes in mixed precision:
    pixels from 256 on are then multiples of 2 in bfloat16, from 1024 on whole numbers in float16.
    The boxes of a transformer are rounded within its head; they become float32 for what follows.

    Args:
        head: Whose ``forward`` returns tensors, in lists and tuples.
    """
    head.register_forward_hook(_in_float32)


def _in_float32(head: nn.Module, _: object, maps: Any) -> Any:  # noqa: ANN401 - of any head
    # losses have anchors of their own, in float32
    return None if head.training else _converted(maps)


def _converted(maps: Any) -> Any:  # noqa: ANN401 - tensors in lists and tuples
    if isinstance(maps, Tensor):
        return at_least_float32(maps)
    return type(maps)(map(_converted, maps)) if isinstance(maps, list | tuple) else maps


def is_compiled() -> bool:
    """Whether torch traces the code, to compile or to export it.

    Buffers that are used again and chunks that fit a cache serve eager execution alone.
    """
    # not in torch 2.1
    return hasattr(torch.compiler, 'is_compiling') and torch.compiler.is_compiling()


def outside_compiled_code(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """A function that runs as it is written where compiled code calls it.

    Torch's compiler is imported for it, which takes a second.
    """
    return torch.compiler.disable(function)


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
