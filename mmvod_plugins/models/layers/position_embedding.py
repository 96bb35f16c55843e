"""Relative location of two boxes (Relation Networks, section 3.1; RDN; MEGA)."""

from __future__ import annotations

import torch
from torch import Tensor


def location_terms(boxes: Tensor, references: Tensor, eps: float = 1e-3) -> Tensor:
    """Four logarithms of how reference boxes lie relative to boxes.

    Args:
        boxes: (N, 4), ``(x1, y1, x2, y2)``, widths counted as ``x2 - x1 + 1``.
        references: (M, 4).
        eps: Added to the normalised distances before the logarithm.

    Returns:
        (N, M, 4): ``log(|dx| / w + eps), log(|dy| / h + eps), log(w / w'), log(h / h')``.
    """
    center, shape = 0.5 * (boxes[:, :2] + boxes[:, 2:]), boxes[:, 2:] - boxes[:, :2] + 1
    ref_center = 0.5 * (references[:, :2] + references[:, 2:])
    ref_shape = references[:, 2:] - references[:, :2] + 1
    distance = (center[:, None] - ref_center).abs() / shape[:, None]
    return torch.cat([torch.log(distance + eps), torch.log(shape[:, None] / ref_shape)], dim=-1)


def sine_embedding(terms: Tensor,
                   embed_dim: int = 64,
                   wave_length: float = 1000.0,
                   scale: float = 100.0) -> Tensor:
    """Sines and cosines of location terms in geometrically growing wave lengths.

    Args:
        terms: (..., T).
        embed_dim: Numbers in the result, ``embed_dim / (2 T)`` frequencies for each term.
        wave_length: Ratio of the longest to the shortest wave, in the limit of many frequencies.
        scale: Factor of the terms.

    Returns:
        (..., embed_dim), term by term, the sines of a term before its cosines.

    Raises:
        ValueError: If ``embed_dim`` is no multiple of ``2 T``.
    """
    count = embed_dim // (2 * terms.shape[-1])
    if count * 2 * terms.shape[-1] != embed_dim:
        raise ValueError(f'embed_dim must be a multiple of {2 * terms.shape[-1]}, got {embed_dim}')
    powers = torch.arange(count, device=terms.device, dtype=terms.dtype) / count
    angles = (scale * terms)[..., None] / torch.pow(wave_length, powers)
    return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(-2)
