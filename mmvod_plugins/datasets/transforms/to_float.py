"""Images as float32, as mmdet's loader gives them where it is asked to."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ImageToFloat32(BaseTransform):
    """What ``LoadImageFromFile(to_float32=True)`` does after reading, for images in memory."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Convert ``img``, (H, W, 3), to float32 in 0..255."""
        return dict(results, img=results['img'].astype(np.float32))
