"""What is remembered from one key frame to the next: plain objects."""

from .long_range_memory import LongRangeMemory
from .recurrent_memory import RecurrentMemory

__all__ = ['LongRangeMemory', 'RecurrentMemory']
