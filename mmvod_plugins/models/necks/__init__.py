"""Necks: convolutions of static detectors, and temporal ones, where references enhance maps."""

from .dff_neck import DFFNeck
from .fgfa_neck import FGFANeck
from .flow_guided_neck import FlowGuidedNeck
from .mst_neck import MSTNeck
from .ogemn_neck import OGEMNNeck
from .rfcn_neck import RFCNNeck
from .sliced_neck import SlicedNeck
from .stmm_neck import STMMNeck
from .temporal_neck import TemporalNeck
from .vgg_neck import VGGNeck
from .wide_yolox_pafpn import WideYOLOXPAFPN

__all__ = [
    'DFFNeck', 'FGFANeck', 'FlowGuidedNeck', 'MSTNeck', 'OGEMNNeck', 'RFCNNeck', 'STMMNeck',
    'SlicedNeck', 'TemporalNeck', 'VGGNeck', 'WideYOLOXPAFPN'
]
