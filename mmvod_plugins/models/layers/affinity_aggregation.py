"""Feature aggregation module of YOLOV (Shi et al., AAAI 2023) and YOLOV++ (IJCV 2025)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional

#: Factor on cosines before a softmax.
SHARPNESS = 25
#: What one score may be below another by, and still count as as good.
MARGIN = 0.1
#: Logit of objects that must not look at each other.
HIDDEN = -10000.0
#: Branches of the module: names of the embeddings that it enhances.
BRANCHES = ('cls', 'obj')


@dataclass
class Affinities:
    """What the objects of a group give each other, before the last layers.

    Attributes:
        attended: (N, 2 C) of the class and of the regression embeddings: what an object
            attended to, and its own value.
        pooled: (N, N) weights of the second pooling for classes and for objectness; rows sum to
            one.
    """

    attended: tuple[Tensor, Tensor]
    pooled: tuple[Tensor, Tensor]


class AffinityAggregation(BaseModule):
    """Lets every object of a group of frames attend to every one, itself included.

    With the embeddings x_c, x_r of classes and regression, their values v, the probability s_c
    of an object's best class and its objectness s_o::

        L_c = 25 cos(q_c, k_c) s_c[j]        L_r = 25 cos(q_r, k_r)       per head
        A = (softmax L_c + softmax L_r) / 2
        f = [A v, v]                         for v_c and for v_r
        B = softmax(mean_h A)
        P_c = [S_c > sim_thr] B              P_o = [S_r > conf_sim_thr] P_c
        out = linear2([P g, g])              g = linear1(f)

    S are mean cosines of the values; rows of P are divided by their sums. The second step pools
    what *all* objects have attended to: the references of an object are aggregated themselves.

    Args:
        channels: C, of one embedding.
        num_heads: Heads, of C / num_heads neighbouring channels each.
        branches: ``'cls'``, ``'obj'`` or both: what has an output.
        thresholds: ``sim_thr`` and ``conf_sim_thr``: similarity of the values of two objects that
            are pooled for classes, and for objectness.
        weigh_by_objectness: Whether L_r is multiplied by s_o[j], as it was in the form of 2022.
        score_mask: Whether objects with scores more than 0.1 below one's own count less (their
            logit is 0, as published, not minus infinity).
        hide: Of ``'cls'`` and ``'reg'`` the logits in which hidden objects do not see each other.
        init_cfg: Initial weights.
    """

    def __init__(self,
                 channels: int,
                 num_heads: int = 4,
                 *,
                 branches: Sequence[str] = ('cls', ),
                 thresholds: tuple[float, float] = (0.75, 0.99),
                 weigh_by_objectness: bool = False,
                 score_mask: bool = False,
                 hide: Sequence[str] = ('cls', 'reg'),
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if channels % num_heads:
            raise ValueError(f'{num_heads} heads do not divide {channels} channels')
        if not branches or set(branches) - set(BRANCHES):
            raise ValueError(f'branches must be of {BRANCHES}, got {branches!r}')
        self.channels = channels
        self.out_channels = 4 * channels
        self.num_heads = num_heads
        self.branches = tuple(branches)
        self.thresholds = thresholds
        self.weigh_by_objectness = weigh_by_objectness
        self.score_mask = score_mask
        self.hide = frozenset(hide)
        self.qkv_cls = nn.Linear(channels, 3 * channels, bias=False)
        self.qkv_reg = nn.Linear(channels, 3 * channels, bias=False)
        self.linear1 = nn.ModuleDict(
            {name: nn.Linear(2 * channels, 2 * channels) for name in self.branches})
        self.linear2 = nn.ModuleDict(
            {name: nn.Linear(4 * channels, 4 * channels) for name in self.branches})

    def forward(self, x_cls: Tensor, x_reg: Tensor, cls_scores: Tensor, objectness: Tensor,
                hidden: Tensor | None = None) -> dict[str, Tensor]:
        """Enhance the objects of a group.

        Args:
            x_cls: (N, C), class embeddings.
            x_reg: (N, C), regression embeddings.
            cls_scores: (N,), probabilities of the best classes.
            objectness: (N,).
            hidden: (N,), bool, objects that do not see each other; None for none.

        Returns:
            (N, 4 C) for every branch.
        """
        found = self.affinities(x_cls, x_reg, cls_scores, objectness, hidden)
        outputs = {}
        for name in self.branches:
            which = BRANCHES.index(name)
            own = self.linear1[name](found.attended[which])
            pooled = found.pooled[which] @ own
            outputs[name] = self.linear2[name](torch.cat([pooled, own], 1))
        return outputs

    def affinities(self, x_cls: Tensor, x_reg: Tensor, cls_scores: Tensor, objectness: Tensor,
                   hidden: Tensor | None = None) -> Affinities:
        """Attention and pooling weights of a group, see :meth:`forward`."""
        (query_c, key_c, value_c), (query_r, key_r, value_r) = (
            layer(x).view(len(x), 3, self.num_heads, self.channels // self.num_heads)
            .permute(1, 2, 0, 3)
            for layer, x in ((self.qkv_cls, x_cls), (self.qkv_reg, x_reg)))
        by_cls = SHARPNESS * _cosines(query_c, key_c) * cls_scores
        by_reg = SHARPNESS * _cosines(query_r, key_r)
        if self.weigh_by_objectness:
            by_reg = by_reg * objectness
        as_sure, as_good = _as_good(cls_scores), _as_good(objectness)
        if self.score_mask:
            by_cls = by_cls * as_sure
            if self.weigh_by_objectness:
                by_reg = by_reg * as_good
        if hidden is not None:
            unseen = hidden[:, None] & hidden
            by_cls, by_reg = (
                logits.masked_fill(unseen, HIDDEN) if name in self.hide else logits
                for name, logits in (('cls', by_cls), ('reg', by_reg)))
        attention = (by_cls.softmax(-1) + by_reg.softmax(-1)) / 2
        attended_c, attended_r = (
            torch.cat([_joined(attention @ value), _joined(value)], 1)
            for value in (value_c, value_r))
        alike = _cosines(value_c, value_c).mean(0) > self.thresholds[0]
        if self.score_mask and not self.weigh_by_objectness:
            alike = alike & as_sure & as_good
        pool_c = _rows_to_one(attention.mean(0).softmax(-1) * alike)
        pool_o = pool_c
        if 'obj' in self.branches:
            pool_o = _rows_to_one(
                pool_c * (_cosines(value_r, value_r).mean(0) > self.thresholds[1]))
        return Affinities((attended_c, attended_r), (pool_c, pool_o))


def _cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosines (H, N, M) of vectors (H, N, d) and (H, M, d); 0 for vectors of zeros."""
    return functional.normalize(a, dim=-1) @ functional.normalize(b, dim=-1).transpose(-2, -1)


def _as_good(scores: Tensor) -> Tensor:
    """Whether object j has a score (N, N) about as high as object i or higher."""
    return scores > scores[:, None] - MARGIN


def _joined(heads: Tensor) -> Tensor:
    """(N, H d) of (H, N, d)."""
    return heads.transpose(0, 1).flatten(1)


def _rows_to_one(weights: Tensor) -> Tensor:
    """Rows divided by their sums; a row of zeros stays."""
    return weights / weights.sum(1, keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)
