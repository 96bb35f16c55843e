"""``LocalAggregation`` of YOLOV++'s program (Shi et al., IJCV 2025): transformer blocks."""

from __future__ import annotations

import torch
from mmdet.structures.bbox import bbox_overlaps
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmvod_plugins.utils.precision import at_least_float32

from .position_embedding import location_terms, sine_embedding
from .relation import RelationModule, projected_biases

#: Numbers of the location embedding.
EMBEDDED = 64


class LocalAggregation(BaseModule):
    """Transformer blocks over the objects of a group, in place of :class:`AffinityAggregation`.

    An ablation of the published program, without published weights. A block normalises the
    embeddings x_c, x_r of classes and regression, attends, and adds a feed-forward layer of 4 C
    hidden channels, both with residuals::

        A = softmax(q k / sqrt(d))           per head
        x_c += A v_c,  x_r += A v_r
        x_c += mlp_c(norm x_c),  x_r += mlp_r(norm x_r)

    Args:
        channels: C, of one embedding.
        num_heads: Heads, of C / num_heads neighbouring channels each.
        num_blocks: Blocks.
        joint: Whether both embeddings make queries and keys and are enhanced (``reconf`` of the
            program); without it the class embeddings alone, x_r stays.
        location: Whether the logits have the term ``log(relu(W_G e_ij + b) + 1e-6)`` of
            :class:`RelationModule`.
        overlap: Whether objects attend only to those that their box overlaps, itself included.
        mixed_heads: With ``joint``: the heads' results (H, N, d) become (N, C) without a
            transposition, as in the program, so that an object gets channels of others.
        init_cfg: Initial weights.
    """

    def __init__(self,
                 channels: int,
                 num_heads: int = 4,
                 *,
                 num_blocks: int = 1,
                 joint: bool = True,
                 location: bool = False,
                 overlap: bool = False,
                 mixed_heads: bool = False,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if channels % num_heads:
            raise ValueError(f'{num_heads} heads do not divide {channels} channels')
        self.out_channels = channels
        self.overlap = overlap
        self.blocks = nn.ModuleList(
            LocalBlock(channels, num_heads, joint, location, mixed_heads and joint)
            for _ in range(num_blocks))

    def forward(self, x_cls: Tensor, x_reg: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Enhance the objects of a group.

        Args:
            x_cls: (N, C), class embeddings.
            x_reg: (N, C), regression embeddings.
            boxes: (N, 4).

        Returns:
            (N, C), the class and the regression embeddings.
        """
        boxes = at_least_float32(boxes)
        seen = bbox_overlaps(boxes, boxes) > 0 if self.overlap else None
        if seen is not None:
            seen.fill_diagonal_(True)  # boxes without an area
        for block in self.blocks:
            x_cls, x_reg = block(x_cls, x_reg, boxes, seen)
        return x_cls, x_reg


class LocalBlock(nn.Module):
    """One block of :class:`LocalAggregation`, whose arguments it has."""

    def __init__(self, channels: int, num_heads: int, joint: bool, location: bool,
                 mixed_heads: bool) -> None:
        super().__init__()
        names = ('cls', 'reg') if joint else ('cls', )
        self.num_heads = num_heads
        self.mixed_heads = mixed_heads
        self.norm1, self.value, self.norm2, self.mlp = (
            nn.ModuleDict({name: make() for name in names}) for make in (
                lambda: nn.LayerNorm(channels),
                lambda: nn.Linear(channels, channels, bias=False),
                lambda: nn.LayerNorm(channels),
                lambda: nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU(),
                                      nn.Linear(4 * channels, channels))))
        self.query_key = nn.Linear(len(names) * channels, 2 * channels, bias=False)
        self.location = nn.Linear(EMBEDDED, num_heads) if location else None

    def forward(self, x_cls: Tensor, x_reg: Tensor, boxes: Tensor,
                seen: Tensor | None) -> tuple[Tensor, Tensor]:
        """The embeddings (N, C) of classes and regression after the block.

        ``seen`` is (N, N), bool: which objects attend to which; None for all to all.
        """
        embeddings = dict(cls=x_cls, reg=x_reg)
        normed = {name: norm(embeddings[name]) for name, norm in self.norm1.items()}
        query, key = (self._heads(x) for x in
                      self.query_key(torch.cat(list(normed.values()), 1)).chunk(2, 1))
        logits = query @ key.mT / query.shape[-1]**0.5
        if self.location is not None:
            logits = logits + self._location_bias(boxes)
        if seen is not None:
            logits = logits.masked_fill(~seen, -torch.inf)
        attention = logits.softmax(-1)
        for name, x in normed.items():
            out = attention @ self._heads(self.value[name](x))
            if not self.mixed_heads:
                out = out.transpose(0, 1)
            x = embeddings[name] + out.reshape(x.shape)
            embeddings[name] = x + self.mlp[name](self.norm2[name](x))
        return embeddings['cls'], embeddings['reg']

    def _heads(self, x: Tensor) -> Tensor:
        """(H, N, d) of (N, C)."""
        return x.unflatten(1, (self.num_heads, -1)).transpose(0, 1)

    def _location_bias(self, boxes: Tensor) -> Tensor:
        """Additive bias (H, N, N) of boxes."""
        if torch.is_grad_enabled():
            embedding = sine_embedding(location_terms(boxes, boxes), EMBEDDED)
            return RelationModule.bias_of(self.location(embedding).permute(2, 0, 1))
        return projected_biases(boxes, boxes, self.location.weight, self.location.bias)
