"""Temporal necks: feature maps of references enhance those of the key frame."""

from .dff_neck import DFFNeck
from .fgfa_neck import FGFANeck
from .flow_guided_neck import FlowGuidedNeck
from .temporal_neck import EnhancedMaps, Maps, TemporalNeck

__all__ = ['DFFNeck', 'EnhancedMaps', 'FGFANeck', 'FlowGuidedNeck', 'Maps', 'TemporalNeck']
