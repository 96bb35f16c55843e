"""The box head of Double-Head R-CNN on embeddings and pooled maps."""

from __future__ import annotations

from typing import Any

from mmdet.models.roi_heads.bbox_heads import DoubleConvFCBBoxHead
from mmdet.registry import MODELS
from mmengine.model import ModuleList
from torch import Tensor


@MODELS.register_module()
class EmbeddingDoubleBBoxHead(DoubleConvFCBBoxHead):
    """mmdet's head without its fully connected branch, which the embeddings already passed.

    Args:
        embed_channels: Width of the embeddings.
        **kwargs: As mmdet's head, ``num_fcs`` and ``fc_out_channels`` excepted.
    """

    def __init__(self, embed_channels: int = 1024,
                 **kwargs: Any) -> None:  # noqa: ANN401 - mmdet's
        super().__init__(num_fcs=1, fc_out_channels=embed_channels, **kwargs)

    def forward(self, embeddings: Tensor, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Classify embeddings, regress boxes from pooled maps; no RoI (N = 0) is allowed.

        Args:
            embeddings: (N, C).
            pooled: (N, ``in_channels``, h, w).

        Returns:
            Scores (N, classes + 1), and deltas (N, 4 x classes) or class-agnostic (N, 4).
        """
        feats = self.res_block(pooled)
        for conv in self.conv_branch:
            feats = conv(feats)
        return self.fc_cls(embeddings), self.fc_reg(self.avg_pool(feats).flatten(1))

    def _add_fc_branch(self) -> ModuleList:
        """No layers: embedding and aggregator stand in for them."""
        return ModuleList()
