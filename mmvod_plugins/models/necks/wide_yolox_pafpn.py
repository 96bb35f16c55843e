"""YOLOX's pyramid on a backbone whose maps are narrower or wider than its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcv.cnn import ConvModule
from mmdet.models.layers import CSPLayer
from mmdet.models.necks import YOLOXPAFPN
from mmdet.registry import MODELS


@MODELS.register_module()
class WideYOLOXPAFPN(YOLOXPAFPN):
    """The pyramid of YOLOV++ with Swin-Base, ``n`` channels on a backbone with ``b``.

    mmdet's pyramid has the channels of its backbone. Here the layers that see the backbone map
    its channels: ``b3 -> n2`` first, then blocks of ``n2 + b2 -> n2`` and ``n1 + b1 -> n1``.

    Args:
        backbone_channels: b, of every map.
        in_channels: n, of every level, as mmdet's pyramid takes them.
        out_channels: Of every output.
        kwargs: As mmdet's.
    """

    def __init__(self, backbone_channels: Sequence[int], in_channels: Sequence[int],
                 out_channels: int, **kwargs: Any) -> None:  # noqa: ANN401 - mmdet's
        super().__init__(list(in_channels), out_channels, **kwargs)
        if len(backbone_channels) != len(in_channels):
            raise ValueError(f'backbone_channels has {len(backbone_channels)} levels, in_channels '
                             f'{len(in_channels)}')
        layers = dict(norm_cfg=kwargs.get('norm_cfg', dict(type='BN', momentum=0.03, eps=0.001)),
                      act_cfg=kwargs.get('act_cfg', dict(type='Swish')))
        self.reduce_layers[0] = ConvModule(backbone_channels[-1], in_channels[-2], 1, **layers)
        for i, level in enumerate(range(len(in_channels) - 2, -1, -1)):
            self.top_down_blocks[i] = CSPLayer(
                in_channels[level] + backbone_channels[level], in_channels[level],
                num_blocks=kwargs.get('num_csp_blocks', 3), add_identity=False,
                use_depthwise=kwargs.get('use_depthwise', False), **layers)
