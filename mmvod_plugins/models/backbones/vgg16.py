"""VGG-16 without its last convolution."""

from __future__ import annotations

from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

#: Convolutions of the stages, and their width in units of the first stage's.
STAGES = ((2, 1), (2, 2), (3, 4), (3, 8), (2, 8))


@MODELS.register_module()
class VGG16(BaseModule):
    """VGG-16 up to conv5_2 and its ReLU, at a stride of 16; conv5_3 is :class:`VGGNeck`'s.

    Layers are named ``features.N`` as in torchvision, so ImageNet weights load by
    ``init_cfg=dict(type='Pretrained', ...)``. Pooling rounds sizes up, as in Caffe.

    Args:
        frozen_stages: How many stages do not learn; Fast R-CNN freezes two.
        base_channels: Width of the first stage, 64 except in small models.
        init_cfg: Initial weights; Kaiming's by default.
    """

    def __init__(self, frozen_stages: int = 2, base_channels: int = 64,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg or dict(type='Kaiming', layer='Conv2d'))
        layers: list[nn.Module] = []
        channels, frozen = 3, 0
        for stage, (num_convs, width) in enumerate(STAGES):
            if stage:
                layers.append(nn.MaxPool2d(2, stride=2, ceil_mode=True))
            for _ in range(num_convs):
                layers += [nn.Conv2d(channels, width * base_channels, 3, padding=1),
                           nn.ReLU(inplace=True)]
                channels = width * base_channels
            if stage < frozen_stages:
                frozen = len(layers)
        self.features = nn.Sequential(*layers)
        self.features[:frozen].requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """The map of conv5_2, (B, 8 ``base_channels``, H / 16, W / 16), of images (B, 3, H, W)."""
        return (self.features(x), )
