"""Motion IoU: overlap of an object with itself in nearby frames."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from mmvod_plugins.structures.boxes import PairGeometry

from .ground_truth import GroundTruth

#: Smoothing of the published values: (sum + EPS) / (n + EPS).
EPS = 1e-10


@dataclass(frozen=True)
class MotionIoU:
    """Motion values of a ground truth.

    Attributes:
        values: (M,), in [0, 1], one per box of the ground truth.
        num_empty: Number of frames without objects. The published file has an empty cell for each,
            which the published evaluations read as 0 in the share of a motion group.
    """

    values: np.ndarray
    num_empty: int = 0

    def subset(self, truth: GroundTruth, video_ids: Collection[Hashable]) -> MotionIoU:
        """Values of ``truth.subset(video_ids)``, where these are the values of ``truth``."""
        return self.select(truth, truth.frames_of(video_ids))

    def select(self, truth: GroundTruth, frames: np.ndarray) -> MotionIoU:
        """Values of ``truth.select(frames)``, where these are the values of ``truth``."""
        num_empty = int(np.sum(truth.num_objects[frames] == 0)) if self.num_empty else 0
        return MotionIoU(self.values[frames[truth.frame_index]], num_empty)


def motion_iou(truth: GroundTruth, radius: int = 10, *, continuous: bool = False) -> MotionIoU:
    """Mean IoU of every box with the same object in nearby frames (FGFA, section 5.1).

    The mean is ``(sum + 1e-10) / (n + 1e-10)`` over the frames up to ``radius`` away in which the
    object exists, the frame itself excluded; it is 1 if there are no such frames. The published
    file follows this formula; it does not reveal whether pixels are counted inclusively.

    Args:
        truth: Ground truth with instance ids.
        radius: In frames, to both sides.
        continuous: Sides are ``x2 - x1`` instead of ``x2 - x1 + 1``.

    Raises:
        ValueError: If the annotation has no instance ids.
    """
    # By track, then by time: boxes of one object in nearby frames are few rows apart.
    frame_id, track = truth.frame_ids[truth.frame_index], truth.tracks
    order = np.lexsort((frame_id, track))
    frame_id, track, boxes = frame_id[order], track[order], truth.boxes[order]
    total, count = np.zeros(len(order)), np.zeros(len(order))
    # Each round compares every box with the one ``lag`` rows later. Distances grow with the lag,
    # so the first lag without a pair within the radius is the end.
    for lag in range(1, len(order)):
        distance = frame_id[lag:] - frame_id[:-lag]
        first = np.flatnonzero((track[lag:] == track[:-lag]) & (distance <= radius))
        if not first.size:
            break
        # Two boxes of one track in the same frame do not count.
        first = first[distance[first] > 0]
        iou = PairGeometry.of(boxes[first], boxes[first + lag]).iou(0 if continuous else 1)
        for rows in (first, first + lag):
            total[rows] += iou
            count[rows] += 1
    values = np.empty(len(order))
    values[order] = (total + EPS) / (count + EPS)
    return MotionIoU(values, int(np.sum(truth.num_objects == 0)))


def read_motion_mat(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Read FGFA's ``*_groundtruth_motion_iou.mat``.

    Returns:
        The values of all frames, (M,), float64, and the number of values of every frame, (F,).

    Raises:
        ValueError: If the file is not of that form.
    """
    content = loadmat(path)
    if 'motion_iou' not in content or content['motion_iou'].dtype != object:
        raise ValueError(f'{path} has no cell array "motion_iou" (found: '
                         f'{sorted(k for k in content if not k.startswith("__"))}); expected is '
                         'vid_groundtruth_motion_iou.mat of FGFA')
    cells = [cell.reshape(-1) for cell in content['motion_iou'].reshape(-1)]
    counts = np.array([len(cell) for cell in cells], dtype=np.int64)
    # Cells of whole numbers (1 is frequent) are stored as uint8.
    values = np.concatenate([cell.astype(np.float64) for cell in cells]) if cells else np.zeros(0)
    return values, counts


def load_motion_iou(path: str | Path, truth: GroundTruth) -> MotionIoU:
    """Read the motion values of FGFA's file, for the ground truth that it was made from.

    The rows of the file are the frames in the order of ``VID_val_videos.txt``; the ground truth
    must have the same order, as the json of our converter has.

    Raises:
        ValueError: If the number of frames, or of boxes in a frame, differs.
    """
    values, counts = read_motion_mat(path)
    if len(counts) != truth.num_frames:
        raise ValueError(f'{path} has {len(counts)} frames, the ground truth {truth.num_frames}; '
                         'it belongs to the whole validation set of ImageNet VID. For another set '
                         'omit the file: the values are then computed from instance ids')
    wrong = np.flatnonzero(counts != truth.num_boxes)
    if wrong.size:
        f = int(wrong[0])
        raise ValueError(f'{path} has {counts[f]} values for row {f}, but '
                         f'{truth.frame_name(f)} has {truth.num_boxes[f]} boxes ({wrong.size} '
                         'frames differ); the frames must be in the order of VID_val_videos.txt '
                         'and no box may be dropped')
    return MotionIoU(values, int(np.sum(counts == 0)))
