"""Models: the video detector and its temporal parts."""

from .aggregators import (
    Aggregator,
    ChainedAggregator,
    MEGAAggregator,
    MSTInstanceAggregator,
    MSTProposalAggregator,
    RDNAggregator,
    SELSAAggregator,
)
from .backbones import VGG16
from .data_preprocessor import VideoDataPreprocessor
from .dense_heads import FirstLevelRPNHead
from .layers import ConvGRUCell, PSRoIAlign, PSRoIPool, STMMCell
from .motion import FlowNetSimple
from .necks import DFFNeck, FGFANeck, MSTNeck, RFCNNeck, STMMNeck, TemporalNeck, VGGNeck
from .roi_heads import (
    Conv5RoIExtractor,
    EmbeddingDoubleBBoxHead,
    RFCNBBoxHead,
    RFCNRoIHead,
    RoIEmbedding,
    TemporalCascadeRoIHead,
    TemporalDoubleHeadRoIHead,
    TemporalRoIAlign,
    TemporalRoIHead,
    VGGBBoxHead,
)
from .task_modules import InclusiveBoxCoder, RoundedAnchorGenerator
from .temporal_part import HeadStep, NeckStep, Needs, TemporalHead, TemporalPart
from .video_detector import VideoDetector

__all__ = [
    'VGG16',
    'Aggregator',
    'ChainedAggregator',
    'Conv5RoIExtractor',
    'ConvGRUCell',
    'DFFNeck',
    'EmbeddingDoubleBBoxHead',
    'FGFANeck',
    'FirstLevelRPNHead',
    'FlowNetSimple',
    'HeadStep',
    'InclusiveBoxCoder',
    'MEGAAggregator',
    'MSTInstanceAggregator',
    'MSTNeck',
    'MSTProposalAggregator',
    'NeckStep',
    'Needs',
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
    'TemporalHead',
    'TemporalNeck',
    'TemporalPart',
    'TemporalRoIAlign',
    'TemporalRoIHead',
    'VGGBBoxHead',
    'VGGNeck',
    'VideoDataPreprocessor',
    'VideoDetector'
]
