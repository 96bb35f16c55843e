"""Layers of the temporal modules, one per file."""

from .position_embedding import location_terms, sine_embedding
from .relation import RelationModule

__all__ = ['RelationModule', 'location_terms', 'sine_embedding']
