"""Attention between all cells of all frames of a clip (MST, eqs. 4 to 6)."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional


class FrameAttention(BaseModule):
    """Adds to every cell a weighted sum of the cells of all frames: F'' = A V + F' (eq. 6).

    The matrix of all pairs, 88,000 by 88,000 for 37 maps of 38 x 63 cells, is never held: torch's
    fused attention goes through it in blocks.

    Args:
        channels: Of the maps.
        num_heads: Heads; their results are concatenated, without a projection after them. The
            paper does not say how many: 16, as in its proposal level.
        reduction: Side, in cells, of the squares that keys and values are averaged over; 1 for
            the paper's.
        init_cfg: Initial weights; by default those of queries and keys are Xavier's, so that
            attention has something to learn from, and those of values small (Gaussian, 0.01), so
            that maps stay nearly as they are until it has.

    Raises:
        ValueError: If ``channels`` is no multiple of ``num_heads``, or ``reduction`` below 1.
    """

    def __init__(self,
                 channels: int,
                 num_heads: int = 16,
                 *,
                 reduction: int = 1,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg or dict(
            type='Xavier', layer='Conv2d', distribution='uniform',
            override=dict(type='Normal', name='value', std=0.01)))
        if channels % num_heads or reduction < 1:
            raise ValueError('channels must be a multiple of num_heads and reduction at least 1, '
                             f'got {channels}, {num_heads} and {reduction}')
        self.num_heads = num_heads
        self.reduction = reduction
        self.query = nn.Conv2d(channels, channels, 1)
        self.key = nn.Conv2d(channels, channels, 1)
        self.value = nn.Conv2d(channels, channels, 1)

    def project(self, maps: Tensor) -> Tensor:
        """Keys and values of maps (T, C, H, W), which no other frame changes: (T, 2 C, h, w)."""
        if self.reduction > 1:
            maps = functional.avg_pool2d(maps, self.reduction, ceil_mode=True,
                                         count_include_pad=False)
        return torch.cat([self.key(maps), self.value(maps)], dim=1)

    def forward(self, maps: Tensor, projected: Tensor) -> Tensor:
        """Enhance the maps of some frames of a clip.

        Args:
            maps: (N, C, H, W).
            projected: Keys and values of all T frames of the clip, (T, 2 C, h, w).

        Returns:
            (N, C, H, W).
        """
        number, _, height, width = maps.shape
        found = functional.scaled_dot_product_attention(
            self._heads(self.query(maps)), *map(self._heads, projected.chunk(2, dim=1)))
        # (1, heads, N H W, C / heads) back to maps
        found = found[0].unflatten(1, (number, height * width)).permute(1, 0, 3, 2)
        return maps + found.flatten(1, 2).unflatten(2, (height, width))

    def weights(self, cells: Tensor, projected: Tensor) -> Tensor:
        """The weights of some cells to all, averaged over the heads; to be looked at.

        Args:
            cells: Features of N cells, (N, C).
            projected: Keys and values of all T frames of the clip, (T, 2 C, h, w).

        Returns:
            (N, T, h, w); they sum to one for every cell.
        """
        keys = projected.chunk(2, dim=1)[0]
        query = self._heads(self.query(cells.T[None, :, :, None]))
        logits = query @ self._heads(keys).mT / query.shape[-1]**0.5
        return logits.softmax(-1)[0].mean(0).unflatten(1, (len(keys), *keys.shape[-2:]))

    def _heads(self, maps: Tensor) -> Tensor:
        """Cells of maps (T, C, h, w) as rows of every head, (1, heads, T h w, C / heads).

        Of one map this would be a view, whose strides torch's fused attention does not take: it
        would fall back to the form that holds the matrix.
        """
        rows = maps.unflatten(1, (self.num_heads, -1)).permute(1, 0, 3, 4, 2).flatten(1, 3)
        return rows.contiguous()[None]
