"""Video datasets, samplers and transforms."""

from .coco_vid import CocoVIDDataset
from .concat import ConcatVideoDataset
from .imagenet_vid import ImageNetVIDDataset
from .samplers import InfiniteVideoKeyFrameSampler, VideoKeyFrameSampler, VideoStreamSampler
from .transforms import ClipTransform, LoadVideoFrame, PackVideoInputs, SampleReferenceFrames

__all__ = [
    'ClipTransform', 'CocoVIDDataset', 'ConcatVideoDataset', 'ImageNetVIDDataset',
    'InfiniteVideoKeyFrameSampler', 'LoadVideoFrame', 'PackVideoInputs', 'SampleReferenceFrames',
    'VideoKeyFrameSampler', 'VideoStreamSampler'
]
