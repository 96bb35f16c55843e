"""One map for both stages of a detector."""

from __future__ import annotations

from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor


@MODELS.register_module()
class SlicedNeck(BaseModule):
    """A dilated 3 x 3 convolution with ReLU after conv5, whose map is cut into slices of channels.

    R-FCN of OGEMN (section 4.1), FGFA and DFF: 2048 to 1024 channels; the first 512 are the RPN's
    (:class:`FirstLevelRPNHead`), the last 512 the RoI head's. The papers do not say the dilation;
    FGFA's program has 6.

    Args:
        in_channels: Channels of conv5, the last map of the backbone.
        out_channels: Channels of all slices together.
        dilation: Of the convolution.
        num_slices: How many slices of equal width.
        init_cfg: Initial weights; the convolution starts from Kaiming's by itself.

    Raises:
        ValueError: If the slices do not divide the channels.
    """

    def __init__(self,
                 in_channels: int = 2048,
                 out_channels: int = 1024,
                 dilation: int = 6,
                 *,
                 num_slices: int = 2,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if num_slices < 1 or out_channels % num_slices:
            raise ValueError(f'neck.out_channels is {out_channels}, expected a multiple of '
                             f'num_slices, {num_slices}')
        self.num_slices = num_slices
        self.conv = ConvModule(in_channels, out_channels, 3, padding=dilation, dilation=dilation)

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Slices (B, ``out_channels / num_slices``, H, W) from the last of the backbone's maps."""
        return self.conv(feats[-1]).chunk(self.num_slices, dim=1)
