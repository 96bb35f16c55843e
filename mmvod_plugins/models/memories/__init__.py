"""Memories: plain objects that outlive a key frame."""

from .long_range_memory import LongRangeMemory
from .recurrent_memory import RecurrentMemory
from .yolov_memory import YOLOVMemory

__all__ = ['LongRangeMemory', 'RecurrentMemory', 'YOLOVMemory']
