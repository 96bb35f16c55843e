"""RoI heads, extractors and aggregators of objects."""

from .aggregator import Aggregated, Aggregator
from .conv5_roi_extractor import Conv5RoIExtractor
from .mega_aggregator import MEGAAggregator
from .rdn_aggregator import RDNAggregator
from .roi_embedding import RoIEmbedding
from .selsa_aggregator import SELSAAggregator
from .temporal_roi_align import TemporalRoIAlign
from .temporal_roi_head import TemporalRoIHead

__all__ = [
    'Aggregated', 'Aggregator', 'Conv5RoIExtractor', 'MEGAAggregator', 'RDNAggregator',
    'RoIEmbedding', 'SELSAAggregator', 'TemporalRoIAlign', 'TemporalRoIHead'
]
