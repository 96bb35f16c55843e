"""Models: the video detector and its temporal parts."""

from .backbones import VGG16
from .dense_heads import FirstLevelRPNHead
from .layers import PSRoIAlign, PSRoIPool
from .necks import RFCNNeck, TemporalNeck, VGGNeck
from .roi_heads import (
    Aggregator,
    Conv5RoIExtractor,
    MEGAAggregator,
    RDNAggregator,
    RFCNBBoxHead,
    RFCNRoIHead,
    RoIEmbedding,
    SELSAAggregator,
    TemporalCascadeRoIHead,
    TemporalRoIAlign,
    TemporalRoIHead,
    VGGBBoxHead,
)
from .task_modules import InclusiveBoxCoder, RoundedAnchorGenerator
from .video_detector import VideoDetector

__all__ = [
    'VGG16', 'Aggregator', 'Conv5RoIExtractor', 'FirstLevelRPNHead', 'InclusiveBoxCoder',
    'MEGAAggregator', 'PSRoIAlign', 'PSRoIPool', 'RDNAggregator', 'RFCNBBoxHead', 'RFCNNeck',
    'RFCNRoIHead', 'RoIEmbedding', 'RoundedAnchorGenerator', 'SELSAAggregator',
    'TemporalCascadeRoIHead', 'TemporalNeck', 'TemporalRoIAlign', 'TemporalRoIHead',
    'VGGBBoxHead', 'VGGNeck', 'VideoDetector'
]
