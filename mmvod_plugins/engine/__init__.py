"""Running: the runner, launching mmdet's own scripts, distributed set-up."""

from .complete_config import complete_config
from .video_runner import VideoRunner

__all__ = ['VideoRunner', 'complete_config']
