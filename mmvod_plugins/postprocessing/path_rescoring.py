"""Base class of linking with optimal paths, and the rescorings of a path."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np

from mmvod_plugins.structures import VideoDetections

from .base import PostProcessor
from .optimal_path import k_paths, online_paths

#: New scores of the boxes of one path from their old ones, (n,) to (n,).
Rescoring = Callable[[np.ndarray], np.ndarray]
#: Edge values (n_t, n_u) between the detections of frames number t and u of a video.
EdgeFunction = Callable[[VideoDetections, int, int], np.ndarray]


class PathRescoring(PostProcessor):
    """Links the boxes of each class to paths and rescores each path.

    Paths are those of :func:`~mmvod_plugins.postprocessing.k_paths` over the frames in which the
    class has boxes, as in D&T, so that a frame without one does not end all paths. Every path has
    a box in each of these frames, and boxes on no path keep their scores.

    It expects boxes after per-frame suppression: a duplicate would get a path of its own and rise
    like its original.

    ``causal=True`` uses no later frame: paths are those of
    :func:`~mmvod_plugins.postprocessing.online_paths`, and a box is rescored with the earlier
    boxes of its path. The first box of a path is rescored alone. D&T report 78.7 instead of 79.8
    for a causal form that they do not describe; this one is ours.

    ``track_ids`` become the numbers of the paths, counted over the classes in ascending order; -1
    for boxes on no path.
    """

    def __init__(self, rescoring: Rescoring, max_per_frame: int | None, *,
                 skip_empty: bool = True, causal: bool) -> None:
        """Set the options.

        Args:
            rescoring: New scores of a path's boxes.
            max_per_frame: Number of best boxes of a class and frame that are linked, None for all;
                the others keep their scores.
            skip_empty: Whether frames without boxes of the class are skipped.
            causal: Whether later frames must not be used.
        """
        if max_per_frame is not None and max_per_frame < 1:
            raise ValueError(f'{type(self).__name__}: max_per_frame must be at least 1, or None '
                             f'for all, got {max_per_frame}')
        self.rescoring = rescoring
        self.max_per_frame = max_per_frame
        self.skip_empty = skip_empty
        self.causal = causal

    @abstractmethod
    def edges(self, video: VideoDetections, t: int, u: int) -> np.ndarray:
        """Values of linking boxes of frame number t with those of u, (n_t, n_u).

        Args:
            video: Detections of one class.
            t: Number of a frame.
            u: The next frame that has boxes.
        """

    def process(self, video: VideoDetections) -> VideoDetections:
        """Link and rescore all classes."""
        return self.rescore_along(video, self.edges)

    def rescore_along(self, video: VideoDetections, edges: EdgeFunction) -> VideoDetections:
        """Link and rescore all classes with the given edges."""
        scores = video.scores.astype(np.float64)
        tracks = np.full(len(video), -1, dtype=np.int64)
        number = 0
        for label in np.unique(video.labels):
            rows = np.flatnonzero(video.labels == label)
            rows = rows[best_per_frame(video, rows, self.max_per_frame)]
            for path in self._paths(video.select(rows), edges):
                path_rows = rows[path]
                scores[path_rows] = self._new_scores(scores[path_rows])
                tracks[path_rows] = number
                number += 1
        return video.with_arrays(scores=scores.astype(video.scores.dtype), track_ids=tracks)

    def _paths(self, video: VideoDetections, edges: EdgeFunction) -> Iterator[np.ndarray]:
        """Rows of each path of a video that has one class."""
        frames = np.arange(video.num_frames)
        if self.skip_empty:
            frames = np.flatnonzero(video.num_boxes)
        values = [edges(video, int(t), int(u)) for t, u in pairwise(frames)]
        find = online_paths if self.causal else k_paths
        for boxes in find(values, video.num_boxes[frames].tolist()).boxes:
            # An online path has no box (-1) before its start and after its end.
            yield (video.offsets[frames] + boxes)[boxes >= 0]

    def _new_scores(self, scores: np.ndarray) -> np.ndarray:
        return past_only(self.rescoring, scores) if self.causal else self.rescoring(scores)


def best_per_frame(video: VideoDetections, rows: np.ndarray, count: int | None) -> np.ndarray:
    """Positions in ``rows`` of the best detections of each frame, ascending.

    Args:
        video: The detections.
        rows: (n,), rows of the video, ascending.
        count: Detections per frame; None for all. Of equal scores the first ones are kept.
    """
    if count is None:
        return np.arange(len(rows))
    frames = video.frame_index[rows]
    # Sorted by frame, then by falling score; ``rank`` counts within the frame, as searchsorted
    # gives the first position of every frame.
    order = np.lexsort((-video.scores[rows], frames))
    rank = np.arange(len(rows)) - np.searchsorted(frames, frames)
    return np.sort(order[rank < count])


def average(scores: np.ndarray) -> np.ndarray:
    """The mean, for every box."""
    return np.full(len(scores), np.mean(scores, dtype=np.float64))


def maximum(scores: np.ndarray) -> np.ndarray:
    """The largest score, for every box."""
    return np.full(len(scores), np.max(scores), dtype=np.float64)


def add_top_mean(scores: np.ndarray, alpha: float = 0.5, factor: float = 1.0) -> np.ndarray:
    """Every score plus the mean of the path's best ones (D&T, arXiv 1710.03958, section 4).

    The sums may exceed 1; average precision depends on their order only.

    Args:
        scores: (n,), at least one.
        alpha: Share of the scores that count as the best, rounded up; in (0, 1].
        factor: Factor of the mean: 1 in D&T, 2 in the program of STMN.
    """
    # 1e-9, because in floating point 0.1 * 30 exceeds 3 and would be rounded up to 4.
    count = max(math.ceil(alpha * len(scores) - 1e-9), 1)
    best = np.sort(scores)[::-1][:count]
    return scores + factor * np.mean(best, dtype=np.float64)


def add_top_half(scores: np.ndarray) -> np.ndarray:
    """Every score plus the mean of the better half (D&T)."""
    return add_top_mean(scores)


def add_twice_top_half(scores: np.ndarray) -> np.ndarray:
    """Every score plus twice the mean of the better half (the program of STMN)."""
    return add_top_mean(scores, factor=2.0)


def past_only(rescoring: Rescoring, scores: np.ndarray) -> np.ndarray:
    """Rescore every box as if the path ended with it.

    Args:
        rescoring: Rescoring of a whole path.
        scores: (n,), first frame first.
    """
    return np.array([rescoring(scores[:end])[-1] for end in range(1, len(scores) + 1)])


#: Rescorings by their name in configs.
RESCORINGS: dict[str, Rescoring] = dict(
    average=average, max=maximum, add_top_half=add_top_half,
    add_twice_top_half=add_twice_top_half)
