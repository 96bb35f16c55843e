"""Relative location of two boxes (Relation Networks, section 3.1; RDN; MEGA)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from mmvod_plugins.utils.constants import constant, is_plain
from mmvod_plugins.utils.forms import on_processor
from mmvod_plugins.utils.precision import is_compiled

from .sines import write_sines

#: Embedded values held at once by :func:`projected_embedding`: on a CPU few enough to stay in a
#: cache, elsewhere as many as need few kernels (2**25 with all that joins them are 270 MB).
CHUNK, DEVICE_CHUNK = 2**16, 2**25
#: Settings of the published programs: scale of the terms, ratio of the waves, added distance.
SCALE, WAVE_LENGTH, EPS = 100.0, 1000.0, 1e-3


def location_terms(boxes: Tensor, reference_boxes: Tensor, eps: float = EPS) -> Tensor:
    """Four logarithms of how reference boxes lie relative to boxes.

    Args:
        boxes: (N, 4), ``(x1, y1, x2, y2)``, widths counted as ``x2 - x1 + 1``.
        reference_boxes: (M, 4).
        eps: Added to the normalised distances before the logarithm.

    Returns:
        (N, M, 4): ``log(|dx| / w + eps), log(|dy| / h + eps), log(w / w'), log(h / h')``.
    """
    center, shape = 0.5 * (boxes[:, :2] + boxes[:, 2:]), sides_of(boxes)
    ref_center = 0.5 * (reference_boxes[:, :2] + reference_boxes[:, 2:])
    ref_shape = sides_of(reference_boxes)
    distance = (center[:, None] - ref_center).abs() / shape[:, None]
    return torch.cat([torch.log(distance + eps), torch.log(shape[:, None] / ref_shape)], dim=-1)


def sides_of(boxes: Tensor) -> Tensor:
    """Widths and heights (N, 2) of boxes; tiny where a dense head has swapped the corners."""
    return (boxes[:, 2:] - boxes[:, :2] + 1).clamp(min=EPS)


def sine_embedding(terms: Tensor,
                   embed_dim: int = 64,
                   wave_length: float = WAVE_LENGTH,
                   scale: float = SCALE) -> Tensor:
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


def projected_embedding(boxes: Tensor, reference_boxes: Tensor, weight: Tensor,
                        bias: Tensor,
                        finish: Callable[[Tensor], Tensor] | None = None,
                        out: Tensor | None = None) -> Tensor:
    """A linear layer on the sine embedding of location terms, without the embedding in memory.

    The same function as ``linear(sine_embedding(location_terms(...)))``, for inference. The terms
    ``log(w / w')`` split by angle addition into parts of the box and of the reference, so they
    become a matrix product; the distances, embedded a few rows at a time, join that product.

    Args:
        boxes: (N, 4).
        reference_boxes: (M, 4).
        weight: (heads, E), on the embedding of :func:`sine_embedding` with E numbers.
        bias: (heads,).
        finish: Changes results in place, some rows at a time while they are in the cache, and
            returns them.
        out: At least (N, heads, M), gets the result: fresh memory costs as much as the sines. Not
            used in compiled code.

    Returns:
        (heads, N, M).
    """
    if not len(boxes) or not len(reference_boxes):
        return boxes.new_zeros(len(weight), len(boxes), len(reference_boxes))
    # The embedding has 4 terms (dx, dy, w, h) x (sine, cosine) x waves; so have the weights.
    count, waves = len(boxes), weight.shape[1] // 8
    distances, sizes = weight.view(len(weight), 4, 2, waves).chunk(2, dim=1)
    kept = is_plain(boxes) and type(waves) is int and not is_compiled()
    frequencies = (_kept_frequencies if kept else _frequencies)(waves, boxes.dtype, boxes.device)
    every = torch.cat([boxes, reference_boxes])
    sides, centers = sides_of(every), 0.5 * (every[:, :2] + every[:, 2:])

    # Sizes. With a = f log w of a box and b = f log w' of a reference,
    #   s sin(a - b) + c cos(a - b) = (s sin a + c cos a) cos b + (c sin a - s cos a) sin b,
    # a product of something of the box, (N, heads, 2 waves), and something of the reference.
    angles = (sides.log()[..., None] * frequencies).flatten(1)
    sines, cosines = angles.sin(), angles.cos()
    sin_a, cos_a = sines[:count, None], cosines[:count, None]
    s, c = (sizes[:, :, i].flatten(1) for i in (0, 1))
    # Left factor (N, heads, 8 waves + 1): weights of the distances' sines and cosines, which are
    # those of all boxes, then the two brackets above, then the bias.
    left = torch.cat([distances.transpose(1, 2).flatten(1).expand(count, -1, -1),
                      torch.addcmul(s * sin_a, c, cos_a),
                      torch.addcmul(c * sin_a, s, cos_a, value=-1),
                      bias[:, None].expand(count, -1, -1)], dim=2)
    # Right factor (8 waves + 1, M) but for the distances, which differ for every pair.
    ones = constant((1.0, ), boxes).expand(len(reference_boxes), 1)
    fixed = torch.cat([cosines[count:], sines[count:], ones], 1).T

    # |dx| / w and |dy| / h, (N, 2, M), then their logarithms, in place
    distance = centers[:count, :, None] - centers[count:].T.contiguous()
    terms = distance.abs_().div_(sides[:count, :, None]).add_(EPS).log_()
    if is_compiled():
        angles = (terms[:, :, None] * frequencies[:, None]).flatten(1, 2)
        whole = left[:, :, :4 * waves] @ torch.cat([angles.sin(), angles.cos()], 1) \
            + left[:, :, 4 * waves:] @ fixed
        return (whole if finish is None else finish(whole)).transpose(0, 1)
    # One small buffer is used again and again.
    chunk = CHUNK if on_processor(boxes) else DEVICE_CHUNK
    rows = max(1, chunk // (len(reference_boxes) * 4 * waves))
    right = fixed.new_empty(min(rows, len(boxes)), 4 * waves + len(fixed), len(reference_boxes))
    right[:, 4 * waves:] = fixed
    size = len(boxes), len(weight), len(reference_boxes)
    out = boxes.new_empty(size) if out is None else out[:len(boxes)]
    for part, part_terms, part_left in zip(out.split(rows), terms.split(rows), left.split(rows),
                                           strict=True):
        _write_sines(part_terms, frequencies, right)
        torch.bmm(part_left, right[:len(part)], out=part)
        if finish is not None:
            finish(part)
    return out.transpose(0, 1)


def _frequencies(waves: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """What location terms are multiplied by, (waves,)."""
    powers = torch.arange(waves, device=device, dtype=dtype) / waves
    return SCALE / torch.pow(WAVE_LENGTH, powers)


_kept_frequencies = lru_cache(_frequencies)


def _write_sines(terms: Tensor, frequencies: Tensor, table: Tensor) -> None:
    """Write the sines and cosines of terms times frequencies.

    Args:
        terms: (N, T, M).
        frequencies: (F,).
        table: At least (N, 2 T F, M): gets the sines, term by term, then the cosines.
    """
    # tensors that are traced, or of a subclass that fakes them, have no numbers
    if on_processor(terms) and terms.dtype == torch.float32 and is_plain(terms) \
            and not torch.jit.is_tracing():
        write_sines(terms.numpy(), frequencies.numpy(), table.numpy())
        return
    waves = terms.shape[1] * len(frequencies)
    sines, cosines = table[:len(terms), :waves], table[:len(terms), waves:2 * waves]
    # angles are written where their cosines will be
    torch.mul(terms[:, :, None], frequencies[:, None],
              out=cosines.unflatten(1, (terms.shape[1], len(frequencies))))
    torch.sin(cosines, out=sines)
    cosines.cos_()
