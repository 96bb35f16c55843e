"""Models: the video detector and its temporal parts."""

from .motion import FlowNetSimple
from .necks import DFFNeck, FGFANeck, TemporalNeck
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
    'Aggregator', 'Conv5RoIExtractor', 'DFFNeck', 'FGFANeck', 'FlowNetSimple',
    'InclusiveBoxCoder', 'MEGAAggregator', 'RDNAggregator',
    'RoIEmbedding', 'RoundedAnchorGenerator', 'SELSAAggregator', 'TemporalCascadeRoIHead',
    'TemporalNeck',
    'TemporalRoIAlign', 'TemporalRoIHead', 'VideoDetector'
]
