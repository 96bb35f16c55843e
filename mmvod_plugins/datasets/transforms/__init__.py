"""Transforms of clips (training) and frames of a stream (testing)."""

from .clip import ClipTransform
from .letterbox import TruncatingResize
from .loading import LoadVideoFrame
from .packing import PackVideoInputs
from .proposals import LoadFrameProposals
from .references import SampleReferenceFrames
from .to_float import ImageToFloat32

__all__ = [
    'ClipTransform', 'ImageToFloat32', 'LoadFrameProposals', 'LoadVideoFrame', 'PackVideoInputs',
    'SampleReferenceFrames', 'TruncatingResize'
]
