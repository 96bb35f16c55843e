"""Temporal necks: feature maps of references enhance those of the key frame."""

from .temporal_neck import EnhancedMaps, TemporalNeck

__all__ = ['EnhancedMaps', 'TemporalNeck']
