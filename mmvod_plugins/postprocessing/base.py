"""Base class of post-processors, and the chain that applies them."""

from __future__ import annotations

import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from mmdet.registry import TASK_UTILS

from mmvod_plugins.structures import VideoDetections

#: A lowest score above this suggests that a threshold was applied before.
EXPECTED_LOWEST_SCORE = 0.01


class PostProcessor(metaclass=ABCMeta):
    """Transforms the detections of one video, using all its frames.

    Attributes:
        refuses_suppressed: Whether it needs the boxes from before non-maximum suppression.
    """

    refuses_suppressed: bool = False

    def __call__(self, video: VideoDetections) -> VideoDetections:
        """Process one video; a video without detections is returned unchanged.

        Raises:
            ValueError: If a score or a coordinate is not finite, or a score is negative.
        """
        check_numbers(video)
        return self.process(video) if len(video) else video

    @abstractmethod
    def process(self, video: VideoDetections) -> VideoDetections:
        """Process a video that has at least one detection, without changing the argument."""


def build_post_processors(
        configs: Sequence[dict[str, Any] | PostProcessor] | None) -> list[PostProcessor]:
    """Build post-processors from their configs.

    Raises:
        TypeError: If one of them is not a :class:`PostProcessor`.
    """
    built = [TASK_UTILS.build(config) if isinstance(config, dict) else config
             for config in configs or ()]
    for processor in built:
        if not isinstance(processor, PostProcessor):
            raise TypeError(f'post_processors must be post-processors such as dict(type="SeqNMS"), '
                            f'got {processor!r}')
    return built


def apply_post_processors(videos: Iterable[VideoDetections],
                          processors: Sequence[PostProcessor]) -> Iterator[VideoDetections]:
    """Process videos one after the other; warn if scores seem to have been thresholded before.

    Args:
        videos: The videos.
        processors: Post-processors, applied in order to each video.
    """
    lowest = np.inf
    for video in videos:
        lowest = min(lowest, video.scores.min(initial=np.inf))
        for processor in processors:
            video = processor(video)
        yield video
    if processors and EXPECTED_LOWEST_SCORE < lowest < np.inf:
        warnings.warn(
            f'the lowest score before post-processing is {lowest:.3g}: it seems that a threshold '
            'was applied. Linking raises the scores of weak boxes and needs them: test with a '
            'score_thr of 0.001', stacklevel=2)


def check_numbers(video: VideoDetections) -> None:
    """Raise for scores and boxes that are not finite, and for negative scores.

    Raises:
        ValueError: With the frame of the first of them.
    """
    good = np.isfinite(video.scores) & (video.scores >= 0)
    bad = ~(good & np.isfinite(video.boxes).all(axis=1))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        frame_id = video.frame_ids[video.frame_index[row]]
        raise ValueError(
            f'video {video.video_id!r}, frame {frame_id}: a detection has the score '
            f'{video.scores[row]} and the box {video.boxes[row].tolist()}; expected finite '
            f'numbers and scores of at least 0 ({int(bad.sum())} bad detections in the video)')
