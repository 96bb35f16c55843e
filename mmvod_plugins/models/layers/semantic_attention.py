"""Attention between objects by appearance alone (SELSA)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from .masked_attention import attention


class SemanticAttention(BaseModule):
    """Multi-head attention from objects to reference objects, with an output layer.

    SELSA (eq. 2-4) weights reference proposals by the similarity of embedded features. This is
    its published form: 16 heads, scaled by the root of their width, softmax over the references.

    Args:
        channels: Width of the features.
        num_heads: Heads, MMTracking's ``num_attention_blocks``.
        init_cfg: Initial weights; torch's by default.
    """

    def __init__(self,
                 channels: int = 1024,
                 num_heads: int = 16,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if channels % num_heads:
            raise ValueError(f'channels must be a multiple of num_heads, got {channels} and '
                             f'{num_heads}')
        self.num_heads = num_heads
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, feats: Tensor, reference_feats: Tensor | None = None,
                projected: Sequence[Tensor] | None = None,
                valid: Tensor | None = None) -> Tensor:
        """Sum of reference features that is added to the objects.

        Args:
            feats: Objects, (N, C).
            reference_feats: Reference objects, (M, C); their order does not matter.
            projected: :meth:`project` of them, which is computed otherwise.
            valid: (M,), bool, the rows that are objects; None: all.

        Returns:
            (N, C), to be added to ``feats`` by the caller; zeros without references.
        """
        projected = self.project(reference_feats) if projected is None else projected
        if not len(feats) or not projected[0].shape[2]:
            # a share in every parameter: distributed training wants a gradient from each process
            return torch.zeros_like(feats) + 0 * sum(p.sum() for p in self.parameters())
        added = attention(self._heads(self.query(feats)), *projected, valid=valid)
        # (1, heads, N, C / heads) back to (N, C)
        return self.out(added[0].transpose(0, 1).flatten(1))

    def project(self, feats: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (1, heads, M, C / heads) of reference objects (M, C)."""
        return self._heads(self.key(feats)), self._heads(self.value(feats))

    def _heads(self, feats: Tensor) -> Tensor:
        """Split (N, C) into (1, heads, N, C / heads)."""
        width = feats.shape[1] // self.num_heads
        return feats.view(len(feats), self.num_heads, width).transpose(0, 1)[None]
