"""Gradient-free steps within a training step with mixed precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def without_graph() -> Iterator[None]:
    """``torch.no_grad()`` that clears autocast's cache, so that weights get gradients later.

    Autocast caches the half precision copy of a weight until it ends. Older versions of torch also
    cache copies made under ``no_grad``; a later step that uses one gives the weight no gradient.
    """
    with torch.no_grad():
        yield
    if torch.is_grad_enabled():
        torch.clear_autocast_cache()
