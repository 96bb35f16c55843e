"""Using a trained model outside a runner."""

from .inference import (
    TracedFrame,
    detect_frames,
    encode_frames,
    init_video_detector,
    trace_frames,
)
from .session import VideoSession

__all__ = [
    'TracedFrame', 'VideoSession', 'detect_frames', 'encode_frames', 'init_video_detector',
    'trace_frames'
]
