"""Necks: convolutions of static detectors, and temporal ones, where references enhance maps."""

from .rfcn_neck import RFCNNeck
from .stmm_neck import STMMNeck
from .temporal_neck import EnhancedMaps, TemporalNeck, in_time
from .vgg_neck import VGGNeck

__all__ = ['EnhancedMaps', 'RFCNNeck', 'STMMNeck', 'TemporalNeck', 'VGGNeck', 'in_time']
