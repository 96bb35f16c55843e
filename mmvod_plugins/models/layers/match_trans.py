"""MatchTrans: move a memory map to where its content went (STMN, section 3.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvod_plugins.utils.precision import at_least_float32

from .neighbourhood import correlate, gather

AFFINITIES = ('cosine', 'dot')
#: A cell whose affinities sum to less keeps its own memory.
SMALLEST_SUM = 1e-7


class MatchTrans(nn.Module):
    """Aligns a memory with the current frame by matching feature maps; it has no weights.

    Args:
        radius: ``k`` of the paper; a cell looks at (2 k + 1) x (2 k + 1) cells around it.
        affinity: ``'cosine'`` as in the published program, or ``'dot'``, the paper's formula.
        detach: Whether the coefficients are constants for the gradient, as in the program; by
            default the gradient reaches the feature maps, as in the paper.

    Raises:
        ValueError: If the radius is negative or the affinity is unknown.
    """

    def __init__(self, radius: int = 2, affinity: str = 'cosine', *, detach: bool = False) -> None:
        super().__init__()
        if radius < 0:
            raise ValueError(f'alignment.radius must be 0 or more, got {radius}')
        if affinity not in AFFINITIES:
            raise ValueError(f'alignment.affinity must be one of {AFFINITIES}, got {affinity!r}')
        self.radius = radius
        self.affinity = affinity
        self.detach = detach

    def forward(self, current: Tensor, previous: Tensor, memory: Tensor) -> Tensor:
        """The memory of the previous frame, seen from the current one.

        Args:
            current: Feature map of the current frame, (N, D, H, W).
            previous: Feature map of the frame that the memory belongs to, (N, D, H, W).
            memory: (N, M, H, W).

        Returns:
            (N, M, H, W).
        """
        return transform_memory(self.coefficients(current, previous), memory)

    def coefficients(self, current: Tensor, previous: Tensor) -> Tensor:
        """:func:`transformation_coefficients`; they know nothing of the memory."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detach):
            return transformation_coefficients(current, previous, self.radius, self.affinity)

    def extra_repr(self) -> str:
        """The settings."""
        return f'radius={self.radius}, affinity={self.affinity!r}, detach={self.detach}'


def transformation_coefficients(current: Tensor, previous: Tensor, radius: int,
                                affinity: str = 'cosine') -> Tensor:
    """The coefficients ``Gamma`` of section 3.3, at least in single precision.

    Negative affinities count as zero; neighbours outside the map count neither in the sum nor in
    its normaliser. Where nothing matches the cell itself gets the coefficient 1. Time and memory
    grow with the neighbourhood, not with the square of the map.

    Args:
        current: (N, D, H, W).
        previous: (N, D, H, W).
        radius: ``k``.
        affinity: ``'cosine'`` or ``'dot'``.

    Returns:
        (N, (2 k + 1)^2, H, W), non-negative, summing to 1 over the neighbours: row by row, from
        the cell ``k`` above and ``k`` to the left on.
    """
    current, previous = at_least_float32(current), at_least_float32(previous)
    # (N, (2 k + 1)^2, H, W); neighbours outside the map are zeros, so they match nothing
    affinities = correlate(current, previous, radius).relu()
    if affinity == 'cosine':
        # of the products, not of the maps: these have more values
        neighbours = F.unfold(_inverse_norm(previous), 2 * radius + 1, padding=radius)
        affinities = affinities * _inverse_norm(current) * neighbours.view_as(affinities)
    total = affinities.sum(1, keepdim=True)
    matched = total >= SMALLEST_SUM
    # the middle neighbour is the cell itself: there the memory stays
    itself = torch.zeros_like(affinities)
    itself[:, affinities.shape[1] // 2].fill_(1)
    # the inner `where` keeps a division by zero out of the gradient
    return torch.where(matched, affinities / torch.where(matched, total, 1), itself)


def transform_memory(coefficients: Tensor, memory: Tensor) -> Tensor:
    """Weighted averages of the memory's neighbourhoods.

    Args:
        coefficients: (N, (2 k + 1)^2, H, W), see :func:`transformation_coefficients`.
        memory: (N, M, H, W).

    Returns:
        (N, M, H, W), in the precision of the memory.
    """
    radius = (round(coefficients.shape[1]**0.5) - 1) // 2
    return gather(coefficients.to(memory.dtype), memory, radius)


def _inverse_norm(feats: Tensor) -> Tensor:
    """What makes unit vectors of the cells, (N, 1, H, W)."""
    return 1 / (torch.linalg.vector_norm(feats, dim=1, keepdim=True) + 1e-8)
