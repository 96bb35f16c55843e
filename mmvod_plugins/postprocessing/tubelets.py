"""Linked boxes as a list of tubelets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmvod_plugins.structures import VideoDetections


@dataclass(frozen=True)
class Tubelet:
    """The boxes that one track took in a video, as one class.

    Attributes:
        track_id: Number of the track in its video. REPP and Seq-Bbox Matching give the boxes of a
            track the scores of several classes: then there is a tubelet for each.
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
    """The tubelets of a video, by track id, then by class; boxes without a track are left out.

    Raises:
        ValueError: If the video was not linked.
    """
    if video.track_ids is None:
        raise ValueError(f'video {video.video_id!r} has no track_ids: link it first, for instance '
                         'with SeqNMS')
    order = np.lexsort((video.labels, video.track_ids))
    order = order[video.track_ids[order] >= 0]
    keys = np.column_stack([video.track_ids, video.labels])[order]
    names, starts = np.unique(keys, axis=0, return_index=True)
    ends = np.append(starts, len(order))[1:]
    return [Tubelet(track_id, label, video.frame_ids[video.frame_index[rows]], video.boxes[rows],
                    video.scores[rows])
            for (track_id, label), rows in zip(
                names.tolist(), map(order.__getitem__, map(slice, starts, ends)), strict=True)]
