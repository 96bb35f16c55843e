"""Models: the video detector and its temporal parts."""

from .backbones import VGG16
from .dense_heads import FirstLevelRPNHead
from .layers import ConvGRUCell, PSRoIAlign, PSRoIPool, STMMCell
from .motion import FlowNetSimple
from .necks import DFFNeck, FGFANeck, RFCNNeck, STMMNeck, TemporalNeck, VGGNeck
from .roi_heads import (
    Aggregator,
    Conv5RoIExtractor,
    EmbeddingDoubleBBoxHead,
    MEGAAggregator,
    RDNAggregator,
    RFCNBBoxHead,
    RFCNRoIHead,
    RoIEmbedding,
    SELSAAggregator,
    TemporalCascadeRoIHead,
    TemporalDoubleHeadRoIHead,
    TemporalRoIAlign,
    TemporalRoIHead,
    VGGBBoxHead,
)
from .task_modules import InclusiveBoxCoder, RoundedAnchorGenerator
from .video_detector import VideoDetector

__all__ = [
    'VGG16',
    'Aggregator',
    'Conv5RoIExtractor',
    'ConvGRUCell',
    'DFFNeck',
    'EmbeddingDoubleBBoxHead',
    'FGFANeck',
    'FirstLevelRPNHead',
    'FlowNetSimple',
    'InclusiveBoxCoder',
    'MEGAAggregator',
    'PSRoIAlign',
    'PSRoIPool',
    'RDNAggregator',
    'RFCNBBoxHead',
    'RFCNNeck',
    'RFCNRoIHead',
    'RoIEmbedding',
    'RoundedAnchorGenerator',
    'SELSAAggregator',
    'STMMCell',
    'STMMNeck',
    'TemporalCascadeRoIHead',
    'TemporalDoubleHeadRoIHead',
    'TemporalNeck',
    'TemporalRoIAlign',
    'TemporalRoIHead',
    'VGGBBoxHead',
    'VGGNeck',
    'VideoDetector'
]
