"""Tracks of one class as annotation tools draw them: a video is a list of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmvod_plugins.structures import VideoDetections


@dataclass(frozen=True)
class Track:
    """Boxes of one object, one at most per frame, in the order of the frames.

    Attributes:
        number: Its number, the ``track_id`` of linked boxes.
        label: Index of the class.
        rows: (n,), int64, rows of the detections.
        frame_ids: (n,), int64, ascending.
    """

    number: int
    label: int
    rows: np.ndarray
    frame_ids: np.ndarray

    def runs(self, step: int = 1) -> list[np.ndarray]:
        """Positions of the boxes, cut where frames are missing.

        Args:
            step: Distance of two processed frames.
        """
        cuts = np.flatnonzero(np.diff(self.frame_ids) > step) + 1
        return np.split(np.arange(len(self.rows)), cuts)


def tracks_of(video: VideoDetections) -> list[Track]:
    """Tracks of a video by number; an unlinked detection is a track of one frame.

    A track with boxes of several classes, as REPP gives it, is one track for each class, and so
    is a second box in a frame; the first keeps the number, the others get numbers that are free.
    """
    track_ids = np.full(len(video), -1) if video.track_ids is None else video.track_ids
    frame_ids = video.frame_ids[video.frame_index]
    groups: dict[tuple[int, int], list[int]] = {}
    single: list[int] = []
    for row in np.argsort(frame_ids, kind='stable').tolist():
        key = (int(track_ids[row]), int(video.labels[row]))
        rows = groups.setdefault(key, []) if key[0] >= 0 else None
        if rows is None or (rows and frame_ids[rows[-1]] == frame_ids[row]):
            single.append(row)
        else:
            rows.append(row)
    free, used, found = int(track_ids.max(initial=-1)) + 1, set(), []
    for (number, label), rows in [*sorted(groups.items()),
                                  *(((-1, int(video.labels[row])), [row]) for row in single)]:
        if number < 0 or number in used:
            number, free = free, free + 1
        used.add(number)
        found.append(Track(number, label, np.array(rows), frame_ids[rows]))
    return found
