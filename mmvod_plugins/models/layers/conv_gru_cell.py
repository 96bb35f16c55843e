"""ConvGRU, the baseline of STMN's Table 2 (Ballas et al., ICLR 2016)."""

from __future__ import annotations

from typing import Any

from mmdet.registry import MODELS
from torch import Tensor

from .recurrent_cell import RecurrentCell


@MODELS.register_module()
class ConvGRUCell(RecurrentCell):
    """A memory with sigmoid gates and a tanh candidate.

    Its output has both signs, so a replaced convolution gives it no weights.

    Args:
        in_channels: C of the feature maps.
        channels: M of the memory.
        alignment: Arguments of :class:`MatchTrans`; None, the baseline: no alignment.
        init_cfg: Initial weights.
    """

    def __init__(self, in_channels: int, channels: int, alignment: dict[str, Any] | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(in_channels, channels, alignment, init_cfg)

    def squash_gate(self, x: Tensor) -> Tensor:
        """Sigmoid."""
        return x.sigmoid()

    def squash(self, x: Tensor) -> Tensor:
        """Tanh."""
        return x.tanh()
