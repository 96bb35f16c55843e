"""mmcv's RoIAlign, fast on a CPU."""

from __future__ import annotations

import torch
from mmcv.ops import RoIAlign
from torch import Tensor, nn
from torch.nn import functional

from mmvod_plugins.utils.constants import constant
from mmvod_plugins.utils.forms import on_processor
from mmvod_plugins.utils.precision import is_compiled

#: Cells of a map for each bin of all RoIs from which mmcv's operation is as fast.
CELLS_PER_BIN = 4


class CPURoIAlign(RoIAlign):
    """RoIAlign whose bins are weighted sums of cells, all channels of a cell at once.

    mmcv's operation goes through the channels one by one on a CPU, which takes four to ten times as
    long. Sums have another order, so results differ by rounding, and a copy of the map and places
    of the samples take memory. On other devices, for maxima, in other precisions and where there
    are too few RoIs for a copy of the map it is mmcv's own.
    """

    def forward(self, maps: Tensor, rois: Tensor) -> Tensor:
        """Pool RoIs.

        Args:
            maps: (B, C, H, W).
            rois: (N, 5), index of the map and box in pixels.

        Returns:
            (N, C, h, w).
        """
        if not self._pays(maps, rois):
            return super().forward(maps, rois)
        offset = 0.5 if self.aligned else 0.0
        batch, boxes = rois[:, 0].long(), rois[:, 1:].detach() * self.spatial_scale - offset
        start, size = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
        if not self.aligned:
            size = size.clamp(min=1)
        if not ((size >= 0) & size.isfinite()).all():
            return super().forward(maps, rois)  # which says what is wrong
        height, width = self.output_size
        bins = size / constant((width, height), size)
        grid = bins.ceil()
        if self.sampling_ratio > 0:
            grid = torch.full_like(bins, self.sampling_ratio)
        # (B H W, C); torch transposes a matrix several times as fast as maps
        tables = [single.flatten(1).T.contiguous() for single in maps]
        cells = tables[0] if len(tables) == 1 else torch.cat(tables)
        most = grid.amax(1)
        out = cells.new_empty(len(rois), cells.shape[1], height * width)
        for count in most.unique():  # one, or as many as the RoIs have sizes
            rows = (most == count).nonzero()[:, 0]
            pooled = _pooled(cells, batch[rows], start[rows], bins[rows], grid[rows],
                             maps.shape[-2:], self.output_size)
            out.index_copy_(0, rows, pooled.transpose(1, 2))
        return out.unflatten(2, (height, width))

    def _pays(self, maps: Tensor, rois: Tensor) -> bool:
        height, width = self.output_size
        return (on_processor(maps) and maps.dtype in (torch.float32, torch.float64)
                and rois.dtype == maps.dtype and self.pool_mode == 'avg'
                and not (self.use_torchvision or is_compiled() or torch.jit.is_tracing())
                and len(rois) * height * width * CELLS_PER_BIN
                > maps.shape[0] * maps.shape[2] * maps.shape[3])


def use_cpu_roi_align(detector: nn.Module) -> None:
    """Replace every RoIAlign of mmcv in a detector by :class:`CPURoIAlign`, in place."""
    for module in [*detector.modules()]:
        for name, layer in module.named_children():
            if type(layer) is RoIAlign:
                setattr(module, name, CPURoIAlign(
                    layer.output_size, layer.spatial_scale, layer.sampling_ratio, layer.pool_mode,
                    layer.aligned, layer.use_torchvision))


def _pooled(cells: Tensor, batch: Tensor, start: Tensor, bins: Tensor, grid: Tensor,
            shape: tuple[int, int], output_size: tuple[int, int]) -> Tensor:
    """Bins (N, h w, C) of N RoIs.

    Args:
        cells: (B H W, C).
        batch: (N,), index of the map.
        start: (N, 2), x and y of the RoIs in cells.
        bins: (N, 2), width and height of a bin.
        grid: (N, 2), samples in a bin in both directions.
        shape: H and W.
        output_size: h and w.
    """
    most = grid.amax(0).int().tolist()
    if min(most) == 0:  # RoIs without an area
        return cells.new_zeros(len(batch), output_size[0] * output_size[1], cells.shape[1])
    (x, x_weights), (y, y_weights) = (
        _samples(start[:, i], bins[:, i], grid[:, i], most[i], output_size[1 - i], shape[1 - i])
        for i in (0, 1))
    # (N, h, w, samples of y, samples of x)
    index = batch.view(-1, 1, 1, 1, 1) * shape[0] * shape[1] \
        + y[:, :, None, :, None] * shape[1] + x[:, None, :, None]
    weights = y_weights[:, :, None, :, None] * x_weights[:, None, :, None]
    found = functional.embedding_bag(index.flatten(3).flatten(0, 2), cells, mode='sum',
                                     per_sample_weights=weights.flatten(3).flatten(0, 2))
    return found.unflatten(0, (len(batch), -1))


def _samples(start: Tensor, size: Tensor, grid: Tensor, most: int, bins: int,
             cells: int) -> tuple[Tensor, Tensor]:
    """Cells and weights along an axis that the samples of every bin lie between.

    Args:
        start: (N,), of the RoIs.
        size: (N,), of a bin.
        grid: (N,), samples of a bin.
        most: The largest of them.
        bins: Bins of a RoI.
        cells: Of the map.

    Returns:
        (N, bins, 2 most) each.
    """
    number, sample = (torch.arange(count, dtype=start.dtype, device=start.device)
                      for count in (bins, most))
    start, size, grid = (part[:, None, None] for part in (start, size, grid))
    # the order of mmcv's operations, for places that are equal to the last bit
    place = start + number[:, None] * size + (sample + 0.5) * size / grid.clamp(min=1)
    # outside of the map by more than a cell, and beyond the samples of a RoI, nothing counts
    counts = (place >= -1) & (place <= cells) & (sample < grid)
    place = torch.where(counts, place.clamp(0, cells - 1), 0)
    low = place.floor()
    share = place - low
    low = low.long()
    weights = torch.stack([1 - share, share], -1) * (counts / grid.clamp(min=1))[..., None]
    return torch.stack([low, (low + 1).clamp(max=cells - 1)], -1).flatten(2), weights.flatten(2)
