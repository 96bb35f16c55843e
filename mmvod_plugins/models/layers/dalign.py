"""Deformable alignment of feature maps (MST, section III-B)."""

from __future__ import annotations

import torch
from mmcv.ops import deform_conv2d
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional

from mmvod_plugins.utils.forms import on_gpu
from mmvod_plugins.utils.precision import at_least_float32, without_autocast

#: Taps of a 3 x 3 kernel, and their offsets: dy, dx of every tap, row by row.
TAPS, OFFSETS = 9, 18


def deform_conv(maps: Tensor, offsets: Tensor, weight: Tensor) -> Tensor:
    """A 3 x 3 convolution that samples at moved places (MST, eq. 2; Dai et al., ICCV 2017).

    A layer with fewer channels out than in is multiplied before it samples, by :func:`tap_maps` and
    :func:`sum_of_taps`: both steps are linear, and there are fewer values to sample. Others are
    mmcv's operation; on a CPU :func:`sampled_conv`, which is about eight times faster there.

    Args:
        maps: (N, C, H, W); outside of the map everything is 0.
        offsets: (N, 18 G, H, W): for each of G groups of channels and each tap, row by row, how
            far down and to the right of its place it samples, in cells.
        weight: (C', C, 3, 3).

    Returns:
        (N, C', H, W), of the type of ``maps``; computed in single precision at least.
    """
    if offsets.shape[1] == OFFSETS and weight.shape[0] < weight.shape[1]:
        return sum_of_taps(tap_maps(maps, weight), offsets).to(maps.dtype)
    operation = mmcv_conv if on_gpu(maps) else sampled_conv
    exact, moved = at_least_float32(maps), at_least_float32(offsets)
    with without_autocast(maps):
        return operation(exact, moved.to(exact), weight.to(exact)).to(maps.dtype)


def tap_maps(maps: Tensor, weight: Tensor) -> Tensor:
    """What each tap of a 3 x 3 layer makes of every cell, which no offset changes.

    Args:
        maps: (N, C, H, W).
        weight: (C', C, 3, 3).

    Returns:
        (N, 9 C', H, W), tap by tap, row by row; in single precision at least.
    """
    exact = at_least_float32(maps)
    matrices = weight.permute(2, 3, 0, 1).flatten(0, 2)[..., None, None]
    with without_autocast(maps):
        return functional.conv2d(exact, matrices.to(exact))


def sum_of_taps(taps: Tensor, offsets: Tensor) -> Tensor:
    """Sum over the taps of what each of them samples at its moved place.

    Args:
        taps: :func:`tap_maps`, (N, 9 C', H, W).
        offsets: (N, 18, H, W), as of :func:`deform_conv`.

    Returns:
        (N, C', H, W), in the precision of ``taps``.
    """
    places = sampling_places(offsets.to(taps)).flatten(0, 1)
    sampled = functional.grid_sample(taps.unflatten(1, (TAPS, -1)).flatten(0, 1), places,
                                     mode='bilinear', padding_mode='zeros', align_corners=False)
    return sampled.unflatten(0, (-1, TAPS)).sum(1)


def mmcv_conv(maps: Tensor, offsets: Tensor, weight: Tensor) -> Tensor:
    """:func:`deform_conv` by mmcv, for any number of maps."""
    height, width = maps.shape[-2:]
    # mmcv refuses maps that are smaller than the kernel; zeros are what lies outside
    padding = (0, max(3 - width, 0), 0, max(3 - height, 0))
    maps, offsets = (functional.pad(part, padding) for part in (maps, offsets))
    found: Tensor = deform_conv2d(maps, offsets, weight, 1, 1, 1, 1, offsets.shape[1] // OFFSETS,
                                  False, 1)
    return found[..., :height, :width]


def sampled_conv(maps: Tensor, offsets: Tensor, weight: Tensor) -> Tensor:
    """:func:`deform_conv` by ``grid_sample``, one map after the other."""
    size, groups = maps.shape[-2:], offsets.shape[1] // OFFSETS
    places = sampling_places(offsets.unflatten(1, (groups, OFFSETS)).flatten(0, 1))
    found = []
    for single, place in zip(maps, places.unflatten(0, (-1, groups)), strict=True):
        sampled = functional.grid_sample(
            single.unflatten(0, (groups, -1)), place.flatten(1, 2), mode='bilinear',
            padding_mode='zeros', align_corners=False)
        found.append(weight.flatten(1) @ sampled.reshape(-1, size.numel()))
    return torch.stack(found).unflatten(2, size)


def sampling_places(offsets: Tensor) -> Tensor:
    """Where taps sample, as ``grid_sample`` wants it with ``align_corners=False``.

    Places are rounded on their way, by about 1e-6 of a cell in single precision.

    Args:
        offsets: (N, 18, H, W).

    Returns:
        (N, 9, H, W, 2), x and y from -1 to 1.
    """
    height, width = offsets.shape[-2:]
    y, x, tap = (torch.arange(size, device=offsets.device, dtype=offsets.dtype)
                 for size in (height, width, 3))
    # places of the taps without offsets, (9, H, 1) and (9, 1, W)
    y = y[:, None] + (tap - 1).repeat_interleave(3).view(TAPS, 1, 1)
    x = x + (tap - 1).repeat(3).view(TAPS, 1, 1)
    down, right = offsets.unflatten(1, (TAPS, 2)).unbind(2)
    return torch.stack([(2 * (x + right) + 1) / width - 1, (2 * (y + down) + 1) / height - 1], -1)


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
        # Of a layer whose taps are no more than the map they are kept with a frame: more take more
        # memory than they save time.
        self.keeps_predict, self.keeps_apply = (
            not simple and TAPS * width <= channels for width in (predict_channels, apply_channels))
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
        """What DAlign makes of support frames whatever the key frame is.

        Their shares in the first offsets; the :func:`tap_maps` of the first layer that predicts
        and of the first that is applied, where these are no larger than the maps.

        Args:
            maps: (N, C, H, W).

        Returns:
            (N, K, H, W), K is at most 18 + 9 (``predict_channels`` + ``apply_channels``).
        """
        parts = [self._project(maps, 1)]
        if self.keeps_apply:
            parts.append(tap_maps(maps, self.first_apply))
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]

    def project_key(self, maps: Tensor) -> Tensor:
        """The same of a key frame (1, C, H, W), whatever the support frames are: (1, K', H, W)."""
        return self._project(maps, 0)

    def _project(self, maps: Tensor, role: int) -> Tensor:
        """First offsets and taps that predict, of key frames (0) or support frames (1)."""
        conv = self.first_offsets
        shares = functional.conv2d(maps, conv.weight.chunk(2, dim=1)[role],
                                   conv.bias if role else None, padding=1)
        if not self.keeps_predict:
            return shares
        return torch.cat([shares, tap_maps(maps, self.first_predict.chunk(2, dim=1)[role])], dim=1)

    def offsets(self, key: Tensor, supports: Tensor, key_projected: Tensor | None = None,
                supports_projected: Tensor | None = None) -> Tensor:
        """Theta (eq. 1) of every pair of the key frame and a support frame.

        Args:
            key: (1, C, H, W).
            supports: (N, C, H, W).
            key_projected: :meth:`project_key` of the key frame's map, if it is known.
            supports_projected: :meth:`project` of the support frames' maps, likewise.

        Returns:
            (N, 18, H, W).
        """
        own = self.project_key(key) if key_projected is None else key_projected
        other = self.project(supports) if supports_projected is None else supports_projected
        both = own + other[:, :own.shape[1]]
        first, taps = both[:, :OFFSETS], both[:, OFFSETS:]
        if self.simple:
            return first
        if self.keeps_predict:
            hidden = sum_of_taps(taps, first).to(key.dtype)
        else:
            pairs = torch.cat([key.expand_as(supports), supports], dim=1)
            hidden = deform_conv(pairs, first, self.first_predict)
        hidden = self._between(hidden)
        return deform_conv(hidden, self.second_offsets(hidden), self.second_predict)

    def forward(self, key: Tensor, supports: Tensor, key_projected: Tensor | None = None,
                supports_projected: Tensor | None = None) -> Tensor:
        """Align support frames; the arguments are those of :meth:`offsets`.

        Returns:
            (N, C, H, W).
        """
        if supports_projected is None:
            supports_projected = self.project(supports)
        theta = self.offsets(key, supports, key_projected, supports_projected)
        if self.keeps_apply:
            taps = supports_projected[:, -TAPS * len(self.first_apply):]
            aligned = sum_of_taps(taps, theta).to(supports.dtype)
        else:
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
