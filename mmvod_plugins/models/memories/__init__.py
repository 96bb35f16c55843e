"""Memories: plain objects that outlive a key frame."""

from .long_range_memory import LongRangeMemory
from .recurrent_memory import RecurrentMemory

__all__ = ['LongRangeMemory', 'RecurrentMemory']
