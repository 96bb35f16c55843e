"""Data structures: places and records of frames, objects of a frame, detections of a video."""

from .frame_place import FramePlace, FramePlan
from .frame_record import FrameRecord, Maps, References, in_temporal_order, place_of
from .object_features import ObjectFeatures
from .object_storage import ObjectStorage
from .track_sample import track_sample
from .video_detections import VideoDetections

__all__ = [
    'FramePlace',
    'FramePlan',
    'FrameRecord',
    'Maps',
    'ObjectFeatures',
    'ObjectStorage',
    'References',
    'VideoDetections',
    'in_temporal_order',
    'place_of',
    'track_sample',
]
