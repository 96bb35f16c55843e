"""Streams: which key frames are complete, what is kept, what is remembered."""

from .stream_pool import StreamPool
from .video_stream import VideoStream

__all__ = ['StreamPool', 'VideoStream']
