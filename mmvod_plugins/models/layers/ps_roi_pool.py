"""Position-sensitive RoI pooling (R-FCN, eq. 1): each bin of a RoI reads its own channels."""

from __future__ import annotations

import torch
from mmcv.ops import roi_align
from mmdet.registry import MODELS
from torch import Tensor, nn

from mmvod_plugins.utils.constants import constant
from mmvod_plugins.utils.precision import at_least_float32


def ps_roi_pool(maps: Tensor, rois: Tensor, grid_size: int, spatial_scale: float) -> Tensor:
    """Average the cells of each bin, as R-FCN's ``PSROIPooling`` does.

    Corners are rounded to whole pixels, both belong to the RoI, and a bin takes every cell that it
    touches. A bin without a cell on the map (outside of the image) is zero.

    A box whose corners are whole cells is sampled by ``roi_align`` (aligned, adaptive) once in the
    middle of every cell, so the average is exact.

    Args:
        maps: (B, C k k, H, W), channel ``(c k + i) k + j`` for bin row i and column j.
        rois: (N, 5), batch index and (x1, y1, x2, y2) in pixels.
        grid_size: k, bins along a side.
        spatial_scale: Cells per pixel.

    Returns:
        (N, C, k, k), in the type of ``maps``.
    """
    limit = constant((maps.shape[-1], maps.shape[-2]), rois)
    corners = (rois[:, 1:].sign() * (rois[:, 1:].abs() + 0.5).floor()).unflatten(1, (2, 2))
    start, end = corners[:, 0] * spatial_scale, (corners[:, 1] + 1) * spatial_scale
    step = (end - start).clamp(min=0.1) / grid_size
    bins = torch.arange(grid_size, device=rois.device, dtype=rois.dtype)[:, None]
    low = (bins * step[:, None] + start[:, None]).floor()  # (N, k, 2)
    high = ((bins + 1) * step[:, None] + start[:, None]).ceil()
    low = torch.minimum(low.clamp(min=0), limit)
    high = torch.minimum(high.clamp(min=0), limit)
    return _pool_bins(maps, rois[:, 0], low, high, sampling_ratio=0)


def ps_roi_align(maps: Tensor, rois: Tensor, grid_size: int, spatial_scale: float,
                 sampling_ratio: int = 2) -> Tensor:
    """Average bilinear samples of each bin; nothing is rounded (RoIAlign's half-pixel shift).

    Args:
        maps: As in :func:`ps_roi_pool`.
        rois: As in :func:`ps_roi_pool`.
        grid_size: k, bins along a side.
        spatial_scale: Cells per pixel.
        sampling_ratio: Samples along a side of a bin, 0 for as many as it spans cells.

    Returns:
        (N, C, k, k), in the type of ``maps``.
    """
    corners = rois[:, 1:].unflatten(1, (2, 2)) * spatial_scale
    start = corners[:, 0]
    step = (corners[:, 1] - start).clamp(min=0) / grid_size
    bins = torch.arange(grid_size, device=rois.device, dtype=rois.dtype)[:, None]
    low = bins * step[:, None] + start[:, None]
    return _pool_bins(maps, rois[:, 0], low, low + step[:, None], sampling_ratio)


def _pool_bins(maps: Tensor, batch: Tensor, low: Tensor, high: Tensor,
               sampling_ratio: int) -> Tensor:
    """One ``roi_align`` call: k x k groups of channels as images, every bin as a RoI of its own.

    Args:
        maps: (B, C k k, H, W).
        batch: (N,), image of each RoI.
        low: (N, k, 2), lower x and y of bin columns and rows, in cells.
        high: (N, k, 2), upper ones.
        sampling_ratio: Of ``roi_align``.
    """
    num_rois, k = low.shape[:2]
    if not num_rois:  # no kernel for a grid of no blocks; the maps stay in the graph
        return maps[:0, :, 0, 0].unflatten(1, (-1, k, k))
    # Half precision cannot count the images (2,049 = 2,048), and roi_align knows no bfloat16.
    exact = at_least_float32(maps)
    groups = exact.unflatten(1, (-1, k * k)).transpose(1, 2).flatten(0, 1).contiguous()
    cells = torch.arange(k * k, device=low.device)
    rows, columns = cells // k, cells % k
    boxes = torch.stack([
        batch[:, None] * k * k + cells, low[:, columns, 0], low[:, rows, 1], high[:, columns, 0],
        high[:, rows, 1]
    ], dim=-1)
    pooled = roi_align(groups, boxes.flatten(0, 1).to(exact), 1, 1.0, sampling_ratio, 'avg', True)
    return pooled.view(num_rois, k, k, groups.shape[1]).permute(0, 3, 1, 2).to(maps.dtype)


class _PSRoILayer(nn.Module):
    """Base class of both layers.

    Args:
        grid_size: k, bins along a side.
        featmap_stride: Pixels per cell.
    """

    def __init__(self, grid_size: int = 7, featmap_stride: int = 16) -> None:
        super().__init__()
        self.grid_size = grid_size
        self.featmap_stride = featmap_stride

    def extra_repr(self) -> str:
        """Settings, for printing."""
        return f'grid_size={self.grid_size}, featmap_stride={self.featmap_stride}'

    def _check(self, maps: Tensor) -> None:
        if maps.shape[1] % self.grid_size**2:
            raise ValueError(
                f'{type(self).__name__}(grid_size={self.grid_size}) needs maps of a multiple of '
                f'{self.grid_size**2} channels, got {maps.shape[1]}: give the box head and its '
                'pooling layer the same grid_size')


@MODELS.register_module()
class PSRoIPool(_PSRoILayer):
    """Layer of :func:`ps_roi_pool`, the published average pooling; arguments as there."""

    def forward(self, maps: Tensor, rois: Tensor) -> Tensor:
        """Pool ``maps`` (B, C k k, H, W) at ``rois`` (N, 5): (N, C, k, k)."""
        self._check(maps)
        return ps_roi_pool(maps, rois.float(), self.grid_size, 1 / self.featmap_stride)


@MODELS.register_module()
class PSRoIAlign(_PSRoILayer):
    """Layer of :func:`ps_roi_align`, the aligned bilinear variant.

    Args:
        grid_size: k, bins along a side.
        featmap_stride: Pixels per cell.
        sampling_ratio: Samples along a side of a bin, 0 for as many as it spans cells.
    """

    def __init__(self, grid_size: int = 7, featmap_stride: int = 16,
                 sampling_ratio: int = 2) -> None:
        super().__init__(grid_size, featmap_stride)
        self.sampling_ratio = sampling_ratio

    def forward(self, maps: Tensor, rois: Tensor) -> Tensor:
        """Pool ``maps`` (B, C k k, H, W) at ``rois`` (N, 5): (N, C, k, k)."""
        self._check(maps)
        return ps_roi_align(maps, rois.float(), self.grid_size, 1 / self.featmap_stride,
                            self.sampling_ratio)
