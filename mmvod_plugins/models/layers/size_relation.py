"""Relation of objects by appearance and by the size of their boxes (MST, eqs. 7 to 10)."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from mmvod_plugins.utils.precision import at_least_float32

from .position_embedding import EPS, sine_embedding
from .relation import RelationModule

#: Transformation of the projected embedding.
Psi = Literal['log', 'linear']
#: Embedded numbers of a term: eight sines and eight cosines.
EMBEDDED = 16


def size_terms(boxes: Tensor, reference_boxes: Tensor, *, aspect: bool = True,
               eps: float = EPS) -> Tensor:
    """Logarithms of how the sizes of reference boxes differ (MST, eq. 9).

    The paper prints the third term as ``log(w_i / h_j - w_i / h_j)``, the logarithm of zero. It is
    read as the difference of the two aspect ratios, stabilised as the distances of the relation
    network are.

    Args:
        boxes: (N, 4), ``(x1, y1, x2, y2)``; sides below 0.001 pixels count as that.
        reference_boxes: (M, 4).
        aspect: Whether there is the third term.
        eps: Added to the difference before the logarithm.

    Returns:
        (N, M, 3): ``log(w / w'), log(h / h'), log(|w / h - w' / h'| + eps)``; or (N, M, 2).
    """
    shape, ref_shape = ((part[:, 2:] - part[:, :2]).clamp(min=1e-3)
                        for part in (boxes, reference_boxes))
    terms = (shape[:, None] / ref_shape).log()
    if not aspect:
        return terms
    ratio, ref_ratio = (part[:, 0] / part[:, 1] for part in (shape, ref_shape))
    return torch.cat([terms, ((ratio[:, None] - ref_ratio).abs() + eps).log()[..., None]], -1)


class SizeRelation(RelationModule):
    """A relation module whose geometry is that of widths and heights.

    Args:
        channels: Width of the features.
        num_heads: Heads; the paper follows RDN, which has 16.
        scaled: Whether the appearance term is divided by the root of a head's width. The paper
            prints no scale (eq. 8).
        aspect: Whether the geometry has the third term of eq. 9.
        psi: The paper's "general transformation function": ``'log'``: ``log(relu(x) + 1e-6)`` of
            the projected embedding, as the relation network weights; ``'linear'``: x itself.
        init_cfg: Initial weights, as in :class:`RelationModule`.

    Raises:
        ValueError: If ``psi`` is not known, or ``channels`` no multiple of ``num_heads``.
    """

    def __init__(self,
                 channels: int = 1024,
                 num_heads: int = 16,
                 *,
                 scaled: bool = False,
                 aspect: bool = True,
                 psi: Psi = 'log',
                 init_cfg: dict | None = None) -> None:
        super().__init__(channels, num_heads, key_bias=False,
                         embed_dim=EMBEDDED * (3 if aspect else 2), init_cfg=init_cfg)
        if psi not in get_args(Psi):
            raise ValueError(f'psi must be one of {get_args(Psi)}, got {psi!r}')
        self.scale = None if scaled else 1.0
        self.aspect = aspect
        self.psi = psi

    def location_bias(self, boxes: Tensor, reference_boxes: Tensor,
                      out: Tensor | None = None) -> Tensor:
        """Geometric similarity g (heads, N, M) of boxes (N, 4) and reference boxes (M, 4)."""
        terms = size_terms(at_least_float32(boxes), at_least_float32(reference_boxes),
                           aspect=self.aspect)
        projected = self.location(sine_embedding(terms, self.embed_dim)).permute(2, 0, 1)
        return projected if self.psi == 'linear' else self.bias_of(projected)

    @staticmethod
    def gather(weights: Tensor, values: Tensor) -> Tensor:
        """Sum of reference features by given weights (eq. 10).

        Args:
            weights: (heads, N, M).
            values: The second part of :meth:`project`, (1, heads, M, C / heads).

        Returns:
            (N, C), to be added to the objects by the caller.
        """
        return (weights.to(values.dtype) @ values[0]).transpose(0, 1).flatten(1)
