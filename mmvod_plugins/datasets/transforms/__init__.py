"""Transforms of clips (training) and frames of a stream (testing)."""

from .clip import ClipTransform
from .letterbox import TruncatingResize
from .loading import LoadVideoFrame
from .packing import PackVideoInputs
from .proposals import LoadFrameProposals
from .references import SampleReferenceFrames

__all__ = [
    'ClipTransform', 'LoadFrameProposals', 'LoadVideoFrame', 'PackVideoInputs',
    'SampleReferenceFrames', 'TruncatingResize'
]
