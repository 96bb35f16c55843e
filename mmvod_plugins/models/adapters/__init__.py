"""Adapters: the steps of mmdet's families of detectors, from given feature maps on."""

from .base import DetectorAdapter, rescaled
from .build import adapt
from .dense import DenseAdapter
from .query import QueryAdapter
from .two_stage import TwoStageAdapter

__all__ = [
    'DenseAdapter', 'DetectorAdapter', 'QueryAdapter', 'TwoStageAdapter', 'adapt', 'rescaled'
]
