"""Single precision where half of it would not do."""

from __future__ import annotations

import torch
from torch import Tensor


def precise(x: Tensor) -> Tensor:
    """The tensor in single precision at least: sums and small constants need it."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
