"""What is remembered from one key frame to the next: plain objects."""

from .long_range_memory import LongRangeMemory

__all__ = ['LongRangeMemory']
