"""The detections of a video sorted by class, then by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmvod_plugins.structures import VideoDetections


@dataclass(frozen=True)
class ClassGroups:
    """Groups of detections of one class in one frame; groups without any are left out.

    Attributes:
        rows: (N,), int64, rows of the video, by class, then by frame, then as they are.
        classes: (C, 2), int64, where each class starts and ends in ``rows``.
        groups: (G, 2), int64, where each group starts and ends in ``rows``.
        frames: (G,), int64, the position of each group's frame.
        labels: (G,), int64, the class of each group.
    """

    rows: np.ndarray
    classes: np.ndarray
    groups: np.ndarray
    frames: np.ndarray
    labels: np.ndarray


def class_groups(video: VideoDetections) -> ClassGroups:
    """Sort the detections of a video."""
    # Numpy sorts short integers in linear time.
    rows = np.argsort(video.labels.astype(np.int16), kind='stable')
    labels, frames = video.labels[rows], video.frame_index[rows]
    new_class = np.diff(labels) != 0
    groups = _runs(new_class | (np.diff(frames) != 0), len(rows))
    return ClassGroups(rows, _runs(new_class, len(rows)), groups, frames[groups[:, 0]],
                       labels[groups[:, 0]])


def _runs(ends: np.ndarray, count: int) -> np.ndarray:
    """Start and end of each run, (G, 2), from whether each row but the last ends one."""
    inner = np.flatnonzero(ends) + 1
    starts = np.append(0, inner)[:count]
    return np.column_stack([starts, np.append(starts[1:], count)[:len(starts)]])
