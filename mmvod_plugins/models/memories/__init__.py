"""Memories: plain objects that outlive a key frame."""

from .box_cells import box_cells, outstanding_cells
from .instance_memory import InstanceMemory
from .long_range_memory import LongRangeMemory
from .object_guided_memory import (
    Detections,
    MemoryObject,
    ObjectGuidedMemory,
    WriteRule,
    object_similarity,
)
from .recurrent_memory import RecurrentMemory
from .yolov_memory import YOLOVMemory

__all__ = [
    'Detections', 'InstanceMemory', 'LongRangeMemory', 'MemoryObject', 'ObjectGuidedMemory',
    'RecurrentMemory', 'WriteRule', 'YOLOVMemory', 'box_cells', 'object_similarity',
    'outstanding_cells'
]
