"""Evaluation of video detectors: metrics and files of predictions."""

from .metrics import DumpVideoPredictions, ImageNetVIDMetric, VideoPredictionMetric
from .predictions import Predictions, load_predictions, save_predictions

__all__ = ['DumpVideoPredictions', 'ImageNetVIDMetric', 'Predictions', 'VideoPredictionMetric',
           'load_predictions', 'save_predictions']
