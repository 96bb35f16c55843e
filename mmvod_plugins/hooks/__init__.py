"""Hooks of the runner."""

from .check_classes_hook import CheckClassesHook
from .close_streams_hook import CloseStreamsHook
from .resume_predictions_hook import ResumePredictionsHook
from .video_visualization_hook import VideoVisualizationHook

__all__ = ['CheckClassesHook', 'CloseStreamsHook', 'ResumePredictionsHook',
           'VideoVisualizationHook']
