"""Data structures: objects of a frame, records of frames, detections of a video."""

from .frame_record import FrameRecord
from .object_features import ObjectFeatures
from .object_storage import ObjectStorage
from .video_detections import VideoDetections

__all__ = ['FrameRecord', 'ObjectFeatures', 'ObjectStorage', 'VideoDetections']
