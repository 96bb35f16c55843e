"""Post-processing: detections of whole videos are linked, rescored and suppressed."""

from .base import PostProcessor, apply_post_processors, build_post_processors
from .seq_nms import FGFASeqNMS, SeqNMS, SeqNMSResult

__all__ = ['PostProcessor', 'apply_post_processors', 'build_post_processors',
           'FGFASeqNMS', 'SeqNMS', 'SeqNMSResult']
