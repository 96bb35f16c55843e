"""Metrics for mmdet's evaluators."""

from .dump_video_predictions import DumpVideoPredictions
from .imagenet_vid_metric import ImageNetVIDMetric
from .video_metric import VideoPredictionMetric

__all__ = ['DumpVideoPredictions', 'ImageNetVIDMetric', 'VideoPredictionMetric']
