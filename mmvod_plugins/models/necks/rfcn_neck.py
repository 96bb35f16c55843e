"""From conv5 to the map that R-FCN's head reads."""

from __future__ import annotations

from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor


@MODELS.register_module()
class RFCNNeck(BaseModule):
    """Convolutions between a dilated conv5 and the head of R-FCN, as in STMN's program.

    3 x 3 with dilation 6, 1 x 1, and ``last_conv``, 3 x 3, each followed by a ReLU. STMN puts its
    two memory modules in the place of ``last_conv``; the RPN reads conv4.

    Args:
        in_channels: Channels of conv5.
        mid_channels: Channels after the dilated convolution.
        out_channels: Channels of the other two.
        dilation: Of the first convolution.
        last_conv: Whether the last convolution is there; False where a temporal neck replaces it
            and gets the map before it.
        init_cfg: Initial weights; the convolutions start from Kaiming's by themselves.
    """

    def __init__(self,
                 in_channels: int = 2048,
                 mid_channels: int = 512,
                 out_channels: int = 1024,
                 dilation: int = 6,
                 *,
                 last_conv: bool = True,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.dilated_conv = ConvModule(in_channels, mid_channels, 3, padding=dilation,
                                       dilation=dilation)
        self.expand_conv = ConvModule(mid_channels, out_channels, 1)
        self.last_conv = None
        if last_conv:
            self.last_conv = ConvModule(out_channels, out_channels, 3, padding=1)

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Maps of the two stages of a detector.

        Args:
            feats: Conv4 and conv5, (B, C, H, W) each; of one stride as published.

        Returns:
            Conv4 unchanged for the RPN, and (B, ``out_channels``, H, W) for the RoI head.

        Raises:
            ValueError: If there are not two maps.
        """
        if len(feats) != 2:
            raise ValueError(f'RFCNNeck takes two maps, conv4 and conv5, got {len(feats)}: set '
                             'out_indices=(2, 3) in the backbone')
        conv4, conv5 = feats
        feat = self.expand_conv(self.dilated_conv(conv5))
        return conv4, feat if self.last_conv is None else self.last_conv(feat)
