"""Read operation of an external memory (OGEMN, section 3.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmvod_plugins.utils.constants import constant
from mmvod_plugins.utils.precision import at_least_float32

#: Attention weights that are computed at once; more rows are read in several steps.
WEIGHTS_AT_ONCE = 2**26


@dataclass(frozen=True)
class ReadResult:
    """The result of a read at n input locations.

    Attributes:
        feats: (n, C), the input with what was read; the input itself, bit for bit, if the memory
            was empty.
        attention: (G, n), head-averaged weights, summed over the rows of each group; without
            gradient. ``attention[p].sum()`` is the number of rows of group p.
        theta: (n,), scale of the aligned memory (eq. 5), without gradient.
        beta: (n,), share of the input (eq. 5), without gradient.
    """

    feats: Tensor
    attention: Tensor
    theta: Tensor
    beta: Tensor


class MemoryRead(nn.Module):
    """Propagates the rows of a memory to the locations of a map, or to pooled RoIs.

    Equations 1 to 6: each row spreads a weight of one over the *input locations* (not the
    locations over the rows), so new and background features are hardly touched. Heads attend with
    embeddings of their own to slabs of the values; theta and beta are those of the mean over the
    heads. One temperature serves all heads.

    Rows do not depend on each other, so any number of them is read exactly, some at a time, and
    of their weights only sums are kept. Similarities and weights have at least single precision,
    under autocast too.

    Where the heads do not divide the channels (8 heads and the 7 x 7 x 31 = 1519 numbers of a
    RoI of R-FCN), the channels are padded with zeros to a multiple (1520), and what the padding
    receives is dropped. With 7 heads there is no padding.

    Args:
        channels: C, of rows and input.
        num_heads: N.
        embed_channels: Width of the embedding of each head (the paper's c-bar).
        temperature: Initial lambda; 1 in the paper.
        alike: Whether keys start as the queries do, so that attention starts as the similarity of
            features. By default both are drawn, as published: attention then starts at random.

    Raises:
        ValueError: If a number is below 1.
    """

    def __init__(self, channels: int, num_heads: int = 8, embed_channels: int = 32,
                 temperature: float = 1.0, *, alike: bool = False) -> None:
        super().__init__()
        sizes = dict(channels=channels, num_heads=num_heads, embed_channels=embed_channels)
        if min(sizes.values()) < 1:
            raise ValueError(f'a memory read needs positive sizes, got {sizes}')
        self.channels = channels
        self.num_heads = num_heads
        width = -(-channels // num_heads) * num_heads
        self.query = nn.Linear(channels, num_heads * embed_channels, bias=False)
        self.key = nn.Linear(channels, num_heads * embed_channels, bias=False)
        self.value = nn.Linear(channels, width, bias=False)
        self.temperature = nn.Parameter(torch.tensor(float(temperature)))
        # the paper's N(0, 0.01), taken as the deviation: cosines do not depend on it
        nn.init.normal_(self.query.weight, std=0.01)
        nn.init.normal_(self.key.weight, std=0.01)
        if alike:
            self.key.weight.data.copy_(self.query.weight.data)
        nn.init.eye_(self.value.weight)

    def forward(self, feats: Tensor, blocks: Sequence[Tensor],
                sizes: Sequence[int] = ()) -> ReadResult:
        """Read the memory; nothing that is given changes.

        Args:
            feats: Input, (n, C): cells of a map in row-major order, or objects.
            blocks: Rows of the memory, (l_k, C) each; none for an empty memory.
            sizes: Rows of every group whose attention is asked for, in the order of the rows;
                rows after the last group are read and belong to none.

        Raises:
            ValueError: If there are fewer rows than ``sizes`` counts.
        """
        blocks = [block for block in blocks if len(block)]
        rows = sum(len(block) for block in blocks)
        if sum(sizes) > rows:
            raise ValueError(f'the groups have {sum(sizes)} rows, the memory {rows}')
        if not blocks or not len(feats):
            one = feats.new_ones(len(feats))
            if self.training:  # distributed training wants a gradient from each process
                feats = feats + 0 * sum(parameter.sum() for parameter in self.parameters())
            return ReadResult(feats, feats.new_zeros(len(sizes), len(feats)), one, one)
        with torch.autocast(feats.device.type, enabled=False):
            return self._read(feats, blocks, sizes)

    def _read(self, feats: Tensor, blocks: Sequence[Tensor], sizes: Sequence[int]) -> ReadResult:
        x = at_least_float32(feats)
        # heads first, locations last
        queries = self.temperature * self._unit(self.query, x).permute(1, 2, 0)
        aligned = total = 0
        attention = x.new_zeros(len(sizes), len(x))
        start = 0
        for rows in self._pieces(blocks, len(x)):
            weights = (self._unit(self.key, rows).transpose(0, 1) @ queries).softmax(-1)
            values = self._heads(self.value, rows).transpose(0, 1)  # (N, l, C / N)
            aligned = aligned + weights.transpose(1, 2) @ values
            mean = weights.mean(0)
            total = total + mean.sum(0)
            if start < sum(sizes):
                attention += _sums(mean.detach(), start, sizes)
                start += len(rows)
        theta, beta = 1 / total.clamp(min=1), 1 / (total.clamp(max=1) + 1)
        memory = theta[:, None] * aligned.transpose(0, 1).flatten(1)[:, :self.channels]
        y = beta[:, None] * x + (1 - beta[:, None]) * memory
        return ReadResult(y.to(feats.dtype), attention, theta.detach(), beta.detach())

    def _pieces(self, blocks: Sequence[Tensor], num_locations: int) -> Iterator[Tensor]:
        """The rows, as many at a time as :data:`WEIGHTS_AT_ONCE` allows; views, no copies."""
        length = max(WEIGHTS_AT_ONCE // (self.num_heads * num_locations), 1)
        for block in blocks:
            yield from map(at_least_float32, block.split(length))

    def _heads(self, linear: nn.Linear, x: Tensor) -> Tensor:
        """Project (l, C) to (l, N, width of a head)."""
        return functional.linear(x, linear.weight.to(x)).unflatten(1, (self.num_heads, -1))

    def _unit(self, linear: nn.Linear, x: Tensor) -> Tensor:
        """Embeddings of unit length, (l, N, c-bar); those of zero vectors stay zero."""
        return functional.normalize(self._heads(linear, x), dim=-1)

    def extra_repr(self) -> str:
        """Settings, for printing."""
        return f'channels={self.channels}, num_heads={self.num_heads}'


def _sums(weights: Tensor, start: int, sizes: Sequence[int]) -> Tensor:
    """Sums (G, n) of the rows (l, n) from ``start`` on by groups of these sizes.

    Rows after the last group count nowhere. The host knows the sizes: no device is asked for them.
    """
    ends = list(accumulate(sizes))
    weights = weights[:ends[-1] - start]
    # sizes change when the memory does, which is less often than it is read
    first, after = constant([0, *ends[:-1], *ends], weights).view(2, -1, 1)
    rows = torch.arange(start, start + len(weights), device=weights.device)
    return ((rows >= first) & (rows < after)).to(weights) @ weights
