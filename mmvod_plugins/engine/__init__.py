"""Running: the runner, launching mmdet's own scripts, distributed set-up."""

from .complete_config import complete_config
from .scope import register_scope
from .video_runner import VideoRunner
from .watch_backbone import watch_backbone

__all__ = ['VideoRunner', 'complete_config', 'watch_backbone']

register_scope()
