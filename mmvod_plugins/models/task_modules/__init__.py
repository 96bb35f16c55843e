"""Anchors and box coder of the published conventions; selection of points."""

from .inclusive_box_coder import InclusiveBoxCoder
from .point_selection import DensePoints, PointSelection, ScoreThreshold, TopObjectness
from .rounded_anchor_generator import RoundedAnchorGenerator

__all__ = [
    'DensePoints', 'InclusiveBoxCoder', 'PointSelection', 'RoundedAnchorGenerator',
    'ScoreThreshold', 'TopObjectness'
]
