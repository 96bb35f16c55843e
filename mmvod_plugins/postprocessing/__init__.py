"""Post-processing: detections of whole videos are linked, rescored and suppressed."""

from .base import PostProcessor, apply_post_processors, build_post_processors
from .greedy_tubelets import greedy_tubelets
from .link_model import LinkModel
from .repp import REPP
from .seq_bbox_matching import SeqBboxMatching

__all__ = [
    'REPP',
    'LinkModel',
    'PostProcessor',
    'SeqBboxMatching',
    'apply_post_processors',
    'build_post_processors',
    'greedy_tubelets',
]
