"""Data structures: objects of a frame, records of frames."""

from .frame_record import FrameRecord
from .object_features import ObjectFeatures

__all__ = ['FrameRecord', 'ObjectFeatures']
