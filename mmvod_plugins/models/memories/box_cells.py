"""Which cells of a feature map belong to an object, or stand out (OGEMN, eq. 7 and L2 rule)."""

from __future__ import annotations

import torch
from torch import Tensor

from mmvod_plugins.utils.precision import at_least_float32

#: Readings of "within the bounding box".
CELL_RULES = ('center', 'cover', 'round')


def box_cells(boxes: Tensor, grid: tuple[int, int], stride: float,
              rule: str = 'center') -> Tensor:
    """The cells of every box (eq. 7); a box without any gets the one that holds its centre.

    A box outside of the map, smaller than a cell or turned over thus has exactly one cell, the
    nearest to its centre.

    Args:
        boxes: (N, 4), ``(x1, y1, x2, y2)`` in pixels of the network input; finite.
        grid: H and W of the map.
        stride: Pixels per cell.
        rule: ``'center'``: cells whose centre the closed box holds; ``'cover'``: cells that
            overlap with it by a positive area; ``'round'``: as RoI pooling, corners rounded to
            cells, both inside.

    Returns:
        (N, H, W), bool.

    Raises:
        ValueError: If the rule is unknown.
    """
    if rule not in CELL_RULES:
        raise ValueError(f'cells is {rule!r}, expected one of {CELL_RULES}')
    boxes = at_least_float32(boxes)
    sides = []
    # rows first, as in the map
    for size, low, high in ((grid[0], boxes[:, 1], boxes[:, 3]),
                            (grid[1], boxes[:, 0], boxes[:, 2])):
        cells = torch.arange(size, device=boxes.device, dtype=boxes.dtype)
        low, high = low[:, None], high[:, None]
        if rule == 'center':
            middle = (cells + 0.5) * stride
            sides.append((low <= middle) & (middle <= high))
        elif rule == 'cover':
            sides.append((low < (cells + 1) * stride) & (cells * stride < high) & (low < high))
        else:
            sides.append(((low / stride + 0.5).floor() <= cells)
                         & (cells <= (high / stride + 0.5).floor()))
    mask = sides[0][:, :, None] & sides[1][:, None, :]
    empty = ~mask.flatten(1).any(1)
    centres = ((boxes[:, :2] + boxes[:, 2:]) / 2 / stride).floor()
    columns, rows = (centres[:, i].clamp(0, grid[1 - i] - 1).long() for i in range(2))
    mask[empty, rows[empty], columns[empty]] = True
    return mask


def outstanding_cells(feats: Tensor) -> Tensor:
    """The features whose norm stands out: ``softmax(|x_j| / sqrt(c)) > 1 / n`` (after eq. 8).

    Args:
        feats: (n, C).

    Returns:
        (n,), bool; none where all norms are equal.
    """
    n, channels = feats.shape
    lengths = torch.linalg.vector_norm(at_least_float32(feats), dim=1) / channels**0.5
    # in double precision: equal norms must not stand out by rounding
    return lengths.double().softmax(0) > (1 + 1e-12) / max(n, 1)
