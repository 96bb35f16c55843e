"""Frames of videos in the order in which a policy wants them loaded."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import Any

from mmdet.registry import DATA_SAMPLERS
from mmengine.dist import get_dist_info
from torch.utils.data import Dataset, Sampler

from mmvod_plugins.references import ReferencePolicy, build_references

from ..video_index import VideoIndex


@DATA_SAMPLERS.register_module()
class VideoStreamSampler(Sampler):
    """``(video, frame)`` of whole videos, in the schedule of a reference policy, for testing.

    Whole videos are given to processes, balanced by their number of frames. With more processes
    than videos some processes have nothing to do. Detections do not depend on the distribution.

    Args:
        dataset: A data set of videos in ``test_mode``, see :class:`VideoIndex`.
        references: The policy that orders the frames; None: the model's under ``VideoRunner``,
            otherwise the natural order.
        seed: Not used; the runner gives one to every sampler.

    Raises:
        ValueError: If the dataset is not in ``test_mode``.
    """

    def __init__(self,
                 dataset: Dataset,
                 references: dict[str, Any] | ReferencePolicy | None = None,
                 seed: int | None = None) -> None:
        self.index = VideoIndex(dataset)
        self.index.serve_loaders()
        if not self.index.test_mode:
            raise ValueError('VideoStreamSampler is for testing: set test_mode=True in the '
                             'dataset, or use VideoKeyFrameSampler for training')
        self.dataset = dataset
        self.policy = build_references(references)
        self.skip(())

    def skip(self, video_ids: Collection[Hashable]) -> None:
        """Leave videos out from now on, and give the others to the processes anew.

        Args:
            video_ids: Ids of the videos; the same ones in every process.
        """
        rank, world_size = get_dist_info()
        video_idxs = [i for i in range(len(self.index))
                      if self.index.video_id(i) not in video_ids]
        lengths = [self.index.length(i) for i in video_idxs]
        self.video_idxs = [video_idxs[i] for i in distribute(lengths, world_size)[rank]]
        self._length: int | None = None

    def _schedule(self, video_idx: int) -> list[int]:
        length = self.index.length(video_idx)
        return self.policy.schedule(length, self.index.video_id(video_idx))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for video_idx in self.video_idxs:
            for frame_id in self._schedule(video_idx):
                yield video_idx, frame_id

    def __len__(self) -> int:
        if self._length is None:
            once = self.policy.max_records is None  # the schedule names every frame once
            self._length = sum(
                self.index.length(i) if once else len(self._schedule(i))
                for i in self.video_idxs)
        return self._length


def distribute(lengths: Sequence[int], world_size: int) -> list[list[int]]:
    """Give whole videos to processes: the longest first, always to the least loaded process.

    Args:
        lengths: Frames of each video.
        world_size: Number of processes.

    Returns:
        Videos of each process, ascending; empty lists where there are too few videos.
    """
    shares: list[list[int]] = [[] for _ in range(world_size)]
    loads = [0] * world_size
    for video_idx in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        rank = loads.index(min(loads))
        shares[rank].append(video_idx)
        loads[rank] += lengths[video_idx]
    return [sorted(share) for share in shares]
