"""Adapters: the steps of mmdet's families of detectors, from given feature maps on."""

from .base import DetectorAdapter, rescaled
from .build import adapt, build_detector
from .dense import DenseAdapter
from .query import QueryAdapter
from .two_stage import TwoStageAdapter

__all__ = [
    'DenseAdapter', 'DetectorAdapter', 'QueryAdapter', 'TwoStageAdapter', 'adapt', 'build_detector',
    'rescaled'
]
