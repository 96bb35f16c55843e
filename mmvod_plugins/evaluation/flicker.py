"""Flicker of detections over time, measured without ground truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmvod_plugins.postprocessing.greedy_tubelets import chain_starts
from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.structures.boxes import pairwise_iou


@dataclass(frozen=True)
class Flicker:
    """Changes of the detections of one video; a run is a chain of linked boxes.

    Attributes:
        num_boxes: Detections.
        num_runs: Runs, those of a single box included.
        births: Runs that start after the first frame.
        deaths: Runs that end before the last frame.
        gaps: Deaths after which a box appears at the same place a few frames later.
        jitter: Mean change of the velocity of a box's centre from one frame to the next, relative
            to the square root of its area; NaN without a run of three boxes.
    """

    num_boxes: int
    num_runs: int
    births: int
    deaths: int
    gaps: int
    jitter: float

    @property
    def mean_run(self) -> float:
        """Mean length of a run in frames; NaN without detections."""
        return self.num_boxes / self.num_runs if self.num_runs else float('nan')


def flicker(video: VideoDetections, link_iou: float = 0.3, max_gap: int = 10) -> Flicker:
    """Count how often detections appear, vanish and come back.

    Boxes of one class in neighbouring frames are linked greedily and one to one, largest IoU
    first. ``track_ids`` are not used, so that all post-processors are judged by the same links.
    The numbers count a steady false positive as steady, and depend on how many boxes are shown:
    compare equally many (:func:`strongest`).

    Args:
        video: The detections that are shown to a viewer.
        link_iou: Smallest IoU of a link.
        max_gap: Longest gap in frames.

    Raises:
        ValueError: If an argument is out of range.
    """
    if not 0 < link_iou <= 1 or max_gap < 1:
        raise ValueError(f'flicker: link_iou must be in (0, 1] and max_gap at least 1, got '
                         f'{link_iou} and {max_gap}')

    def distance(first: np.ndarray | slice, second: np.ndarray | slice) -> np.ndarray:
        iou = pairwise_iou(video.boxes[first], video.boxes[second])
        same = video.labels[first][:, None] == video.labels[second][None]
        return np.where(same & (iou >= link_iou), 1 - iou, np.inf)

    starts = chain_starts(video.num_boxes, (
        distance(video.rows(t), video.rows(t + 1)) if joined else None
        for t, joined in enumerate(video.consecutive)))
    runs = [np.flatnonzero(starts == start) for start in np.unique(starts)]
    frames = video.frame_index
    born = np.array([run[0] for run in runs if frames[run[0]] > 0], dtype=np.int64)
    died = np.array([run[-1] for run in runs if frames[run[-1]] < video.num_frames - 1],
                    dtype=np.int64)
    missing = frames[born][None] - frames[died][:, None] - 1
    back = (missing >= 1) & (missing <= max_gap) & np.isfinite(distance(died, born))
    return Flicker(len(video), len(runs), len(born), len(died), int(back.any(axis=1).sum()),
                   _jitter(video.boxes.astype(np.float64), runs))


def _jitter(boxes: np.ndarray, runs: list[np.ndarray]) -> float:
    """Mean change of velocity over all triples of a run."""
    centres, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    change = [np.linalg.norm(np.diff(centres[run], n=2, axis=0), axis=1)
              / np.sqrt(sides[run].prod(axis=1))[1:-1] for run in runs if len(run) > 2]
    return float(np.concatenate(change).mean()) if change else float('nan')


def strongest(video: VideoDetections, count: int) -> VideoDetections:
    """Select the detections with the highest scores; of equal scores the earlier ones."""
    return video.select(np.argsort(-video.scores, kind='stable')[:count])
