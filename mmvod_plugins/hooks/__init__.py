"""Hooks of the runner."""

from .check_references_hook import CheckReferencesHook
from .close_streams_hook import CloseStreamsHook
from .resume_predictions_hook import ResumePredictionsHook
from .video_visualization_hook import VideoVisualizationHook

__all__ = ['CheckReferencesHook', 'CloseStreamsHook', 'ResumePredictionsHook',
           'VideoVisualizationHook']
