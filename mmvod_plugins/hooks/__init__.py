"""Hooks of the runner."""

from .check_references_hook import CheckReferencesHook
from .video_visualization_hook import VideoVisualizationHook

__all__ = ['CheckReferencesHook', 'VideoVisualizationHook']
