"""Position-sensitive scores and boxes of R-FCN."""

from __future__ import annotations

from typing import Any

from mmdet.models.roi_heads.bbox_heads import BBoxHead
from mmdet.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class PositionSensitiveConv(nn.Conv2d):
    """A 1 x 1 convolution to k x k groups of outputs, one group for each bin of a RoI.

    It takes the arguments of the linear layer whose place it takes in mmdet's ``BBoxHead``.

    Args:
        in_features: Input channels.
        out_features: Outputs C; there are C k k channels, ``(c k + i) k + j`` for bin (i, j).
        grid_size: k.
    """

    def __init__(self, in_features: int, out_features: int, grid_size: int = 7) -> None:
        super().__init__(in_features, out_features * grid_size**2, 1)


@MODELS.register_module()
class RFCNBBoxHead(BBoxHead):
    """Scores and boxes of a RoI are averages over its k x k bins: "voting" (R-FCN, section 2.2).

    Losses and decoding are mmdet's.

    Args:
        in_channels: Channels of the map.
        num_classes: Classes without the background.
        grid_size: k.
        reg_class_agnostic: One box for all classes (published) or one for each class.
        reg_background: Whether class-agnostic maps also have four channels for the boxes of the
            background, which come first and are never used: the published layout, 8 k k channels.
        **kwargs: Of mmdet's ``BBoxHead``: ``bbox_coder``, ``loss_cls``, ``loss_bbox``...

    Raises:
        ValueError: If ``reg_background`` is asked for with boxes for each class.
    """

    def __init__(self,
                 in_channels: int = 512,
                 num_classes: int = 30,
                 grid_size: int = 7,
                 *,
                 reg_class_agnostic: bool = True,
                 reg_background: bool = False,
                 **kwargs: Any) -> None:  # noqa: ANN401 handed on to BBoxHead
        if reg_background and not reg_class_agnostic:
            raise ValueError('reg_background=True belongs to reg_class_agnostic=True: boxes for '
                             'each class have no background')
        conv = dict(type='PositionSensitiveConv', grid_size=grid_size)
        super().__init__(in_channels=in_channels, roi_feat_size=1, num_classes=num_classes,
                         reg_class_agnostic=reg_class_agnostic, cls_predictor_cfg=conv,
                         reg_predictor_cfg=dict(conv), **kwargs)
        self.grid_size = grid_size
        self.num_unused = 4 if reg_background else 0
        if reg_background:
            self.fc_reg = PositionSensitiveConv(in_channels, 8, grid_size)

    def position_maps(self, feat: Tensor) -> tuple[Tensor, Tensor]:
        """Position-sensitive maps of ``feat`` (B, C, H, W).

        Returns:
            Scores (B, (K + 1) k k, H, W), the background last, and box deltas (B, 4 k k, H, W),
            or 8 or 4 K in place of 4.
        """
        return self.fc_cls(feat), self.fc_reg(feat)

    def forward(self, scores: Tensor, deltas: Tensor) -> tuple[Tensor, Tensor]:
        """Vote.

        Args:
            scores: (N, K + 1, k, k), pooled at N RoIs.
            deltas: (N, 4, k, k), or 8 or 4 K.

        Returns:
            Logits (N, K + 1) and deltas (N, 4) or (N, 4 K).
        """
        return scores.mean((2, 3)), deltas[:, self.num_unused:].mean((2, 3))
