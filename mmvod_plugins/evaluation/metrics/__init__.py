"""Metrics for mmdet's evaluators."""

from .dump_video_predictions import DumpVideoPredictions
from .video_metric import VideoPredictionMetric

__all__ = ['DumpVideoPredictions', 'VideoPredictionMetric']
