"""Aggregators: objects of reference frames enhance those of the key frame, one file per method."""

from .base import Aggregated, Aggregator, ObjectsByRole, RelationStage
from .chain import ChainedAggregator
from .mega import MEGAAggregator
from .mst import MSTInstanceAggregator, MSTProposalAggregator
from .ogemn import OGEMNAggregator
from .rdn import RDNAggregator
from .selsa import SELSAAggregator
from .yolov import YOLOVAggregator

__all__ = [
    'Aggregated', 'Aggregator', 'ChainedAggregator', 'MEGAAggregator', 'MSTInstanceAggregator',
    'MSTProposalAggregator', 'OGEMNAggregator', 'ObjectsByRole', 'RDNAggregator',
    'RelationStage', 'SELSAAggregator', 'YOLOVAggregator'
]
