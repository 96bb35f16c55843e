"""Scaled dot-product attention to tables that may be padded."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None,
              valid: Tensor | None = None, scale: float | None = None) -> Tensor:
    """Average of values, weighted by the similarity of query and key.

    Args:
        query: (1, heads, N, C).
        key: (1, heads, M, C).
        value: (1, heads, M, C).
        bias: Added to the logits, (1, heads, N, M), or None.
        valid: (M,), bool: the rows of key and value that are not padding; None: all. Padding
            changes no result to the last bit but for the order of sums.
        scale: Of the logits; by default one over the root of C.

    Returns:
        (1, heads, N, C); zeros if no row is valid.
    """
    if valid is None:
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=bias,
                                                       scale=scale)
    if bias is None:
        bias = query.new_zeros(1, 1, query.shape[2], key.shape[2])
    # finite: a row of minus infinities alone would be averaged to NaN
    bias = bias.masked_fill(~valid, torch.finfo(bias.dtype).min / 2)
    out = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=scale)
    return out * valid.any()
