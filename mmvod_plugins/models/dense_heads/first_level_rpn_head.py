"""An RPN on one of several maps."""

from __future__ import annotations

from mmdet.models.dense_heads import RPNHead
from mmdet.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class FirstLevelRPNHead(RPNHead):
    """mmdet's RPN on the first map alone: conv4 of R-FCN, whose other map is the RoI head's."""

    def forward(self, x: tuple[Tensor, ...]) -> tuple[list[Tensor], list[Tensor]]:
        """Objectness and deltas of the first map; see mmdet's ``RPNHead``."""
        return super().forward(x[:1])
