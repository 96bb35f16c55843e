"""mmdet's trackers over our boxes: identities for any detector's detections."""

from __future__ import annotations

import copy
from collections import defaultdict
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from scipy.optimize import linear_sum_assignment

from mmvod_plugins.structures import VideoDetections

from .base import PostProcessor

#: Trackers of mmdet that need nothing but boxes, with the settings of its configs.
TRACKERS: dict[str, dict[str, Any]] = dict(
    bytetrack=dict(
        type='ByteTracker', motion=dict(type='KalmanFilter'), num_frames_retain=30,
        obj_score_thrs=dict(high=0.6, low=0.1), init_track_thr=0.7,
        match_iou_thrs=dict(high=0.1, low=0.5, tentative=0.3)),
    ocsort=dict(
        type='OCSORTTracker', motion=dict(type='KalmanFilter'), num_frames_retain=30,
        obj_score_thr=0.3, init_track_thr=0.7, match_iou_thr=0.3, vel_consist_weight=0.2,
        vel_delta_t=3))
_MODULES = ('byte_tracker', 'ocsort_tracker')


@TASK_UTILS.register_module()
class ObjectTracker(PostProcessor):
    """Gives detections the identities of a tracker of mmdet; boxes, scores and order stay.

    Apply it after suppression. Detections that the tracker does not follow, such as weak ones,
    have the number -1. Frames are numbered as they were processed, so that frames in steps are
    neighbours.

    Args:
        tracker: ``'bytetrack'``, ``'ocsort'``, or the config of a tracker of mmdet that needs
            nothing but boxes.

    Raises:
        ValueError: If the name is not known.
    """

    def __init__(self, tracker: str | dict[str, Any] = 'bytetrack') -> None:
        if isinstance(tracker, str) and tracker not in TRACKERS:
            raise ValueError(f'tracker {tracker!r} is not known: expected one of '
                             f'{", ".join(TRACKERS)}, or the config of a tracker of mmdet')
        self.config = TRACKERS[tracker] if isinstance(tracker, str) else tracker

    def process(self, video: VideoDetections) -> VideoDetections:
        """Number the tracks of a video, from 0."""
        tracker = _build(self.config)
        track_ids = np.full(len(video), -1, np.int64)
        for t in range(video.num_frames):
            rows = np.arange(len(video))[video.rows(t)]
            boxes = torch.from_numpy(video.boxes[rows].astype(np.float32))
            scores = torch.from_numpy(video.scores[rows].astype(np.float32))
            labels = torch.from_numpy(video.labels[rows])
            sample = DetDataSample(
                metainfo=dict(frame_id=t, ori_shape=video.img_shape),
                pred_instances=InstanceData(bboxes=boxes, scores=scores, labels=labels))
            found = tracker.track(data_sample=sample)
            # Trackers return some of the boxes in another order, as they were.
            same: dict[tuple, list[int]] = defaultdict(list)
            for row, key in zip(rows[::-1].tolist(), _keys(boxes, scores, labels)[::-1],
                                strict=True):
                same[key].append(row)
            for number, key in zip(found.instances_id.tolist(),
                                   _keys(found.bboxes, found.scores, found.labels), strict=True):
                track_ids[same[key].pop()] = number
        return video.with_arrays(track_ids=track_ids)


def _keys(boxes: torch.Tensor, scores: torch.Tensor, labels: torch.Tensor) -> list[tuple]:
    return [(*box, score, label) for box, score, label in zip(
        boxes.tolist(), scores.tolist(), labels.tolist(), strict=True)]


def _build(config: dict[str, Any]) -> Any:  # noqa: ANN401 a tracker of mmdet
    """Build a tracker; where the package lap is missing, scipy solves the assignments."""
    for name in _MODULES:
        module = import_module(f'mmdet.models.trackers.{name}')
        if module.lap is None:
            module.lap = SimpleNamespace(lapjv=lapjv)
    return MODELS.build(copy.deepcopy(config))


def lapjv(cost: np.ndarray, extend_cost: bool = True,  # noqa: ARG001 as lap's
          cost_limit: float = np.inf) -> tuple[float, np.ndarray, np.ndarray]:
    """Optimal assignment with a limit, as ``lap.lapjv`` gives it.

    Args:
        cost: (n, m).
        extend_cost: As lap's; a matrix that is not square is always possible.
        cost_limit: Two unassigned ones cost as much as one pair of this cost.

    Returns:
        The total cost, the column of every row (n,) and the row of every column (m,), -1 for none.
    """
    n, m = cost.shape
    limit = min(cost_limit, 1e9)
    whole = np.full((n + m, n + m), limit / 2)
    whole[:n, :m], whole[n:, m:] = cost, 0
    rows, columns = linear_sum_assignment(whole)
    pairs = (rows < n) & (columns < m)
    rows, columns = rows[pairs], columns[pairs]
    of_rows, of_columns = np.full(n, -1, np.int32), np.full(m, -1, np.int32)
    of_rows[rows], of_columns[columns] = columns, rows
    return float(cost[rows, columns].sum()), of_rows, of_columns
