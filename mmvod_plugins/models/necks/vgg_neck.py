"""The last convolution of VGG-16."""

from __future__ import annotations

from typing import Any

from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from mmvod_plugins.checkpoints import take_renamed

#: conv5_3 in torchvision's (and mmdet's Caffe) files.
CONV5_3 = {'features.28.': 'last_conv.conv.'}


@MODELS.register_module()
class VGGNeck(BaseModule):
    """Conv5_3 of VGG-16 with its ReLU, apart from the backbone since STMN replaces it.

    ``init_cfg=dict(type='Pretrained', ...)`` takes conv5_3 from a whole VGG-16.

    Args:
        in_channels: Channels of conv5_2.
        out_channels: Channels of conv5_3.
        last_conv: Whether the convolution is there; False where a temporal neck replaces it.
        init_cfg: Initial weights; Kaiming's without it.
    """

    def __init__(self,
                 in_channels: int = 512,
                 out_channels: int = 512,
                 *,
                 last_conv: bool = True,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.last_conv = None
        if last_conv:
            self.last_conv = ConvModule(in_channels, out_channels, 3, padding=1)
        self._register_load_state_dict_pre_hook(self._from_vgg16)

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor]:
        """The map of the RoI head from that of conv5_2, (B, C, H, W) each."""
        return (feats[-1] if self.last_conv is None else self.last_conv(feats[-1]), )

    def _from_vgg16(self, state_dict: dict[str, Any], prefix: str, *_: object) -> None:
        take_renamed(state_dict, prefix, CONV5_3 if self.last_conv is not None else {})
