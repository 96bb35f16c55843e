"""Linked boxes as a list of tubelets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmvod_plugins.structures import VideoDetections


@dataclass(frozen=True)
class Tubelet:
    """The boxes that one track took in a video.

    Attributes:
        track_id: Number of the track in its video.
        label: Index of the class.
        frame_ids: (n,), int64, ascending.
        boxes: (n, 4), ``(x1, y1, x2, y2)`` in pixels of the original image.
        scores: (n,).
    """

    track_id: int
    label: int
    frame_ids: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray


def tubelets(video: VideoDetections) -> list[Tubelet]:
    """The tubelets of a video, by ascending track id; boxes without a track are left out.

    Raises:
        ValueError: If the video was not linked, or a track has boxes of several classes.
    """
    if video.track_ids is None:
        raise ValueError(f'video {video.video_id!r} has no track_ids: link it first, for instance '
                         'with SeqNMS')
    order = np.argsort(video.track_ids, kind='stable')
    order = order[video.track_ids[order] >= 0]
    track_ids, starts = np.unique(video.track_ids[order], return_index=True)
    ends = np.append(starts, len(order))[1:]
    return [_tubelet(video, int(track_id), order[start:end])
            for track_id, start, end in zip(track_ids, starts, ends, strict=True)]


def _tubelet(video: VideoDetections, track_id: int, rows: np.ndarray) -> Tubelet:
    labels = np.unique(video.labels[rows])
    if len(labels) > 1:
        raise ValueError(f'video {video.video_id!r}: track {track_id} has boxes of the classes '
                         f'{labels.tolist()}: one was expected')
    return Tubelet(track_id, int(labels[0]), video.frame_ids[video.frame_index[rows]],
                   video.boxes[rows], video.scores[rows])
