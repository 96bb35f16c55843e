"""Video datasets, samplers and transforms."""

from .coco_vid import CocoVIDDataset
from .concat import ConcatVideoDataset
from .imagenet_vid import ImageNetVIDDataset
from .proposal_file import ProposalFile, save_proposals
from .samplers import InfiniteVideoKeyFrameSampler, VideoKeyFrameSampler, VideoStreamSampler
from .transforms import (
    ClipTransform,
    LoadFrameProposals,
    LoadVideoFrame,
    PackVideoInputs,
    SampleReferenceFrames,
)
from .uavdt import UAVDTDataset

__all__ = [
    'ClipTransform', 'CocoVIDDataset', 'ConcatVideoDataset', 'ImageNetVIDDataset',
    'InfiniteVideoKeyFrameSampler', 'LoadFrameProposals', 'LoadVideoFrame', 'PackVideoInputs',
    'ProposalFile', 'SampleReferenceFrames', 'UAVDTDataset', 'VideoKeyFrameSampler',
    'VideoStreamSampler', 'save_proposals'
]
