"""Steps without graph in the middle of a training step with mixed precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def without_graph() -> Iterator[None]:
    """``torch.no_grad()`` after which weights still get their gradient under autocast.

    Autocast keeps the half precision copy of a weight until it ends. Older versions of torch keep
    one that was made without graph too, and what uses it later gives the weight no gradient.
    """
    with torch.no_grad():
        yield
    if torch.is_grad_enabled():
        torch.clear_autocast_cache()
