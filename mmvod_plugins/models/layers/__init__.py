"""Layers of the temporal modules, one per file."""

from .kept_bias import FrameBoxes, KeptBias, move_bias
from .position_embedding import location_terms, sine_embedding
from .ps_roi_pool import PSRoIAlign, PSRoIPool, ps_roi_align, ps_roi_pool
from .relation import RelationModule
from .semantic_attention import SemanticAttention

__all__ = [
    'FrameBoxes', 'KeptBias', 'PSRoIAlign', 'PSRoIPool', 'RelationModule', 'SemanticAttention',
    'location_terms', 'move_bias', 'ps_roi_align', 'ps_roi_pool', 'sine_embedding'
]
