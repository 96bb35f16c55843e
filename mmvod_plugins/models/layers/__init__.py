"""Layers of the temporal modules, one per file."""

from .position_embedding import location_terms, sine_embedding
from .relation import RelationModule
from .semantic_attention import SemanticAttention

__all__ = ['RelationModule', 'SemanticAttention', 'location_terms', 'sine_embedding']
