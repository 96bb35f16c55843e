"""The Spatial-Temporal Memory Module (STMN, section 3.2)."""

from __future__ import annotations

from typing import Any

from mmdet.registry import MODELS
from torch import Tensor

from .bn_star import bn_star
from .recurrent_cell import CellInputs, RecurrentCell


@MODELS.register_module()
class STMMCell(RecurrentCell):
    """A memory whose gates are BN* and whose candidate is rectified (equations 1 to 4).

    Being rectified, it stands in the place of a convolution with ReLU: ``W_z``, ``W_r`` and ``W``
    start as that convolution.

    Args:
        in_channels: C of the feature maps.
        channels: M of the memory.
        alignment: Arguments of :class:`MatchTrans`; None: no alignment (Table 2).
        mult_after_w: Constant factor of the feature convolutions, bias included. The published
            program has 20 in its ResNet-101 R-FCN; the paper does not mention it.
        all_elements: Whether BN* counts zeros, as the paper's text says; the program does not.
        detach_bound: Whether the bound of BN* is a constant for the gradient, as in the program.
        init_cfg: Initial weights.
    """

    def __init__(self,
                 in_channels: int,
                 channels: int,
                 alignment: dict[str, Any] | None = {},  # noqa: B006 only read
                 *,
                 mult_after_w: float = 1.0,
                 all_elements: bool = False,
                 detach_bound: bool = False,
                 init_cfg: dict | None = None) -> None:
        super().__init__(in_channels, channels, alignment, init_cfg)
        self.mult_after_w = mult_after_w
        self.all_elements = all_elements
        self.detach_bound = detach_bound

    def project(self, feats: Tensor) -> CellInputs:
        """The feature convolutions of frames (T N, C, H, W), times ``mult_after_w``."""
        return super().project(feats).map(lambda part: self.mult_after_w * part)

    def squash_gate(self, x: Tensor) -> Tensor:
        """BN* of the rectified values."""
        return bn_star(x.relu(), all_elements=self.all_elements, detach=self.detach_bound)

    def squash(self, x: Tensor) -> Tensor:
        """ReLU."""
        return x.relu()

    def from_convolution(self, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
        """``W_z``, ``W_r`` and ``W`` are the replaced convolution; ``U`` stays random.

        Args:
            weight: (M, C, 3, 3).
            bias: (M,).
        """
        return {f'{name}.{part}': value.clone() for name in ('w_z', 'w_r', 'w')
                for part, value in (('weight', weight), ('bias', bias))}
