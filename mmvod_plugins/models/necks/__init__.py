"""Temporal necks: feature maps of references enhance those of the key frame."""

from .stmm_neck import STMMNeck
from .temporal_neck import EnhancedMaps, TemporalNeck, in_time

__all__ = ['EnhancedMaps', 'STMMNeck', 'TemporalNeck', 'in_time']
