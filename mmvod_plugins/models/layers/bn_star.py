"""BN*: gates between 0 and 1 from rectified values (STMN, Fig. 3)."""

from __future__ import annotations

import torch
from torch import Tensor

from mmvod_plugins.utils.constants import constant
from mmvod_plugins.utils.precision import at_least_float32

#: ``K`` of the paper: deviations above the mean where the gate is fully open.
DEVIATIONS = 3


def bn_star(x: Tensor, *, all_elements: bool = False, detach: bool = False) -> Tensor:
    """Scale rectified values to [0, 1]: ``clamp(x, 0, upper) / upper``.

    Args:
        x: Rectified values, (N, C, H, W).
        all_elements: See :func:`upper_bound`.
        detach: Whether the bound is a constant for the gradient, as in the published program.

    Returns:
        (N, C, H, W), in the precision of ``x``.
    """
    values = at_least_float32(x)
    upper = upper_bound(values, all_elements=all_elements)
    upper = upper.detach() if detach else upper
    return (torch.minimum(values, upper) / upper).to(x.dtype)


def upper_bound(x: Tensor, *, all_elements: bool = False) -> Tensor:
    """Mean plus three deviations (n - 1) of every map, computed anew in each call.

    Args:
        x: Rectified values, (N, C, H, W).
        all_elements: Whether zeros count, as in the paper's text; the published program takes the
            positive values alone.

    Returns:
        (N, 1, 1, 1); 1 where there are less than two values, or none is positive.
    """
    dims = (1, 2, 3)
    counted = torch.ones_like(x, dtype=torch.bool) if all_elements else x > 0
    number = counted.sum(dims, keepdim=True, dtype=x.dtype)
    mean = x.sum(dims, keepdim=True) / number.clamp(min=1)
    # a norm, whose gradient at zero is defined: that of a square root is not
    zero, one = constant((0.0, ), x), constant((1.0, ), x)
    distance = torch.linalg.vector_norm(torch.where(counted, x - mean, zero), dim=dims,
                                        keepdim=True)
    deviation = distance / (number - 1).clamp(min=1).sqrt()
    known = (number > 1) & (mean > 0) if all_elements else number > 1
    return torch.where(known, torch.add(mean, deviation, alpha=DEVIATIONS), one)
