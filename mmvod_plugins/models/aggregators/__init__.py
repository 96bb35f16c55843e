"""Aggregators: objects of reference frames enhance those of the key frame, one file per method."""

from .base import Aggregated, Aggregator, ObjectsByRole, RelationStage
from .mega import MEGAAggregator
from .ogemn import OGEMNAggregator
from .rdn import RDNAggregator
from .selsa import SELSAAggregator
from .yolov import YOLOVAggregator

__all__ = [
    'Aggregated', 'Aggregator', 'MEGAAggregator', 'OGEMNAggregator', 'ObjectsByRole',
    'RDNAggregator', 'RelationStage', 'SELSAAggregator', 'YOLOVAggregator'
]
