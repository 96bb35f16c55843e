"""From pooled RoI features to the embeddings of objects."""

from __future__ import annotations

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn


@MODELS.register_module()
class RoIEmbedding(BaseModule):
    """A fully connected layer on pooled features (1024-d in the published detectors).

    Args:
        in_channels: Channels of the pooled features.
        roi_feat_size: Their side.
        out_channels: Width of the embedding.
        activation: Whether ReLU follows (MEGA, RDN) or not (SELSA).
        init_cfg: Initial weights.
    """

    def __init__(self,
                 in_channels: int = 256,
                 roi_feat_size: int = 7,
                 out_channels: int = 1024,
                 *,
                 activation: bool = True,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg or dict(type='Xavier', layer='Linear', distribution='uniform'))
        self.fc = nn.Linear(in_channels * roi_feat_size**2, out_channels)
        self.activation = activation

    def forward(self, roi_feats: Tensor) -> Tensor:
        """Embed pooled features (N, C, h, w) as (N, D)."""
        feats = self.fc(roi_feats.flatten(1))
        return torch.relu(feats) if self.activation else feats
