"""Using a trained model outside a runner."""

from .inference import detect_frames, encode_frames, init_video_detector

__all__ = ['detect_frames', 'encode_frames', 'init_video_detector']
