"""The detections of one class of a video, frame after frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmvod_plugins.structures import VideoDetections


@dataclass(frozen=True)
class ClassBoxes:
    """Where the detections of one class are; frames without any are left out.

    Attributes:
        label: Index of the class.
        rows: (n,), int64, rows of the video, ascending, and so sorted by frame.
        frames: (F,), int64, positions of the frames, ascending.
        bounds: (F, 2), int64, for each frame where its boxes start and end in ``rows``.
    """

    label: int
    rows: np.ndarray
    frames: np.ndarray
    bounds: np.ndarray

    def frame_rows(self, number: int) -> np.ndarray:
        """Rows of the video that belong to frame ``frames[number]``."""
        start, end = self.bounds[number]
        return self.rows[start:end]


def iter_classes(video: VideoDetections) -> Iterator[ClassBoxes]:
    """The detections of each class that has any, classes in ascending order."""
    order = np.argsort(video.labels, kind='stable')
    labels, starts = np.unique(video.labels[order], return_index=True)
    frame_index = video.frame_index
    for label, rows in zip(labels, np.split(order, starts[1:]), strict=True):
        frames, first = np.unique(frame_index[rows], return_index=True)
        bounds = np.column_stack([first, np.append(first[1:], len(rows))])
        yield ClassBoxes(int(label), rows, frames, bounds)
