"""Resizing of YOLOX's own program."""

from __future__ import annotations

from typing import Any

import mmcv
from mmdet.datasets.transforms import Resize
from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class TruncatingResize(Resize):
    """mmdet's ``Resize(keep_ratio=True)`` with sides that are truncated, not rounded.

    Boxes are scaled by the exact ratio, on both axes. Follow it by ``Pad(size=..., pad_val=114)``
    for the frames of YOLOX, YOLOV and YOLOV++ as published.

    Args:
        scale: (width, height) that the frame must fit into.
    """

    def __init__(self, scale: tuple[int, int], **kwargs: Any) -> None:  # noqa: ANN401 - mmdet's
        super().__init__(scale=scale, keep_ratio=True, **kwargs)

    def _resize_img(self, results: dict) -> None:
        height, width = results['img'].shape[:2]
        ratio = min(self.scale[0] / width, self.scale[1] / height)
        size = int(width * ratio), int(height * ratio)
        results['img'] = mmcv.imresize(results['img'], size, interpolation=self.interpolation,
                                       backend=self.backend)
        results['img_shape'] = results['img'].shape[:2]
        results['scale_factor'] = (ratio, ratio)
        results['keep_ratio'] = True
