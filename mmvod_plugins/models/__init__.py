"""Models: the video detector and its temporal parts."""

from .layers import ConvGRUCell, STMMCell
from .necks import STMMNeck, TemporalNeck
from .roi_heads import (
    Aggregator,
    Conv5RoIExtractor,
    MEGAAggregator,
    RDNAggregator,
    RoIEmbedding,
    SELSAAggregator,
    TemporalCascadeRoIHead,
    TemporalRoIAlign,
    TemporalRoIHead,
)
from .task_modules import InclusiveBoxCoder, RoundedAnchorGenerator
from .video_detector import VideoDetector

__all__ = [
    'Aggregator', 'Conv5RoIExtractor', 'ConvGRUCell', 'InclusiveBoxCoder', 'MEGAAggregator',
    'RDNAggregator', 'RoIEmbedding', 'RoundedAnchorGenerator', 'SELSAAggregator', 'STMMCell',
    'STMMNeck', 'TemporalCascadeRoIHead', 'TemporalNeck', 'TemporalRoIAlign', 'TemporalRoIHead',
    'VideoDetector'
]
