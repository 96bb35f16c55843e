"""Post-processing of whole videos: linking, rescoring and suppression of detections."""

from .base import PostProcessor, apply_post_processors, build_post_processors
from .box_linking import BoxLinkingWithRelations
from .ensemble import ensemble
from .greedy_tubelets import greedy_tubelets
from .link_model import LinkModel
from .object_tracker import ObjectTracker
from .optimal_path import Paths, k_paths, online_paths, optimal_path
from .path_rescoring import PathRescoring
from .per_frame_nms import PerFrameNMS, kept_by_nms, looks_suppressed
from .repp import REPP
from .seq_bbox_matching import SeqBboxMatching
from .seq_nms import FGFASeqNMS, SeqNMS, SeqNMSResult
from .tubelet_rescoring import TubeletRescoring
from .tubelets import Tubelet, tubelets

__all__ = [
    'REPP',
    'BoxLinkingWithRelations',
    'FGFASeqNMS',
    'LinkModel',
    'ObjectTracker',
    'PathRescoring',
    'Paths',
    'PerFrameNMS',
    'PostProcessor',
    'SeqBboxMatching',
    'SeqNMS',
    'SeqNMSResult',
    'Tubelet',
    'TubeletRescoring',
    'apply_post_processors',
    'build_post_processors',
    'ensemble',
    'greedy_tubelets',
    'k_paths',
    'kept_by_nms',
    'looks_suppressed',
    'online_paths',
    'optimal_path',
    'tubelets',
]
