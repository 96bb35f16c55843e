"""Saliency of feature maps as pictures (STMN, figure 4)."""

from __future__ import annotations

import cv2
import numpy as np
from torch import Tensor

from .drawing import to_numpy


def saliency(maps: Tensor) -> np.ndarray:
    """L2 norm over the channels of maps (N, C, H, W): (N, H, W), float32."""
    return to_numpy(maps.float().norm(dim=1))


def draw_saliency(values: np.ndarray, shape: tuple[int, int], low: float,
                  high: float) -> np.ndarray:
    """Draw a map at the size of its frame, dark for low and bright for high values.

    Args:
        values: (H, W).
        shape: (height, width) of the picture; cells stay visible as squares.
        low: This value and smaller ones are drawn darkest.
        high: This value and larger ones are drawn brightest.

    Returns:
        (height, width, 3) uint8, BGR.
    """
    span = max(high - low, 1e-12)
    levels = np.rint(255 * np.clip((np.asarray(values) - low) / span, 0, 1)).astype(np.uint8)
    large = cv2.resize(levels, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)
    return cv2.applyColorMap(large, cv2.COLORMAP_INFERNO)
