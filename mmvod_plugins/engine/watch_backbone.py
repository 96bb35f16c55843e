"""A check of the numbers that a model computes while it detects."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmvod_plugins.utils.precision import is_compiled, outside_compiled_code


def watch_backbone(model: nn.Module) -> None:
    """Make a video detector refuse NaN in its backbone's maps, as it would detect nothing.

    Training is left to the check of the losses. Other models stay as they are.
    """
    backbone = getattr(getattr(model, 'detector', None), 'backbone', None)
    if backbone is not None:
        compiled = getattr(backbone, '_compiled_call_impl', None) is not None
        backbone.register_forward_hook(outside_compiled_code(_check) if compiled else _check)


def _check(backbone: nn.Module, _: object, maps: Tensor | tuple[Tensor, ...]) -> None:
    if backbone.training or is_compiled():  # traced maps have no numbers
        return
    levels = [maps] if isinstance(maps, Tensor) else maps
    # A maximum is NaN where any value is, and takes a pass without a second map; a device's host
    # waits once for all levels.
    if torch.stack([level.amax() for level in levels]).isnan().any():
        raise FloatingPointError(
            f'the backbone ({type(backbone).__name__}) gives NaN: nothing would be detected. Check '
            'the checkpoint (an earlier one may be right), mean and std of the data '
            'preprocessor, and the precision')
