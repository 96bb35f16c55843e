"""RoI heads, extractors and aggregators of objects."""

from .aggregator import Aggregated, Aggregator
from .base_temporal_roi_head import BaseTemporalRoIHead
from .conv5_roi_extractor import Conv5RoIExtractor
from .embedding_double_bbox_head import EmbeddingDoubleBBoxHead
from .mega_aggregator import MEGAAggregator
from .rdn_aggregator import RDNAggregator
from .rfcn_bbox_head import PositionSensitiveConv, RFCNBBoxHead
from .rfcn_roi_head import RFCNRoIHead
from .roi_embedding import RoIEmbedding
from .selsa_aggregator import SELSAAggregator
from .temporal_cascade_roi_head import TemporalCascadeRoIHead
from .temporal_double_head_roi_head import TemporalDoubleHeadRoIHead
from .temporal_roi_align import TemporalRoIAlign
from .temporal_roi_head import TemporalRoIHead
from .vgg_bbox_head import VGGBBoxHead

__all__ = [
    'Aggregated', 'Aggregator', 'BaseTemporalRoIHead', 'Conv5RoIExtractor',
    'EmbeddingDoubleBBoxHead', 'MEGAAggregator', 'PositionSensitiveConv', 'RDNAggregator',
    'RFCNBBoxHead', 'RFCNRoIHead', 'RoIEmbedding', 'SELSAAggregator', 'TemporalCascadeRoIHead',
    'TemporalDoubleHeadRoIHead', 'TemporalRoIAlign', 'TemporalRoIHead', 'VGGBBoxHead'
]
