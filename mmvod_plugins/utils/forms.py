"""Which of two forms of a step runs: the one for processors or the one for devices.

Both give the same. A processor gains by little memory at a time and by what was computed before, a
GPU by few and large operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

_forced = False


def on_processor(x: Tensor) -> bool:
    """Whether a step on a tensor takes the form for processors."""
    return x.device.type == 'cpu' and not _forced


def on_gpu(x: Tensor) -> bool:
    """Whether a step on a tensor takes the form that needs kernels of mmcv, or a GPU's many cores.

    Other devices than CPUs and GPUs take neither this form nor that of :func:`on_processor`.
    """
    return x.is_cuda or _forced


def frames_at_once(maps: Tensor, count: int, portion: int) -> int:
    """How many of some frames with maps like these a step takes at once.

    On a processor without gradients as few as need little memory, which is taken and cleared anew
    for each step where freed memory is not kept; elsewhere all.

    Args:
        maps: Of one frame, (1, C, H, W).
        count: Number of frames.
        portion: Values of maps that a processor takes at once; of one frame at least.
    """
    if torch.is_grad_enabled() or not on_processor(maps):
        return count
    return max(portion // maps.numel(), 1)


@contextmanager
def device_forms() -> Iterator[None]:
    """Take the forms for devices on a CPU too: to test them there, and to count their operations.

    For the whole process, all threads included.
    """
    global _forced  # compiled code knows no context variables
    before, _forced = _forced, True
    try:
        yield
    finally:
        _forced = before
