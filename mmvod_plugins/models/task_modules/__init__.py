"""Anchors and box coder of the published conventions."""

from .inclusive_box_coder import InclusiveBoxCoder
from .rounded_anchor_generator import RoundedAnchorGenerator

__all__ = ['InclusiveBoxCoder', 'RoundedAnchorGenerator']
