"""Layers of the temporal modules, one per file."""

from .kept_bias import FrameBoxes, KeptBias, move_bias
from .position_embedding import location_terms, sine_embedding
from .relation import RelationModule
from .semantic_attention import SemanticAttention

__all__ = [
    'FrameBoxes', 'KeptBias', 'RelationModule', 'SemanticAttention', 'location_terms', 'move_bias',
    'sine_embedding'
]
