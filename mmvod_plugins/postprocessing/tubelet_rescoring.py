"""Tubelet linking and rescoring of Detect to Track and Track to Detect (arXiv 1710.03958)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
from mmdet.registry import TASK_UTILS

from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.structures.boxes import pairwise_iou

from .path_rescoring import PathRescoring, add_top_mean

#: Smallest IoU at which a tracked pair covers a detection (the paper: above it).
TRACK_IOU = 0.5
#: Score above which a detection serves as a track, in the program of STMN.
STILL_SCORE = 0.01


@TASK_UTILS.register_module()
class TubeletRescoring(PathRescoring):
    """Links boxes by score and tracked pairs, and adds the mean of a tube's best half (D&T).

    The edge between two boxes is ``s_i + s_j + psi`` (eq. 5), psi = 1 where one tracked pair of
    boxes covers both (eq. 6); a tube is the path with the largest mean (eq. 7), which at equal
    length is that with the largest sum. D&T apply NMS at 0.4, box voting and a limit of 25 boxes
    per class and frame before. See :class:`PathRescoring` for paths, track ids and ``causal``.

    ``factor=2`` and ``tracks='still'`` are the program of STMN.
    """

    def __init__(self, *, tracks: Literal['none', 'still'] = 'none', alpha: float = 0.5,
                 factor: float = 1.0, max_per_frame: int | None = None,
                 causal: bool = False) -> None:
        """Set the options.

        Args:
            tracks: ``none``: psi is 0. ``still``: the tracked pairs are the boxes of the earlier
                frame with a score above 0.01, assumed not to move.
            alpha: Share of a tube's scores that counts as its best, in (0, 1].
            factor: Factor of the mean that is added.
            max_per_frame: Number of best boxes of a class and frame that are linked; None for all.
            causal: Whether later frames must not be used.
        """
        if tracks not in ('none', 'still'):
            raise ValueError(f"TubeletRescoring: tracks must be 'none' or 'still', got {tracks!r}; "
                             'pass tracked pairs to process_with_tracks')
        if not 0 < alpha <= 1:
            raise ValueError(f'TubeletRescoring: alpha must be above 0 and at most 1, got {alpha}')
        super().__init__(partial(add_top_mean, alpha=alpha, factor=factor), max_per_frame,
                         causal=causal)
        self.tracks = tracks

    def edges(self, video: VideoDetections, t: int, u: int) -> np.ndarray:
        """``s_i + s_j``, plus psi for ``tracks='still'``, (n_t, n_u)."""
        if self.tracks == 'none':
            return score_sums(video, t, u)
        boxes = video.boxes[video.rows(t)][video.scores[video.rows(t)] > STILL_SCORE]
        return score_sums(video, t, u) + tracked(video, t, u, np.stack([boxes, boxes], axis=1))

    def process_with_tracks(self, video: VideoDetections,
                            tracks: Sequence[np.ndarray]) -> VideoDetections:
        """Link and rescore with tracked pairs, for instance from a tracking branch.

        Args:
            video: The detections.
            tracks: T - 1 arrays (P, 2, 4): the boxes of tracked pairs in frame number t and in
                the frame after it. They apply to all classes, but not across skipped frames.

        Raises:
            ValueError: If there is not one entry per pair of neighbouring frames.
        """
        if len(tracks) != max(video.num_frames - 1, 0):
            raise ValueError(f'video {video.video_id!r} has {video.num_frames} frames and tracks '
                             f'for {len(tracks)} pairs: there is one entry per pair of neighbours')

        def edges(part: VideoDetections, t: int, u: int) -> np.ndarray:
            psi = tracked(part, t, u, tracks[t]) if u == t + 1 else 0.0
            return score_sums(part, t, u) + psi

        return self.rescore_along(video, edges)


def score_sums(video: VideoDetections, t: int, u: int) -> np.ndarray:
    """``s_i + s_j`` for the detections of two frames, (n_t, n_u), float64."""
    first, second = (video.scores[video.rows(frame)].astype(np.float64) for frame in (t, u))
    return first[:, None] + second[None]


def tracked(video: VideoDetections, t: int, u: int, pairs: np.ndarray) -> np.ndarray:
    """Whether one of some tracked pairs covers both boxes (eq. 6), (n_t, n_u), bool.

    Args:
        video: The detections.
        t: Number of a frame.
        u: Number of a later frame.
        pairs: (P, 2, 4), boxes in frame t and in frame u.
    """
    in_first = pairwise_iou(video.boxes[video.rows(t)], pairs[:, 0]) >= TRACK_IOU
    in_second = pairwise_iou(video.boxes[video.rows(u)], pairs[:, 1]) >= TRACK_IOU
    return in_first.astype(np.float64) @ in_second.T.astype(np.float64) > 0
