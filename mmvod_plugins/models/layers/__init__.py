"""Layers of the temporal modules, one per file."""

from .kept_relation import (
    FrameBoxes,
    KeptBias,
    KeptRelation,
    move_bias,
    name_frames,
    project_frames,
)
from .position_embedding import location_terms, sine_embedding
from .relation import RelationModule
from .semantic_attention import SemanticAttention

__all__ = [
    'FrameBoxes', 'KeptBias', 'KeptRelation', 'RelationModule', 'SemanticAttention',
    'location_terms', 'move_bias', 'name_frames', 'project_frames', 'sine_embedding'
]
