"""Box coder in which both corners belong to the box."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from mmdet.models.task_modules.coders import BaseBBoxCoder
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import HorizontalBoxes, get_box_tensor
from torch import Tensor

from mmvod_plugins.utils.constants import constant


@TASK_UTILS.register_module()
class InclusiveBoxCoder(BaseBBoxCoder):
    """Deltas between boxes whose width is ``x2 - x1 + 1`` (FGFA, RDN and MEGA's programs).

    Differs from mmdet's coders in three ways: widths and heights count both corners, decoded
    boxes are clipped to ``[0, width - 1]`` and ``[0, height - 1]``, and the logarithms are
    limited from above alone.

    Args:
        target_stds: Divisors of (dx, dy, dw, dh); (0.1, 0.1, 0.2, 0.2) are the weights
            (10, 10, 5, 5) of the published box head.
        max_log_ratio: Largest decoded dw and dh.
        use_box_type: Whether to return mmdet's box type instead of a tensor.
    """

    encode_size = 4

    def __init__(self,
                 target_stds: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
                 max_log_ratio: float = math.log(1000 / 16),
                 *,
                 use_box_type: bool = False) -> None:
        super().__init__(use_box_type=use_box_type)
        self.weights = tuple(1 / std for std in target_stds)
        self.max_log_ratio = max_log_ratio

    def encode(self, bboxes: Tensor, gt_bboxes: Tensor) -> Tensor:
        """Deltas (N, 4) that turn ``bboxes`` (N, 4) into ``gt_bboxes`` (N, 4)."""
        center, shape = _center_shape(get_box_tensor(bboxes).float())
        gt_center, gt_shape = _center_shape(get_box_tensor(gt_bboxes).float())
        deltas = torch.cat([(gt_center - center) / shape, torch.log(gt_shape / shape)], dim=-1)
        return deltas * constant(self.weights, deltas)

    def decode(self,
               bboxes: Tensor,
               pred_bboxes: Tensor,
               max_shape: Sequence[int] | None = None) -> Tensor | HorizontalBoxes:
        """Apply deltas to boxes.

        Args:
            bboxes: (N, 4).
            pred_bboxes: (N, 4 K), K deltas for every box.
            max_shape: (height, width) to clip to, or None.

        Returns:
            (N, 4 K) boxes.
        """
        center, shape = _center_shape(get_box_tensor(bboxes)[:, None])
        deltas = pred_bboxes.unflatten(1, (pred_bboxes.shape[1] // 4, 4))
        deltas = deltas / constant(self.weights, deltas)
        new_center = center + deltas[..., :2] * shape
        new_shape = deltas[..., 2:].clamp(max=self.max_log_ratio).exp() * shape
        low = new_center - 0.5 * new_shape
        high = new_center + 0.5 * new_shape - 1
        if max_shape is not None:
            limit = constant((max_shape[1] - 1, max_shape[0] - 1), low)
            low = torch.minimum(low.clamp(min=0), limit)
            high = torch.minimum(high.clamp(min=0), limit)
        boxes = torch.cat([low, high], dim=-1).view_as(pred_bboxes)
        return HorizontalBoxes(boxes) if self.use_box_type else boxes


def _center_shape(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Centre (x, y) and shape (w, h) of inclusive boxes, (..., 2) each."""
    shape = boxes[..., 2:] - boxes[..., :2] + 1
    return boxes[..., :2] + 0.5 * shape, shape
