"""Models: the video detector and its temporal parts."""

from .necks import TemporalNeck
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
    'Aggregator', 'Conv5RoIExtractor', 'EmbeddingDoubleBBoxHead', 'InclusiveBoxCoder',
    'MEGAAggregator', 'RDNAggregator', 'RoIEmbedding', 'RoundedAnchorGenerator',
    'SELSAAggregator', 'TemporalCascadeRoIHead', 'TemporalDoubleHeadRoIHead', 'TemporalNeck',
    'TemporalRoIAlign', 'TemporalRoIHead', 'VideoDetector'
]
