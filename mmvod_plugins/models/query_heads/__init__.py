"""Temporal heads of detection transformers."""

from .temporal_query_head import TemporalDeformableDETRHead, TemporalDINOHead, TemporalQueryHead

__all__ = ['TemporalDINOHead', 'TemporalDeformableDETRHead', 'TemporalQueryHead']
