"""Deformable alignment of feature maps (MST, section III-B)."""

from __future__ import annotations

import torch
from mmcv.ops import deform_conv2d
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional

from mmvod_plugins.utils.forms import on_gpu
from mmvod_plugins.utils.precision import at_least_float32

#: Offsets of a 3 x 3 kernel: dy, dx of every tap, row by row.
OFFSETS = 18


def deform_conv(maps: Tensor, offsets: Tensor, weight: Tensor) -> Tensor:
    """A 3 x 3 convolution that samples at moved places (MST, eq. 2; Dai et al., ICCV 2017).

    It is mmcv's operation; on a CPU :func:`sampled_conv`, which is about eight times faster there.

    Args:
        maps: (N, C, H, W); outside of the map everything is 0.
        offsets: (N, 18 G, H, W): for each of G groups of channels and each tap, row by row, how
            far down and to the right of its place it samples, in cells.
        weight: (C', C, 3, 3).

    Returns:
        (N, C', H, W), of the type of ``maps``; computed in single precision at least.
    """
    height, width = maps.shape[-2:]
    # mmcv refuses maps that are smaller than the kernel; zeros are what lies outside
    padding = (0, max(3 - width, 0), 0, max(3 - height, 0))
    exact, moved = (functional.pad(at_least_float32(part), padding) for part in (maps, offsets))
    operation = mmcv_conv if on_gpu(maps) else sampled_conv
    with torch.autocast(maps.device.type, enabled=False):
        found = operation(exact, moved.to(exact), weight.to(exact))
    return found[..., :height, :width].to(maps.dtype)


def mmcv_conv(maps: Tensor, offsets: Tensor, weight: Tensor) -> Tensor:
    """:func:`deform_conv` by mmcv, for any number of maps of at least 3 x 3 cells."""
    return deform_conv2d(maps, offsets, weight, 1, 1, 1, 1, offsets.shape[1] // OFFSETS, False, 1)


def sampled_conv(maps: Tensor, offsets: Tensor, weight: Tensor) -> Tensor:
    """:func:`deform_conv` by ``grid_sample``, one map after the other; maps of 2 x 2 cells or more.

    The positions are rounded on their way, by about 1e-6 of a cell in single precision.
    """
    height, width = maps.shape[-2:]
    groups = offsets.shape[1] // OFFSETS
    y, x = (torch.arange(size, device=maps.device, dtype=maps.dtype) for size in (height, width))
    tap = torch.arange(-1, 2, device=maps.device, dtype=maps.dtype)
    # places of the taps without offsets, (9, H, 1) and (9, 1, W)
    y = y[:, None] + tap.repeat_interleave(3).view(9, 1, 1)
    x = x + tap.repeat(3).view(9, 1, 1)
    found = []
    for single, offset in zip(maps, offsets, strict=True):
        moved = offset.unflatten(0, (groups, 9, 2))
        places = torch.stack([2 * (x + moved[:, :, 1]) / (width - 1) - 1,
                              2 * (y + moved[:, :, 0]) / (height - 1) - 1], dim=-1)
        sampled = functional.grid_sample(
            single.unflatten(0, (groups, -1)), places.flatten(1, 2), mode='bilinear',
            padding_mode='zeros', align_corners=True)
        found.append(weight.flatten(1) @ sampled.reshape(-1, height * width))
    return torch.stack(found).unflatten(2, (height, width))


class DAlign(BaseModule):
    """Aligns maps of support frames with that of a key frame (MST, eqs. 1 to 3).

    Two deformable layers on the concatenated maps of key and support frame predict offsets Theta;
    two deformable layers apply them to the support map. The layers that predict get offsets of
    their own from ordinary convolutions of their input. There is no activation.

    With 3 x 3 layers of 1024 channels this has 28 to 38 M parameters; the paper's table IV says
    1.956 M. So both pairs are bottlenecks here: with 44 channels in their middle they have 1.968 M,
    with 43 1.931 M. Offsets are zero at first. Where the second pair is no bottleneck it starts as
    the identity, so that a trained detector stays as it is until the offsets are trained.

    Args:
        channels: Of the maps.
        predict_channels: Between the two layers that predict.
        apply_channels: Between the two layers that are applied.
        relu_between: Whether ReLU follows the first layer of both pairs.
        simple: The form of the paper's figure 3: an ordinary convolution predicts, one deformable
            layer is applied (eqs. 1 and 2 alone).
        init_cfg: Initial weights.
    """

    def __init__(self,
                 channels: int,
                 predict_channels: int = 44,
                 apply_channels: int = 44,
                 *,
                 relu_between: bool = False,
                 simple: bool = False,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if min(channels, predict_channels, apply_channels) < 1:
            raise ValueError('channels, predict_channels and apply_channels must be at least 1, '
                             f'got {channels}, {predict_channels} and {apply_channels}')
        self.relu_between = relu_between
        self.simple = simple
        self.first_offsets = nn.Conv2d(2 * channels, OFFSETS, 3, padding=1)
        if simple:
            self.first_apply = _weight(channels, channels)
        else:
            self.first_predict = _weight(predict_channels, 2 * channels)
            self.second_offsets = nn.Conv2d(predict_channels, OFFSETS, 3, padding=1)
            self.second_predict = _weight(OFFSETS, predict_channels)
            self.first_apply = _weight(apply_channels, channels)
            self.second_apply = _weight(channels, apply_channels)
        self._set_initial_weights()

    def project(self, maps: Tensor) -> Tensor:
        """The shares of maps in the first offsets, which no other frame changes.

        Args:
            maps: (N, C, H, W).

        Returns:
            (N, 36, H, W): as key frame, then as support frame.
        """
        weight = torch.cat(self.first_offsets.weight.chunk(2, dim=1))
        bias = torch.cat([torch.zeros_like(self.first_offsets.bias), self.first_offsets.bias])
        return functional.conv2d(maps, weight, bias, padding=1)

    def offsets(self, key: Tensor, supports: Tensor, key_projected: Tensor | None = None,
                supports_projected: Tensor | None = None) -> Tensor:
        """Theta (eq. 1) of every pair of the key frame and a support frame.

        Args:
            key: (1, C, H, W).
            supports: (N, C, H, W).
            key_projected: :meth:`project` of the key frame's map, if it is known.
            supports_projected: Of the support frames' maps, likewise.

        Returns:
            (N, 18, H, W).
        """
        if key_projected is None:
            key_projected = self.project(key)
        if supports_projected is None:
            supports_projected = self.project(supports)
        first = key_projected[:, :OFFSETS] + supports_projected[:, OFFSETS:]
        if self.simple:
            return first
        pairs = torch.cat([key.expand_as(supports), supports], dim=1)
        hidden = self._between(deform_conv(pairs, first, self.first_predict))
        return deform_conv(hidden, self.second_offsets(hidden), self.second_predict)

    def forward(self, key: Tensor, supports: Tensor, key_projected: Tensor | None = None,
                supports_projected: Tensor | None = None) -> Tensor:
        """Align support frames; the arguments are those of :meth:`offsets`.

        Returns:
            (N, C, H, W).
        """
        theta = self.offsets(key, supports, key_projected, supports_projected)
        aligned = deform_conv(supports, theta, self.first_apply)
        if self.simple:
            return aligned
        return deform_conv(self._between(aligned), theta, self.second_apply)

    def _between(self, hidden: Tensor) -> Tensor:
        return hidden.relu() if self.relu_between else hidden

    def _set_initial_weights(self) -> None:
        for conv in (self.first_offsets, getattr(self, 'second_offsets', None)):
            if conv is not None:
                nn.init.zeros_(conv.weight)
                nn.init.zeros_(conv.bias)
        if not self.simple:
            nn.init.kaiming_uniform_(self.first_predict, nonlinearity='linear')
            nn.init.zeros_(self.second_predict)
        applied = [self.first_apply] if self.simple else [self.first_apply, self.second_apply]
        whole = all(min(weight.shape[:2]) >= self.first_apply.shape[1] for weight in applied)
        for weight in applied:
            if whole:
                nn.init.dirac_(weight)
            else:
                nn.init.kaiming_uniform_(weight, nonlinearity='linear')


def _weight(out_channels: int, in_channels: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(out_channels, in_channels, 3, 3))
