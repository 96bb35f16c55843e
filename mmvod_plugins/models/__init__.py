"""Models: the video detector and its temporal parts."""

from .aggregators import (
    Aggregator,
    ChainedAggregator,
    MEGAAggregator,
    MSTInstanceAggregator,
    MSTProposalAggregator,
    OGEMNAggregator,
    RDNAggregator,
    SELSAAggregator,
    YOLOVAggregator,
)
from .backbones import VGG16, FocalNet
from .data_preprocessor import VideoDataPreprocessor
from .dense_heads import FirstLevelRPNHead, TemporalDenseHead
from .layers import ConvGRUCell, PSRoIAlign, PSRoIPool, STMMCell
from .motion import FlowNetSimple
from .necks import (
    DFFNeck,
    FGFANeck,
    MSTNeck,
    OGEMNNeck,
    RFCNNeck,
    SlicedNeck,
    STMMNeck,
    TemporalNeck,
    VGGNeck,
    WideYOLOXPAFPN,
)
from .query_heads import TemporalDeformableDETRHead, TemporalDINOHead, TemporalQueryHead
from .roi_heads import (
    Conv5RoIExtractor,
    EmbeddingDoubleBBoxHead,
    RFCNBBoxHead,
    RFCNRoIHead,
    RoIEmbedding,
    TemporalCascadeRoIHead,
    TemporalDoubleHeadRoIHead,
    TemporalRFCNRoIHead,
    TemporalRoIAlign,
    TemporalRoIHead,
    VGGBBoxHead,
)
from .task_modules import (
    InclusiveBoxCoder,
    RoundedAnchorGenerator,
    ScoreThreshold,
    TopObjectness,
)
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
    'FocalNet',
    'HeadStep',
    'InclusiveBoxCoder',
    'MEGAAggregator',
    'MSTInstanceAggregator',
    'MSTNeck',
    'MSTProposalAggregator',
    'NeckStep',
    'Needs',
    'OGEMNAggregator',
    'OGEMNNeck',
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
    'ScoreThreshold',
    'SlicedNeck',
    'TemporalCascadeRoIHead',
    'TemporalDINOHead',
    'TemporalDeformableDETRHead',
    'TemporalDenseHead',
    'TemporalDoubleHeadRoIHead',
    'TemporalHead',
    'TemporalNeck',
    'TemporalPart',
    'TemporalQueryHead',
    'TemporalRFCNRoIHead',
    'TemporalRoIAlign',
    'TemporalRoIHead',
    'TopObjectness',
    'VGGBBoxHead',
    'VGGNeck',
    'VideoDataPreprocessor',
    'VideoDetector',
    'WideYOLOXPAFPN',
    'YOLOVAggregator'
]
