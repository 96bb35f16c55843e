"""Using a trained model outside a runner."""

from .inference import (
    TracedFrame,
    detect_frames,
    encode_frames,
    init_video_detector,
    trace_frames,
)
from .inferencer import InferenceInterrupted, VideoDetInferencer
from .session import VideoSession
from .sources import open_sources

__all__ = [
    'InferenceInterrupted', 'TracedFrame', 'VideoDetInferencer', 'VideoSession', 'detect_frames',
    'encode_frames', 'init_video_detector', 'open_sources', 'trace_frames'
]
