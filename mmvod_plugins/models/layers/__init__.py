"""Layers of the temporal modules, one per file."""

from .affinity_aggregation import AffinityAggregation
from .bn_star import bn_star
from .conv_gru_cell import ConvGRUCell
from .dalign import DAlign, deform_conv
from .flow_warp import flow_warp, resize_flow
from .frame_attention import FrameAttention
from .local_aggregation import LocalAggregation
from .match_trans import MatchTrans, transform_memory, transformation_coefficients
from .memory_read import MemoryRead, ReadResult
from .position_embedding import location_terms, sine_embedding
from .ps_roi_pool import PSRoIAlign, PSRoIPool, ps_roi_align, ps_roi_pool
from .recurrent_cell import CellState, RecurrentCell
from .relation import RelationModule
from .semantic_attention import SemanticAttention
from .size_relation import SizeRelation, size_terms
from .stmm_cell import STMMCell

__all__ = [
    'AffinityAggregation',
    'CellState',
    'ConvGRUCell',
    'DAlign',
    'FrameAttention',
    'LocalAggregation',
    'MatchTrans',
    'MemoryRead',
    'PSRoIAlign',
    'PSRoIPool',
    'ReadResult',
    'RecurrentCell',
    'RelationModule',
    'STMMCell',
    'SemanticAttention',
    'SizeRelation',
    'bn_star',
    'deform_conv',
    'flow_warp',
    'location_terms',
    'ps_roi_align',
    'ps_roi_pool',
    'resize_flow',
    'sine_embedding',
    'size_terms',
    'transform_memory',
    'transformation_coefficients'
]
