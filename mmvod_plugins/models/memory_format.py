"""Order of the numbers of a backbone's weights and maps in memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def use_channels_last(backbone: nn.Module) -> None:
    """Let a backbone compute with the channels of a cell side by side.

    Its maps come out in the usual order: what follows copies them otherwise, RoIAlign each time
    that it pools. Names, shapes and values of the weights stay, and checkpoints fit.
    """
    backbone.to(memory_format=torch.channels_last)
    backbone.register_forward_hook(_in_usual_order)


def _in_usual_order(_backbone: nn.Module, _inputs: object,
                    maps: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
    if isinstance(maps, Tensor):
        return maps.contiguous()
    return tuple(level.contiguous() for level in maps)
