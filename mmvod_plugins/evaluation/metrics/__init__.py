"""Metrics for mmdet's evaluators."""

from .dump_video_predictions import DumpVideoPredictions
from .imagenet_vid_metric import ImageNetVIDMetric
from .ranking import rank_metrics
from .video_metric import VideoPredictionMetric

__all__ = ['DumpVideoPredictions', 'ImageNetVIDMetric', 'VideoPredictionMetric']

rank_metrics()
