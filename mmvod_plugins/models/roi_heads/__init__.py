"""RoI heads, with and without aggregators, and their parts."""

from .base import TemporalRoIHeadMixin
from .conv5_roi_extractor import Conv5RoIExtractor
from .embedding_double_bbox_head import EmbeddingDoubleBBoxHead
from .rfcn_bbox_head import PositionSensitiveConv, RFCNBBoxHead
from .rfcn_roi_head import RFCNRoIHead
from .roi_embedding import RoIEmbedding
from .temporal_cascade_roi_head import TemporalCascadeRoIHead
from .temporal_double_head_roi_head import TemporalDoubleHeadRoIHead
from .temporal_rfcn_roi_head import TemporalRFCNRoIHead
from .temporal_roi_align import TemporalRoIAlign
from .temporal_roi_head import TemporalRoIHead
from .vgg_bbox_head import VGGBBoxHead

__all__ = [
    'Conv5RoIExtractor', 'EmbeddingDoubleBBoxHead', 'PositionSensitiveConv', 'RFCNBBoxHead',
    'RFCNRoIHead', 'RoIEmbedding', 'TemporalCascadeRoIHead', 'TemporalDoubleHeadRoIHead',
    'TemporalRFCNRoIHead', 'TemporalRoIAlign', 'TemporalRoIHead', 'TemporalRoIHeadMixin',
    'VGGBBoxHead'
]
