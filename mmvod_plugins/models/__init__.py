"""Models: the video detector and its temporal parts."""

from .motion import FlowNetSimple
from .necks import DFFNeck, FGFANeck, TemporalNeck
from .roi_heads import (
    Aggregator,
    Conv5RoIExtractor,
    EmbeddingDoubleBBoxHead,
    MEGAAggregator,
    RDNAggregator,
    RoIEmbedding,
    SELSAAggregator,
    TemporalCascadeRoIHead,
    TemporalDoubleHeadRoIHead,
    TemporalRoIAlign,
    TemporalRoIHead,
)
from .task_modules import InclusiveBoxCoder, RoundedAnchorGenerator
from .video_detector import VideoDetector

__all__ = [
    'Aggregator', 'Conv5RoIExtractor', 'DFFNeck', 'EmbeddingDoubleBBoxHead', 'FGFANeck',
    'FlowNetSimple', 'InclusiveBoxCoder', 'MEGAAggregator', 'RDNAggregator', 'RoIEmbedding',
    'RoundedAnchorGenerator', 'SELSAAggregator', 'TemporalCascadeRoIHead',
    'TemporalDoubleHeadRoIHead', 'TemporalNeck', 'TemporalRoIAlign', 'TemporalRoIHead',
    'VideoDetector'
]
