"""Using a trained model outside a runner."""

from .inference import detect_frames, encode_frames, init_video_detector
from .session import VideoSession

__all__ = ['VideoSession', 'detect_frames', 'encode_frames', 'init_video_detector']
