"""Transforms of clips (training) and frames of a stream (testing)."""

from .clip import ClipTransform
from .loading import LoadVideoFrame
from .packing import PackVideoInputs
from .references import SampleReferenceFrames

__all__ = ['ClipTransform', 'LoadVideoFrame', 'PackVideoInputs', 'SampleReferenceFrames']
