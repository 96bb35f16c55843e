"""Where a map has large values, as a picture (STMN, figure 4)."""

from __future__ import annotations

import cv2
import numpy as np
from torch import Tensor

from .drawing import to_numpy


def saliency(maps: Tensor) -> np.ndarray:
    """The L2 norm over the channels of maps (N, C, H, W): (N, H, W), in single precision."""
    return to_numpy(maps.float().norm(dim=1))


def draw_saliency(values: np.ndarray, shape: tuple[int, int], low: float,
                  high: float) -> np.ndarray:
    """A map as a picture of the size of its frame: dark where it is low, bright where it is high.

    Args:
        values: (H, W).
        shape: (height, width) of the picture. Cells stay visible, as squares.
        low: What is drawn darkest; smaller values, too.
        high: What is drawn brightest; larger values, too.

    Returns:
        (height, width, 3) uint8, BGR.
    """
    span = max(high - low, 1e-12)
    levels = np.rint(255 * np.clip((np.asarray(values) - low) / span, 0, 1)).astype(np.uint8)
    large = cv2.resize(levels, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)
    return cv2.applyColorMap(large, cv2.COLORMAP_INFERNO)
