"""Temporal RoI Align (Gong et al., AAAI 2021)."""

from __future__ import annotations

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional


@MODELS.register_module()
class TemporalRoIAlign(BaseModule):
    """Enhances pooled RoI features of the key frame with the maps of reference frames.

    1. *Most similar RoI Align*: every cell of a RoI finds the ``num_points`` cells of each
       reference map that are the most similar to it (cosine, anywhere in the map), and takes their
       mean, weighted by the softmax of the similarities.
    2. *Temporal attention*: the RoI's own features and those of every reference are averaged cell
       by cell, with weights from embedded features, for each block of channels on its own.

    Step 1 reads the maps where they are: nothing depends on a cell's position. RoIs are
    independent, so they are worked off in portions.

    Args:
        channels: Channels of the maps and of the pooled features.
        num_points: Most similar cells of a reference map.
        num_heads: Blocks of channels of the temporal attention, MMTracking's
            ``num_temporal_attention_blocks``; 0 for the plain mean without weights.
        portion: Values computed at once (similarities of cells of the RoIs and cells of the maps;
            transposed embeddings), which bounds the memory of a step while testing: 2**25 are
            134 MB.
        init_cfg: Initial weights.
    """

    def __init__(self,
                 channels: int = 512,
                 num_points: int = 2,
                 num_heads: int = 4,
                 *,
                 portion: int = 2**25,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg or dict(type='Xavier', layer='Conv2d', distribution='uniform'))
        if num_points < 1 or num_heads < 0 or (num_heads and channels % num_heads):
            raise ValueError('num_points must be at least 1 and channels a multiple of num_heads, '
                             f'got {num_points}, {channels} and {num_heads}')
        self.num_points = num_points
        self.num_heads = num_heads
        self.portion = portion
        self.embed = nn.Conv2d(channels, channels, 3, padding=1) if num_heads else None

    def forward(self, roi_feats: Tensor, maps: Tensor) -> Tensor:
        """Enhance pooled features.

        Args:
            roi_feats: Pooled features of the key frame's RoIs, (N, C, h, w).
            maps: One map of every reference frame, (K, C, H, W); repeated frames count again.

        Returns:
            (N, C, h, w); the pooled features themselves without references.
        """
        if not len(roi_feats) or not len(maps):
            return roi_feats + 0 * sum(p.sum() for p in self.parameters())
        # How many RoIs are worked off at once: a cell of a RoI has a row in the table of
        # similarities, and its embedding is transposed for each offset and block.
        values = max(maps[:, 0].numel(), 9 * self.num_heads * maps.shape[1])
        portions = roi_feats.split(max(self.portion // (values * roi_feats[0, 0].numel()), 1))
        # (K, H * W, C), in this order, or each portion would make its own copies
        cells = maps.flatten(2).transpose(1, 2).contiguous()
        directions = functional.normalize(cells, dim=2)
        return torch.cat([
            self.attend(part, most_similar(part, cells, directions, self.num_points))
            for part in portions
        ])

    def attend(self, roi_feats: Tensor, similar: Tensor) -> Tensor:
        """Average RoI features over time.

        Args:
            roi_feats: (N, C, h, w), of the key frame.
            similar: (N, h, w, K, C), what :func:`most_similar` gave for K references.

        Returns:
            (N, C, h, w).
        """
        own = roi_feats.permute(0, 2, 3, 1)
        if self.embed is None:
            return torch.cat([own.unsqueeze(3), similar], 3).mean(3).permute(0, 3, 1, 2)
        # a softmax over the frames for every cell and block of channels
        weights = self.logits(roi_feats, similar).softmax(3).to(similar.dtype)
        # A block of channels takes the mean with its own weights. The means of all channels with
        # the weights of all blocks cost little, and the features stay as they lie in memory.
        means = (weights[..., 1:, :].mT @ similar).unflatten(4, (self.num_heads, -1))
        mean = means.diagonal(dim1=3, dim2=4).movedim(-1, 3)  # (N, h, w, heads, C / heads)
        mean = mean + weights[..., 0, :, None] * own.unflatten(3, (self.num_heads, -1))
        return mean.flatten(3).permute(0, 3, 1, 2)

    def logits(self, roi_feats: Tensor, similar: Tensor) -> Tensor:
        """Scaled products of the key's embedded features with every frame's, block by block.

        The convolution runs on the key's features alone. A product with an embedded reference is
        ``<conv(S) + b, E> = <S, conv^T(E)> + <b, E>`` at each cell, so the transposed kernel is
        applied to the key's embedding E once and not the kernel to each of the K references.

        Args:
            roi_feats: (N, C, h, w), of the key frame.
            similar: (N, h, w, K, C), of the references.

        Returns:
            (N, h, w, K + 1, heads), the key frame first.
        """
        height, width = roi_feats.shape[2:]
        embedded = self.embed(roi_feats).permute(0, 2, 3, 1).unflatten(3, (self.num_heads, -1))
        # <E, E> of the key frame with itself, and <b, E>, which every reference has
        own = embedded.square().sum(4).unsqueeze(3)
        bias = (embedded * self.embed.bias.view(self.num_heads, -1)).sum(4).unsqueeze(3)
        # For each offset of the kernel a product of (heads, C) with the references that lie there,
        # all offsets in one, as they read the references, which are the largest. The embedding
        # moves to them, and the small products back: (9 heads, cells, C / heads), then (..., C).
        offsets = [(y, x) for y in range(3) for x in range(3)]
        around = functional.pad(embedded, (0, 0, 0, 0, 1, 1, 1, 1))
        moved = torch.stack([around[:, 2 - y:2 - y + height, 2 - x:2 - x + width]
                             for y, x in offsets]).flatten(1, 3).transpose(1, 2).flatten(0, 1)
        kernel = self.embed.weight.unflatten(0, (self.num_heads, -1)).permute(3, 4, 0, 1, 2)
        transposed = moved @ kernel.flatten(0, 2)
        there = (similar.flatten(0, 2) @ transposed.permute(1, 2, 0)).unflatten(2, (9, -1))
        there = there.view(*similar.shape[:4], *there.shape[2:])
        products = functional.pad(bias.expand(*similar.shape[:4], self.num_heads),
                                  (0, 0, 0, 0, 1, 1, 1, 1))
        for (y, x), part in zip(offsets, there.unbind(4), strict=True):
            products[:, 2 - y:2 - y + height, 2 - x:2 - x + width] += part
        products = products[:, 1:-1, 1:-1]
        return torch.cat([own, products], dim=3) / embedded.shape[4]**0.5


def most_similar(roi_feats: Tensor, cells: Tensor, directions: Tensor, num_points: int) -> Tensor:
    """RoI features made of the most similar cells of every reference map.

    Args:
        roi_feats: (N, C, h, w).
        cells: Cells of K maps, (K, H * W, C).
        directions: The same with length 1; cells of zeros stay zeros, similar to nothing.
        num_points: Cells that are taken of a map; all of them where a map has fewer.

    Returns:
        (N, h, w, K, C).
    """
    num_rois, channels, height, width = roi_feats.shape
    num_maps, num_cells, _ = cells.shape
    queries = functional.normalize(roi_feats.permute(0, 2, 3, 1).reshape(-1, channels), dim=1)
    similarities = (queries @ directions.flatten(0, 1).T).view(-1, num_maps, num_cells)
    best, indices = similarities.topk(min(num_points, num_cells), dim=2)
    # indices are within a map: shift them to rows of all maps together
    indices = indices + num_cells * torch.arange(num_maps, device=indices.device)[:, None]
    mean = functional.embedding_bag(
        indices.flatten(0, 1), cells.flatten(0, 1), mode='sum',
        per_sample_weights=best.softmax(2).to(cells.dtype).flatten(0, 1))
    return mean.view(num_rois, height, width, num_maps, channels)
