"""Relation module: attention between objects (Relation Networks; RDN eq. 1-2; MEGA eq. 1-2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmvod_plugins.utils.forms import on_gpu
from mmvod_plugins.utils.precision import at_least_float32, is_compiled

from .masked_attention import attention
from .position_embedding import location_terms, projected_embedding, sine_embedding

#: Bias values that a relation module holds at once on a CPU: the fused attention takes larger
#: blocks from 192 rows on.
PORTION = 18 * 10**6
#: Of the weights' location term, before the logarithm.
FLOOR = 1e-6


class RelationModule(BaseModule):
    """Enhances objects by a weighted sum of reference objects' features.

    The papers average the full reference features and then project each head's average; here the
    references are projected first, which is the same function with 1/heads of the arithmetic,
    and is multi-head attention with an additive bias of the boxes' relative location,
    ``log(relu(W_G e_ij + b) + 1e-6)``.

    Args:
        channels: Width of the features.
        num_heads: Heads M of the paper.
        location: Whether the weights depend on the boxes (f^L of MEGA; f^N without).
        key_bias: Whether the weights have the term ``u . k_j`` (MEGA; RDN has none).
        embed_dim: Width of the location embedding.
        init_cfg: Initial weights; by default Gaussian with 0.01 and, for ``u``, zeros.
    """

    def __init__(self,
                 channels: int = 1024,
                 num_heads: int = 16,
                 *,
                 location: bool = True,
                 key_bias: bool = True,
                 embed_dim: int = 64,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg or dict(type='Normal', layer='Linear', std=0.01))
        if channels % num_heads:
            raise ValueError(f'channels must be a multiple of num_heads, got {channels} and '
                             f'{num_heads}')
        self.num_heads = num_heads
        self.embed_dim = embed_dim
        #: Of the appearance term; None: one over the root of a head's width.
        self.scale: float | None = None
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.location = nn.Linear(embed_dim, num_heads) if location else None
        self.key_bias = nn.Parameter(torch.zeros(channels)) if key_bias else None

    def forward(self, feats: Tensor, reference_feats: Tensor, boxes: Tensor | None = None,
                reference_boxes: Tensor | None = None, *,
                projected: tuple[Tensor, Tensor] | None = None,
                bias: Tensor | None = None, valid: Tensor | None = None) -> Tensor:
        """Sum of reference features that is added to the objects.

        Args:
            feats: Objects, (N, C).
            reference_feats: Reference objects, (M, C).
            boxes: (N, 4), used with ``location``.
            reference_boxes: (M, 4), used with ``location``.
            projected: :meth:`project` of the reference features; None: it is computed.
            bias: :meth:`location_bias` of the boxes; None: it is computed.
            valid: (M,), bool, the rows that are objects; None: all.

        Returns:
            (N, C), to be added to ``feats`` by the caller; zeros without references.
        """
        if not len(feats) or not len(reference_feats):
            # a share in every parameter, and in those that made the references: distributed
            # training wants a gradient from each process
            parts = [reference_feats, *self.parameters()]
            return torch.zeros_like(feats) + 0 * sum(part.sum() for part in parts)
        projected = self.project(reference_feats) if projected is None else projected
        if self.location is None or bias is not None:
            return self._attend(feats, projected, bias, valid)
        if torch.is_grad_enabled() or on_gpu(feats):
            return self._attend(feats, projected, self.location_bias(boxes, reference_boxes),
                                valid)
        # On a CPU the bias is not held as a whole, but in equal portions, one after the other.
        row = self.num_heads * len(reference_feats)
        rows = -(-len(feats) // -(-len(feats) * row // PORTION))
        buffer = at_least_float32(boxes).new_empty(rows, self.num_heads, len(reference_feats))
        return torch.cat([
            self._attend(part, projected, self.location_bias(part_boxes, reference_boxes, buffer),
                         valid)
            for part, part_boxes in zip(feats.split(rows), boxes.split(rows), strict=True)
        ])

    def project(self, feats: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (1, heads, M, C / heads) of reference objects (M, C)."""
        return self._heads(self.key(feats)), self._heads(self.value(feats))

    def queries(self, feats: Tensor) -> Tensor:
        """Queries (1, heads, N, C / heads) of objects (N, C)."""
        return self._heads(self.query(feats) if self.key_bias is None
                           else self.query(feats) + self.key_bias)

    def partial(self, queries: Tensor, projected: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """:meth:`forward` of a part of the references, without location.

        Args:
            queries: :meth:`queries` of N objects.
            projected: :meth:`project` of the references of the part.

        Returns:
            The weighted mean of their values (1, heads, N, C / heads); the logarithm of the sum
            of their weights before they are normalised (1, heads, N, 1), for :meth:`join`.
        """
        keys, values = projected
        scale = queries.shape[-1]**-0.5 if self.scale is None else self.scale
        logits = (queries * scale) @ keys.mT
        return logits.softmax(-1) @ values, logits.logsumexp(-1, keepdim=True)

    @staticmethod
    def join(parts: Sequence[tuple[Tensor, Tensor]], counts: Sequence[int]) -> Tensor:
        """What :meth:`forward` adds to N objects, (N, C), from parts of the references.

        Args:
            parts: :meth:`partial` of every part.
            counts: How often each of them counts.
        """
        logits = torch.stack([log_sum + math.log(count)
                              for (_, log_sum), count in zip(parts, counts, strict=True)])
        weights = logits.softmax(0)
        total = parts[0][0] * weights[0]
        for (mean, _), weight in zip(parts[1:], weights[1:], strict=True):
            total.addcmul_(mean, weight)
        return total[0].transpose(0, 1).flatten(1)

    def weights(self, feats: Tensor, reference_feats: Tensor, boxes: Tensor | None = None,
                reference_boxes: Tensor | None = None) -> Tensor:
        """The weights w_ij of :meth:`forward`, (heads, N, M); each row sums to one."""
        return self.logits(feats, reference_feats, boxes, reference_boxes).softmax(-1)

    def logits(self, feats: Tensor, reference_feats: Tensor, boxes: Tensor | None = None,
               reference_boxes: Tensor | None = None, keys: Tensor | None = None) -> Tensor:
        """Logarithms of the weights before they are normalised, (heads, N, M).

        ``keys`` are the first part of :meth:`project`, where it is known.
        """
        query = self.queries(feats)
        keys = self._heads(self.key(reference_feats)) if keys is None else keys
        logits = query[0] @ keys[0].mT
        logits = logits / query.shape[-1]**0.5 if self.scale is None else logits * self.scale
        if self.location is not None:
            logits = logits + self.location_bias(boxes, reference_boxes)
        return logits

    def location_bias(self, boxes: Tensor, reference_boxes: Tensor,
                      out: Tensor | None = None) -> Tensor:
        """Additive bias (heads, N, M) of boxes (N, 4) and reference boxes (M, 4).

        Its angles reach hundreds, so they are computed in single precision at least. Without
        gradients it is written into ``out``, at least (N, heads, M), where that is given.
        """
        boxes, reference_boxes = at_least_float32(boxes), at_least_float32(reference_boxes)
        if torch.is_grad_enabled():
            embedding = sine_embedding(location_terms(boxes, reference_boxes), self.embed_dim)
            return self.bias_of(self.location(embedding).permute(2, 0, 1))
        return projected_biases(boxes, reference_boxes, self.location.weight, self.location.bias,
                                out)

    @staticmethod
    def bias_of(projected: Tensor) -> Tensor:
        """Additive bias of a projected location embedding."""
        return (projected.relu() + FLOOR).log()

    def _attend(self, feats: Tensor, projected: tuple[Tensor, Tensor],
                bias: Tensor | None, valid: Tensor | None) -> Tensor:
        """Sum of values (1, heads, M, C / heads) for objects (N, C), with bias (heads, N, M)."""
        # attention per head; the result, (1, heads, N, C / heads), is put together to (N, C)
        query = self.queries(feats)
        out = attention(query, *projected, None if bias is None else bias.to(query.dtype)[None],
                        valid, scale=self.scale)
        return out[0].transpose(0, 1).flatten(1)

    def _heads(self, feats: Tensor) -> Tensor:
        """Split (N, C) into (1, heads, N, C / heads)."""
        width = feats.shape[1] // self.num_heads
        return feats.view(len(feats), self.num_heads, width).transpose(0, 1)[None]


def location_biases(relations: Sequence[RelationModule], boxes: Tensor,
                    reference_boxes: Tensor) -> list[Tensor | None]:
    """The location bias (heads, N, M) of several relations between the same boxes.

    Sines and cosines are the same for all of them. With gradients, which need the embedding as a
    whole, for relations without location and in compiled code, which holds no bias as a whole,
    every entry is None: a relation then has its own.
    """
    if torch.is_grad_enabled() or is_compiled() or any(
            relation.location is None for relation in relations):
        return [None] * len(relations)
    weights, biases = (torch.cat([getattr(relation.location, name) for relation in relations])
                       for name in ('weight', 'bias'))
    together = projected_biases(at_least_float32(boxes), at_least_float32(reference_boxes),
                                weights, biases)
    return list(together.split([relation.num_heads for relation in relations]))


def projected_biases(boxes: Tensor, reference_boxes: Tensor, weight: Tensor, bias: Tensor,
                     out: Tensor | None = None) -> Tensor:
    """:meth:`RelationModule.bias_of` of the projected embedding, in place."""
    # relu(x) + floor = max(x + floor, floor): the sum costs nothing in the bias of the layer
    return projected_embedding(boxes, reference_boxes, weight, bias + FLOOR,
                               lambda projected: projected.clamp_(min=FLOOR).log_(), out)
