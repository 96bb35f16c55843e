"""Anchors of the published conv4 detectors."""

from __future__ import annotations

import torch
from mmdet.models.task_modules.prior_generators import AnchorGenerator
from mmdet.registry import TASK_UTILS
from torch import Tensor


@TASK_UTILS.register_module()
class RoundedAnchorGenerator(AnchorGenerator):
    """Anchors that are rounded before they are scaled (Fast R-CNN's, and so FGFA's and MEGA's).

    A ratio turns the base box of ``stride x stride`` pixels into whole pixels (ties to even:
    23 x 12, 16 x 16 and 11 x 22 for a stride of 16); the scales then multiply these. Both corners
    belong to the box. Ratios are the outer, scales the inner loop. Arguments as mmdet's generator.
    """

    def gen_single_level_base_anchors(self,
                                      base_size: int | float,
                                      scales: Tensor,
                                      ratios: Tensor,
                                      center: tuple[float, float] | None = None) -> Tensor:
        """Anchors (A, 4) of the location (0, 0) of one level.

        Args:
            base_size: Side of the base box in pixels.
            scales: (S,), factors of the rounded boxes.
            ratios: (R,), height over width.
            center: Centre (x, y) in pixels; the middle of the base box by default.
        """
        x, y = center or (0.5 * (base_size - 1), ) * 2
        widths = torch.round(torch.sqrt(base_size**2 / ratios))
        heights = torch.round(widths * ratios)
        w = (widths[:, None] * scales).flatten()
        h = (heights[:, None] * scales).flatten()
        return torch.stack([
            x - 0.5 * (w - 1), y - 0.5 * (h - 1), x + 0.5 * (w - 1), y + 0.5 * (h - 1)
        ], dim=-1)
