"""Order of the numbers of a backbone's weights and maps in memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def use_channels_last(backbone: nn.Module) -> None:
    """Let a backbone compute with the channels of a cell side by side.

    Names, shapes and values of the weights stay, and checkpoints fit.
    """
    backbone.to(memory_format=torch.channels_last)
    return_usual_order(backbone)


def return_usual_order(part: nn.Module) -> None:
    """Let maps come out of a part in the usual order, whatever it computes with.

    What follows copies them otherwise, RoIAlign each time that it pools.
    """
    part.register_forward_hook(_in_usual_order)


def _in_usual_order(_part: nn.Module, _inputs: object, maps: Any) -> Any:  # noqa: ANN401 - nested
    if isinstance(maps, Tensor):
        return maps.contiguous()
    if type(maps) in (tuple, list):
        return type(maps)(_in_usual_order(_part, _inputs, level) for level in maps)
    return maps
