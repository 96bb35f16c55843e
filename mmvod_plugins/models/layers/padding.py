"""Maps of a frame without what batching with larger frames added."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor
from torch.nn import functional

from mmvod_plugins.structures import Maps


def without_padding(maps: Maps, metainfo: dict[str, Any]) -> Maps:
    """Crop the maps of a frame to its own part.

    Args:
        maps: Maps of one frame, (1, C, H, W) each.
        metainfo: Its ``pad_shape`` and ``batch_input_shape``, (height, width) in pixels; without
            them the maps stay as they are.
    """
    own, whole = (metainfo.get(name) for name in ('pad_shape', 'batch_input_shape'))
    if own is None or whole is None or tuple(own[:2]) == tuple(whole):
        return maps
    return tuple(
        level[..., :math.ceil(own[0] * level.shape[2] / whole[0]),
              :math.ceil(own[1] * level.shape[3] / whole[1])] for level in maps)


def with_padding(part: Tensor, whole: Tensor) -> Tensor:
    """A map with zeros where the batch has padding, as large as ``whole``."""
    height, width = (whole.shape[i] - part.shape[i] for i in (2, 3))
    return part if height == width == 0 else functional.pad(part, (0, width, 0, height))
