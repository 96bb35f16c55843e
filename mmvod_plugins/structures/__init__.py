"""Data structures: objects of a frame, records of frames."""

from .frame_record import FrameRecord
from .object_features import ObjectFeatures
from .object_storage import ObjectStorage

__all__ = ['FrameRecord', 'ObjectFeatures', 'ObjectStorage']
