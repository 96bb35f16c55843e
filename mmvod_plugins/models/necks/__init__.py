"""Necks: convolutions of static detectors, and temporal ones, where references enhance maps."""

from .rfcn_neck import RFCNNeck
from .temporal_neck import EnhancedMaps, TemporalNeck
from .vgg_neck import VGGNeck

__all__ = ['EnhancedMaps', 'RFCNNeck', 'TemporalNeck', 'VGGNeck']
