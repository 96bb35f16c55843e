"""Post-processing: detections of whole videos are linked, rescored and suppressed."""

from .base import PostProcessor, apply_post_processors, build_post_processors

__all__ = ['PostProcessor', 'apply_post_processors', 'build_post_processors']
