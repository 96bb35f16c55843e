"""Groups of frames of a shuffled video (YOLOV)."""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from functools import lru_cache

import numpy as np
from mmdet.registry import TASK_UTILS

from .base import WINDOW_ROLE, ReferencePolicy, Roles


@TASK_UTILS.register_module()
class ShuffledGroups(ReferencePolicy):
    """Partition of a video into groups of frames that are detected together.

    The frames of a video are shuffled and cut into groups; what remains is a last, smaller group.
    The references of a group's first frame, in the role ``window``, are all of its frames; its
    other frames are detected with it. A video that is shorter than a group is one group.

    Every group spreads over the video, so that the objects of about half of its frames wait at
    once (:meth:`peak_records`), a few kilobytes each; no maps are kept.

    Args:
        num_frames: Frames of a group.
        num_samples: Frames of a training group, drawn from the whole video.
        seed: Seed of the order. The published evaluation has none: its groups, and the AP, differ
            from run to run.
        by_video: Whether the video's id enters the seed; without it videos of equal length have
            equal groups, those of the published demo with ``seed=41``.
        videos: Id and length of every video in the order of the evaluation: one stream of numbers
            then shuffles them all, as in the published evaluation. None: each has its own.
    """

    lookahead = None

    def __init__(self, num_frames: int = 32, *, num_samples: int = 16, seed: int = 0,
                 by_video: bool = True,
                 videos: Sequence[tuple[Hashable, int]] | None = None) -> None:
        super().__init__()
        if min(num_frames, num_samples) < 1:
            raise ValueError('num_frames and num_samples must be at least 1, got '
                             f'num_frames={num_frames}, num_samples={num_samples}')
        self.num_frames = num_frames
        self.num_samples = num_samples
        self.seed = seed
        self.by_video = by_video
        self.videos = None if videos is None else tuple((key, length) for key, length in videos)

    @property
    def draws(self) -> dict[str, int]:
        """The other frames of the training group."""
        return {WINDOW_ROLE: self.num_samples - 1}

    def sample(self, key_id: int, video_length: int, rng: np.random.Generator) -> Roles:
        """Other frames of the video, each once if there are as many."""
        others = np.delete(np.arange(video_length), key_id)
        if not len(others):
            others = np.array([key_id])
        repeats = -(-(self.num_samples - 1) // len(others))
        drawn = np.concatenate([rng.permutation(others) for _ in range(max(repeats, 1))])
        return {WINDOW_ROLE: sorted(drawn[:self.num_samples - 1].tolist())}

    def frames(self, key_id: int, video_length: int, video_id: Hashable = 0) -> Roles:
        """The group of the key frame if it is its first; nothing for the others."""
        group = self.group(key_id, video_length, video_id)
        return {WINDOW_ROLE: group} if group[0] == key_id else {}

    def group(self, key_id: int, video_length: int, video_id: Hashable = 0) -> list[int]:
        """The frames of a frame's group, ascending."""
        if video_length <= self.num_frames:
            return list(range(video_length))
        order = self._order(video_length, video_id)
        first = order.index(key_id) // self.num_frames * self.num_frames
        return sorted(order[first:first + self.num_frames])

    def _order(self, video_length: int, video_id: Hashable) -> tuple[int, ...]:
        """The frames of a video, shuffled."""
        if self.videos is None:
            return _shuffled(f'{self.seed} {video_id}' if self.by_video else self.seed,
                             video_length)
        order = _stream(self.seed, self.num_frames, self.videos).get(video_id, ())
        if len(order) != video_length:
            raise ValueError(f'video {video_id!r} has {video_length} frames, in `videos` of '
                             f'ShuffledGroups {len(order) or "it does not occur"}: list the id '
                             'and the length of every video in the order of the evaluation')
        return order


@lru_cache(maxsize=64)
def _shuffled(seed: str | int, video_length: int) -> tuple[int, ...]:
    """Frame numbers in the order of Python's own generator, as in the published program."""
    order = list(range(video_length))
    random.Random(seed).shuffle(order)  # noqa: S311 - no secret
    return tuple(order)


@lru_cache(maxsize=4)
def _stream(seed: int, num_frames: int,
            videos: tuple[tuple[Hashable, int], ...]) -> dict[Hashable, tuple[int, ...]]:
    """Orders of all videos from one stream; those shorter than a group take no part in it."""
    rng, orders = random.Random(seed), {}  # noqa: S311 - no secret
    for video_id, length in videos:
        order = list(range(length))
        if length >= num_frames:
            rng.shuffle(order)
        orders[video_id] = tuple(order)
    return orders
