"""Products of every cell of a map with the cells around it, without pairs that are far apart.

A neighbourhood is (2 k + 1) x (2 k + 1) cells, row by row; outside the map there are zeros. Each
function goes once over the map per neighbour, forward and backward, and keeps nothing in between:
time and memory grow with the neighbourhood, not with the square of the map.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from mmvod_plugins.utils.forms import on_processor
from mmvod_plugins.utils.precision import is_compiled

#: Values of a map that are multiplied at once on a CPU.
CHUNK = 2**20


def correlate(cells: Tensor, feats: Tensor, radius: int) -> Tensor:
    """Dot product of every cell with each of its neighbours.

    Args:
        cells: (N, C, H, W).
        feats: The map of the neighbours, (N, C, H, W).
        radius: ``k``.

    Returns:
        (N, (2 k + 1)^2, H, W).
    """
    return _Correlate.apply(cells, F.pad(feats, [radius] * 4), radius)


def gather(weights: Tensor, feats: Tensor, radius: int) -> Tensor:
    """Weighted sum of every cell's neighbours.

    Args:
        weights: (N, (2 k + 1)^2, H, W).
        feats: The map of the neighbours, (N, C, H, W).
        radius: ``k``.

    Returns:
        (N, C, H, W).
    """
    return _Gather.apply(weights, F.pad(feats, [radius] * 4), radius)


class _Correlate(Function):

    @staticmethod
    def forward(ctx: Any, cells: Tensor, padded: Tensor, radius: int) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(cells, padded)
        ctx.radius = radius
        return _correlate(cells, padded, radius)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:  # noqa: ANN401
        cells, padded = ctx.saved_tensors
        return (_gather(grad, padded, ctx.radius), _scatter(grad, cells, ctx.radius), None)


class _Gather(Function):

    @staticmethod
    def forward(ctx: Any, weights: Tensor, padded: Tensor, radius: int) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(weights, padded)
        ctx.radius = radius
        return _gather(weights, padded, radius)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, None]:  # noqa: ANN401
        weights, padded = ctx.saved_tensors
        wanted = ctx.needs_input_grad[0]
        return (_correlate(grad, padded, ctx.radius) if wanted else None,
                _scatter(weights, grad, ctx.radius), None)


def _correlate(cells: Tensor, padded: Tensor, radius: int) -> Tensor:
    if is_compiled() or not on_processor(cells):
        return _products(cells, padded, radius)
    # channels whose products stay in the cache of a processor
    area = cells.shape[-2] * cells.shape[-1]
    count = max(1, -(-cells.shape[1] * area // CHUNK))
    return torch.cat([
        sum(_products(*parts, radius) for parts in zip(
            one.chunk(count, 1), other.chunk(count, 1), strict=True))
        for one, other in zip(cells.split(1), padded.split(1), strict=True)])


def _products(cells: Tensor, padded: Tensor, radius: int) -> Tensor:
    return torch.stack([(cells * moved).sum(1) for moved in _views(padded, radius)], dim=1)


def _gather(weights: Tensor, padded: Tensor, radius: int) -> Tensor:
    height, width = weights.shape[-2:]
    total = padded.new_zeros(*padded.shape[:2], height, width)
    for weight, moved in zip(weights.unsqueeze(2).unbind(1), _views(padded, radius), strict=True):
        total.addcmul_(weight, moved)
    return total


def _scatter(weights: Tensor, cells: Tensor, radius: int) -> Tensor:
    """Add every cell (N, C, H, W), weighted, to each of its neighbours on a padded map."""
    padded = F.pad(torch.zeros_like(cells), [radius] * 4)
    for weight, moved in zip(weights.unsqueeze(2).unbind(1), _views(padded, radius), strict=True):
        # a view: the sum is written into the padded map
        moved.addcmul_(weight, cells)
    return padded


def _views(padded: Tensor, radius: int) -> Iterator[Tensor]:
    """The padded map seen from every neighbour, (N, C, H, W) each."""
    side = 2 * radius + 1
    height, width = (length - 2 * radius for length in padded.shape[-2:])
    for y in range(side):
        for x in range(side):
            yield padded[..., y:y + height, x:x + width]
