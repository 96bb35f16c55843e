"""Conv5 on the whole map, then RoIAlign (FGFA, RDN, MEGA)."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet.models.backbones import ResNet
from mmdet.models.backbones.resnext import Bottleneck as ResNeXtBottleneck
from mmdet.models.layers import ResLayer
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmdet.registry import MODELS
from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm
from torch import Tensor, nn


@MODELS.register_module()
class Conv5RoIExtractor(SingleRoIExtractor):
    """A RoI extractor that first runs the fifth residual stage on the conv4 map.

    The stage keeps the stride of conv4 (16) and dilates its 3 x 3 convolutions instead, so RPN
    and temporal necks work on conv4 while RoI features come from conv5: "the stride of the first
    block of conv5 is 1, the dilation 2" (MEGA, section 4.2). As an extractor it fits stock mmdet
    detectors and RoI heads.

    Args:
        roi_layer: RoI pooling layer.
        depth: Depth of the ResNet or ResNeXt.
        out_channels: Channels of a 1 x 1 convolution with ReLU after the stage (the published
            R-50 models use 256), or None for none (R-101).
        featmap_strides: Stride of the map, one level.
        dilation: Of the 3 x 3 convolutions in every block.
        style: Where a stride would sit; it has none here, kept for the weights' layout.
        base_channels: Width of the ResNet's stem, 64 except in toy models.
        groups: Groups of a ResNeXt, 1 for a ResNet.
        base_width: Width per group of a ResNeXt.
        norm_cfg: Normalisation; ``eps=0.`` is the published frozen batch norm.
        init_cfg: Initial weights; a pretrained backbone's ``layer4`` fits.
    """

    def __init__(self,  # noqa: PLR0913 - the settings of a residual stage and of pooling
                 roi_layer: dict,
                 depth: int = 50,
                 out_channels: int | None = 256,
                 featmap_strides: Sequence[int] = (16, ),
                 *,
                 dilation: int = 2,
                 style: str = 'caffe',
                 base_channels: int = 64,
                 groups: int = 1,
                 base_width: int = 4,
                 norm_cfg: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        block, blocks = ResNet.arch_settings[depth]
        stage_channels = base_channels * 8 * block.expansion
        super().__init__(
            roi_layer=roi_layer,
            out_channels=out_channels or stage_channels,
            featmap_strides=list(featmap_strides),
            init_cfg=init_cfg or dict(type='Kaiming', layer='Conv2d'))
        options = {}
        if groups > 1:
            block = ResNeXtBottleneck
            options = dict(groups=groups, base_width=base_width, base_channels=base_channels)
        self.layer4 = ResLayer(
            block,
            base_channels * 4 * block.expansion,
            base_channels * 8,
            blocks[3],
            stride=1,
            dilation=dilation,
            style=style,
            norm_cfg=norm_cfg or dict(type='BN', requires_grad=False),
            **options)
        self.reduction = None
        if out_channels is not None:
            self.reduction = nn.Conv2d(stage_channels, out_channels, 1)

    def forward(self,
                feats: tuple[Tensor, ...],
                rois: Tensor,
                roi_scale_factor: float | None = None) -> Tensor:
        """Pool RoIs.

        Args:
            feats: One level, (B, C, H, W).
            rois: (N, 5), batch index and box in pixels.
            roi_scale_factor: Factor of the RoIs' sizes.

        Returns:
            (N, C', h, w) with the channels of the reduction (or of the stage).
        """
        feat = self.layer4(feats[0])
        if self.reduction is not None:
            feat = self.reduction(feat).relu()
        return super().forward((feat, ), rois, roi_scale_factor)

    def train(self, mode: bool = True) -> Conv5RoIExtractor:
        """Set the mode; batch norm keeps its statistics."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self
