"""Frames of the whole video in a shuffled order."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache

from mmdet.registry import TASK_UTILS

from .base import Roles, video_rng
from .whole_video import WholeVideo


@lru_cache(maxsize=64)
def permutation(seed: int, video_id: Hashable, video_length: int) -> tuple[int, ...]:
    """The shuffled frame numbers of one video."""
    return tuple(video_rng(seed, video_id).permutation(video_length).tolist())


@TASK_UTILS.register_module()
class GlobalShuffle(WholeVideo):
    """A sliding set of ``num_frames`` frames of a shuffled video (MEGA, algorithm 1).

    With the shuffled order ``s`` the first key frame looks at ``s[0] ... s[num_frames - 1]``, and
    each later one replaces one frame by the next of the order (indices modulo the length of the
    video). The published program fills its list backwards, so ``s[num_frames - 1]`` leaves first.

    Needs the whole video. Its frames are kept from first to last use, also as local frames, so
    about half of a video is held at once (:meth:`peak_records`) unless ``max_records`` says less.

    Args:
        num_frames: Frames that a key frame looks at.
        seed: Seed of the order; the video's id enters too.
        num_samples: Training references, distinct frames of the whole video.
        role: Name under which the model receives the frames.
        max_records: See :class:`ReferencePolicy`.
    """

    def __init__(self,
                 num_frames: int = 10,
                 *,
                 seed: int = 0,
                 num_samples: int = 2,
                 role: str = 'global',
                 max_records: int | None = None) -> None:
        super().__init__(num_frames, num_samples=num_samples, role=role, max_records=max_records)
        self.seed = seed

    def order(self, video_length: int, video_id: Hashable) -> tuple[int, ...]:
        """The order ``s`` of a video's frames."""
        return permutation(self.seed, video_id, video_length)

    def frames(self, key_id: int, video_length: int, video_id: Hashable = 0) -> Roles:
        """The sliding set, the frame that leaves next first."""
        order = self.order(video_length, video_id)
        first = self.num_frames
        entries = [first - 1 - i if i < first else i for i in range(key_id, key_id + first)]
        return {self.role: [order[i % video_length] for i in entries]}
