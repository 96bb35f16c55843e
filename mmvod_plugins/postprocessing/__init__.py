"""Post-processing: detections of whole videos are linked, rescored and suppressed."""

from .base import PostProcessor, apply_post_processors, build_post_processors
from .box_linking import BoxLinkingWithRelations
from .ensemble import ensemble
from .optimal_path import Paths, k_paths, online_paths, optimal_path
from .path_rescoring import PathRescoring
from .per_frame_nms import PerFrameNMS, kept_by_nms
from .seq_nms import FGFASeqNMS, SeqNMS, SeqNMSResult
from .suppression_check import looks_suppressed
from .tubelet_rescoring import TubeletRescoring
from .tubelets import Tubelet, tubelets

__all__ = [
    'BoxLinkingWithRelations',
    'FGFASeqNMS',
    'PathRescoring',
    'Paths',
    'PerFrameNMS',
    'PostProcessor',
    'SeqNMS',
    'SeqNMSResult',
    'Tubelet',
    'TubeletRescoring',
    'apply_post_processors',
    'build_post_processors',
    'ensemble',
    'k_paths',
    'kept_by_nms',
    'looks_suppressed',
    'online_paths',
    'optimal_path',
    'tubelets',
]
