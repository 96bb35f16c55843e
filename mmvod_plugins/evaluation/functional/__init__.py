"""Evaluation as functions from arrays to numbers: no config, no data set, no GPU.

``GroundTruth`` and ``Detections`` hold a whole data set; ``evaluate`` computes AP for several
protocols and several groups of objects in one pass.
"""

from .detections import Detections, check_detections, to_detections
from .evaluate import evaluate
from .ground_truth import GroundTruth, degraded_frames
from .groups import ALL, AREA_GROUPS, MOTION_GROUPS, Group
from .motion_iou import MotionIoU, load_motion_iou, motion_iou, read_motion_mat
from .per_video import PerVideoResult, evaluate_per_video
from .proposal_recall import proposal_recall
from .protocols import (
    COCO,
    FGFA,
    IMAGENET_VID,
    MEGA,
    PROTOCOLS,
    UAVDT,
    VOC,
    CocoProtocol,
    Protocol,
)
from .results import GroupResult, ProtocolResult
from .stability import Stability, temporal_stability

__all__ = [
    'ALL', 'AREA_GROUPS', 'COCO', 'FGFA', 'IMAGENET_VID', 'MEGA', 'MOTION_GROUPS', 'PROTOCOLS',
    'UAVDT', 'VOC', 'CocoProtocol', 'Detections', 'GroundTruth', 'Group', 'GroupResult',
    'MotionIoU', 'PerVideoResult', 'Protocol', 'ProtocolResult', 'Stability', 'check_detections',
    'degraded_frames', 'evaluate', 'evaluate_per_video', 'load_motion_iou', 'motion_iou',
    'proposal_recall', 'read_motion_mat', 'temporal_stability', 'to_detections'
]
