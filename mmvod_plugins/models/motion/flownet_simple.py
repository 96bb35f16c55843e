"""FlowNetS: optical flow from two stacked images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional

from mmvod_plugins.checkpoints.flownet import rename_flownet

#: The coarsest and the finest flow that the decoder refines, as powers of two of its input.
COARSEST, FINEST = 6, 2


@dataclass
class Motion:
    """Displacement from a key frame to reference frames.

    Attributes:
        flow: (N, 2, h, w), x then y, in cells of its own grid: where in the reference frame to
            look for what is seen at a position of the key frame.
        scale: (N, C, h, w), factors for warped maps of C channels (DFF), or None.
    """

    flow: Tensor
    scale: Tensor | None = None

    def __getitem__(self, frames: slice) -> Motion:
        """The motion to some of the reference frames."""
        return Motion(self.flow[frames], None if self.scale is None else self.scale[frames])


@MODELS.register_module()
class FlowNetSimple(BaseModule):
    """FlowNetS (Dosovitskiy et al., ICCV 2015) on frames of half the size, as FGFA and DFF use it.

    The names of the weights are those of MMTracking; files of mega.pytorch's FlowNetS are
    translated while they are loaded. Defaults are MMTracking's; mega.pytorch's are
    ``channel_order='bgr', downsample='average', output='stride_16', decoder_bias=True`` and its
    own ``input_mean``.

    Args:
        input_mean: Mean of the network's input, in 0..1, in the order of ``channel_order``.
        channel_order: Order of the colours that the network was trained on, whatever the detector
            sees.
        downsample: How images are halved: ``'bilinear'``, or ``'average'`` of 2 x 2 pixels.
        output: ``'image'``: flow at the size of the frame, eight times enlarged; ``'stride_16'``:
            predicted from averaged features, at a sixteenth of it.
        flow_scale: Factor of the predicted numbers; they are in cells of stride 8 then.
        base_channels: Width of the first layer.
        decoder_bias: Whether flow predictions and transposed convolutions have a bias.
        scale_channels: Channels of DFF's scale map; None for none. Needs ``'stride_16'``.
        img_norm: No longer an option; a config that has it is refused with what replaces it.
        init_cfg: Initial weights. Without, predictions start near zero: a still world.

    Raises:
        ValueError: If an option is not known, or a scale map is wanted of a flow of another size.
    """

    def __init__(self,  # noqa: PLR0913 - where the published programs differ
                 input_mean: Sequence[float] = (0.411, 0.432, 0.450),
                 *,
                 channel_order: Literal['rgb', 'bgr'] = 'rgb',
                 downsample: Literal['bilinear', 'average'] = 'bilinear',
                 output: Literal['image', 'stride_16'] = 'image',
                 flow_scale: float = 5.0,
                 base_channels: int = 64,
                 decoder_bias: bool = False,
                 scale_channels: int | None = None,
                 img_norm: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if img_norm is not None:
            raise ValueError('motion.img_norm is no longer needed: the model undoes the '
                             'normalisation of its own data preprocessor. Replace it by '
                             f'input_mean={img_norm.get("input_mean")} (RGB in 0..1), and '
                             "channel_order='bgr' where the flow network takes BGR")
        if len(input_mean) != 3 or channel_order not in ('rgb', 'bgr'):
            raise ValueError("input_mean needs three numbers and channel_order 'rgb' or 'bgr', got "
                             f'{input_mean} and {channel_order!r}')
        if downsample not in ('bilinear', 'average') or output not in ('image', 'stride_16'):
            raise ValueError("downsample must be 'bilinear' or 'average' and output 'image' or "
                             f"'stride_16', got {downsample!r} and {output!r}")
        if scale_channels is not None and output != 'stride_16':
            raise ValueError("scale_channels needs output='stride_16', where the scale map is "
                             f'predicted, got output={output!r}')
        self.downsample = downsample
        self.output = output
        self.flow_scale = flow_scale
        self.channel_order = channel_order
        mean = torch.tensor(input_mean, dtype=torch.float32).view(1, 3, 1, 1)
        self.register_buffer('input_mean', mean, persistent=False)
        widths = [base_channels * k for k in (1, 2, 4, 8, 8, 16)]
        self._build_encoder(widths)
        self._build_decoder(widths, decoder_bias)
        self.predict_scale = None
        if scale_channels is not None:
            self.predict_scale = nn.Conv2d(self.predict_flow.in_channels, scale_channels, 1,
                                           bias=False)
        self._register_load_state_dict_pre_hook(_translate_published)

    def _build_encoder(self, widths: list[int]) -> None:
        """Six levels, each half as large as the one before."""
        before = 6
        for level, width in enumerate(widths, start=1):
            kernel = {1: 7, 2: 5, 3: 5}.get(level, 3)
            layers = [_conv(before, width, kernel, stride=2)]
            if level > 2:
                layers.append(_conv(width, width, 3))
            self.add_module(f'conv{level}', nn.Sequential(*layers))
            before = width

    def _build_decoder(self, widths: list[int], bias: bool) -> None:
        """From level to level: a flow, enlarged with the features that refine it."""
        features = widths[COARSEST - 1]
        for level in range(COARSEST - 1, FINEST - 1, -1):
            width = widths[level - 2]
            self.add_module(f'predict_flow{level + 1}', _plain(features, 2, 'Conv2d', bias))
            self.add_module(f'upsample_flow{level}', _plain(2, 2, 'deconv', bias))
            self.add_module(f'deconv{level}', _plain(features, width, 'deconv', bias, act=True))
            features = widths[level - 1] + width + 2
        self.add_module('predict_flow', _plain(features, 2, 'Conv2d', bias))

    def init_weights(self) -> None:
        """Initial weights; without an ``init_cfg`` flows near zero. Scales start at one.

        A file of a flow network that has no scale map leaves it there.
        """
        if self.predict_scale is not None:
            nn.init.zeros_(self.predict_scale.weight)
        super().init_weights()
        if self.init_cfg is not None:
            return
        for name, module in self.named_modules():
            if name.startswith('predict_flow') and isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=1e-3)

    def prepare(self, image: Tensor, img_shape: tuple[int, int]) -> Tensor:
        """The network's input of a frame, computed once however often the frame is used.

        Args:
            image: (N, 3, H, W), RGB pixels in 0..255.
            img_shape: Height and width without padding.

        Returns:
            (N, 3, ceil(H / 2), ceil(W / 2)) (bilinear: rounded down), 0 where there is padding.
        """
        pixels = image.flip(1) if self.channel_order == 'bgr' else image
        inputs = pixels / 255 - self.input_mean
        inputs[..., img_shape[0]:, :].zero_()
        inputs[..., img_shape[1]:].zero_()
        if self.downsample == 'average':
            return functional.avg_pool2d(inputs, 2, ceil_mode=True, count_include_pad=False)
        return functional.interpolate(inputs, scale_factor=0.5, mode='bilinear',
                                      align_corners=False)

    def forward(self, key: Tensor, references: Tensor) -> Motion:
        """Flow from a key frame to reference frames.

        Args:
            key: (1, 3, h, w) or (N, 3, h, w), from :meth:`prepare`.
            references: (N, 3, h, w).

        Returns:
            Motion from key to references; h and w of its grid are those of the frame (rounded
            up to a multiple of 8 of its half), or a sixteenth.
        """
        features = self._decode(self._encode(torch.cat([key.expand_as(references), references],
                                                       dim=1)))
        if self.output == 'stride_16':
            features = functional.avg_pool2d(features, 2, ceil_mode=True, count_include_pad=False)
            scale = None if self.predict_scale is None else self.predict_scale(features) + 1
            return Motion(self.predict_flow(features) * (self.flow_scale * 8 / 16), scale)
        flow = functional.interpolate(self.predict_flow(features), scale_factor=8,
                                      mode='bilinear', align_corners=False)
        return Motion(flow * (8 * self.flow_scale))

    def _encode(self, pairs: Tensor) -> list[Tensor]:
        """Features of the levels 1 to 6."""
        levels = []
        for level in range(1, COARSEST + 1):
            pairs = getattr(self, f'conv{level}')(pairs)
            levels.append(pairs)
        return levels

    def _decode(self, levels: list[Tensor]) -> Tensor:
        """Features of level 2, a quarter of the input, with the flow of level 3."""
        features = levels[-1]
        for level in range(COARSEST - 1, FINEST - 1, -1):
            skip = levels[level - 1]
            height, width = skip.shape[-2:]
            flow = getattr(self, f'predict_flow{level + 1}')(features)
            flow = getattr(self, f'upsample_flow{level}')(flow)[..., :height, :width]
            up = getattr(self, f'deconv{level}')(features)[..., :height, :width]
            features = torch.cat([skip, up, flow], dim=1)
        return features


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> ConvModule:
    return ConvModule(in_channels, out_channels, kernel, stride, (kernel - 1) // 2, bias=True,
                      act_cfg=dict(type='LeakyReLU', negative_slope=0.1))


def _plain(in_channels: int, out_channels: int, kind: str, bias: bool,
           act: bool = False) -> ConvModule:
    """A prediction (3 x 3), or a transposed convolution that doubles the size (4 x 4)."""
    act_cfg: dict[str, Any] | None = dict(type='LeakyReLU', negative_slope=0.1) if act else None
    size = dict(kernel_size=4, stride=2) if kind == 'deconv' else dict(kernel_size=3)
    return ConvModule(in_channels, out_channels, padding=1, bias=bias, act_cfg=act_cfg,
                      conv_cfg=dict(type=kind), **size)


def _translate_published(state_dict: dict[str, Any], prefix: str, *_: object) -> None:
    """Take the weights of the flow network from what a file holds."""
    if not prefix:
        renamed = rename_flownet(state_dict)
        state_dict.clear()
        state_dict.update(renamed)
