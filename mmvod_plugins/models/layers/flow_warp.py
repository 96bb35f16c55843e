"""Sample reference maps where a flow points."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from mmvod_plugins.utils.constants import constant
from mmvod_plugins.utils.forms import on_processor
from mmvod_plugins.utils.precision import at_least_float32

#: How positions are handed to ``grid_sample``; see :func:`flow_warp`.
Grid = Literal['exact', 'mega.pytorch', 'mmtracking']
GRIDS: tuple[str, ...] = get_args(Grid)


def check_grid(grid: str) -> None:
    """Refuse a grid that is not known.

    Raises:
        ValueError: With the known ones.
    """
    if grid not in GRIDS:
        raise ValueError(f'grid must be one of {GRIDS}, got {grid!r}')


def flow_warp(feats: Tensor, flow: Tensor, grid: Grid = 'exact') -> Tensor:
    """Sample reference maps bilinearly where the flow points (FGFA, eq. 1).

    Cell ``(x, y)`` of the result is the reference map at ``(x + flow_x, y + flow_y)``; positions
    outside the map give its nearest border cell. Both published programs hand positions to
    ``grid_sample`` in the units of one convention and sample in those of the other, so that a
    flow of zero changes the map; weights that were trained with it need the same grid.

    Args:
        feats: (N, C, H, W), maps of the reference frames.
        flow: (N, 2, H, W), x then y, in cells of ``feats``.
        grid: ``'exact'``: the map stays as it is, bit for bit, where the flow is zero;
            ``'mega.pytorch'``: samples at ``p n / (n - 1) - 1 / 2``, ``n`` the size;
            ``'mmtracking'``: samples at ``p (n - 1) / n``.

    Returns:
        (N, C, H, W), of the type of ``feats``; positions and weights have single precision at
        least.
    """
    height, width = feats.shape[-2:]
    exact = at_least_float32(feats)
    flow = flow.to(exact)
    x = torch.arange(width, device=flow.device, dtype=flow.dtype) + flow[:, 0]
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 1]
    # a map of one cell has one place to sample
    sizes = (width, height) if grid == 'mmtracking' else (max(width - 1, 1), max(height - 1, 1))
    positions = torch.stack([2 * p / size - 1 for p, size in zip((x, y), sizes, strict=True)], -1)
    warped = functional.grid_sample(
        exact, positions, mode='bilinear', padding_mode='border',
        align_corners=grid != 'mega.pytorch')
    if grid == 'exact':
        # grid_sample rounds positions: a cell that does not move keeps its value, its gradients
        # stay those of sampling
        still = (flow == 0).all(dim=1, keepdim=True)
        if on_processor(still) and not still.any():
            return warped.to(feats.dtype)
        if warped.requires_grad:
            exact = exact.detach() + (warped - warped.detach())
        warped = torch.where(still, exact, warped)
    return warped.to(feats.dtype)


def resize_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """A flow on a grid of another size, in cells of that grid.

    Args:
        flow: (N, 2, h, w), x then y, in its own cells.
        size: Height and width of the new grid.

    Returns:
        (N, 2, height, width).
    """
    height, width = flow.shape[-2:]
    if (height, width) == tuple(size):
        return flow
    flow = functional.interpolate(flow, size=size, mode='bilinear', align_corners=False)
    return flow * constant((size[1] / width, size[0] / height), flow).view(1, 2, 1, 1)
