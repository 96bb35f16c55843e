"""Shuffled key frames for training."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from mmdet.registry import DATA_SAMPLERS
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Dataset, Sampler

from ..video_index import VideoIndex


class KeyFramePlan:
    """The key frames of a dataset in the order of a round; a round shows each once.

    Args:
        index: The videos.
        equal_parts: Draw as many key frames from every part of a concatenation as the largest one
            has: smaller parts are repeated. By default all key frames are drawn alike.
        shuffle: New order in every round.
        seed: Seed of the order.

    Raises:
        ValueError: If there is no key frame.
    """

    def __init__(self, index: VideoIndex, equal_parts: bool, shuffle: bool, seed: int) -> None:
        rows: dict[int, list[np.ndarray]] = {}
        for video_idx, place in enumerate(index.places):
            frame_ids = np.asarray(index.key_frame_ids(video_idx), dtype=np.int64)
            rows.setdefault(place.part, []).append(
                np.stack([np.full_like(frame_ids, video_idx), frame_ids], axis=1))
        parts = [np.concatenate(rows[part]) for part in sorted(rows)]
        self.parts = parts if equal_parts else [np.concatenate(parts)] if parts else []
        if not self.parts or min(len(part) for part in self.parts) == 0:
            raise ValueError('a training dataset has no key frame: see key_frames and filter_cfg '
                             'of CocoVIDDataset')
        self.shuffle = shuffle
        self.seed = seed

    def __len__(self) -> int:
        return len(self.parts) * max(len(part) for part in self.parts)

    def round(self, number: int) -> np.ndarray:
        """Key frames of one round, (n, 2): video and frame."""
        size = max(len(part) for part in self.parts)
        rng = np.random.default_rng([self.seed, number])
        drawn = np.concatenate([part[self._order(len(part), size, rng)] for part in self.parts])
        return drawn[rng.permutation(len(drawn))] if self.shuffle else drawn

    def _order(self, length: int, size: int, rng: np.random.Generator) -> np.ndarray:
        repeats = math.ceil(size / length)
        orders = [rng.permutation(length) if self.shuffle else np.arange(length)
                  for _ in range(repeats)]
        return np.concatenate(orders)[:size]


class KeyFrameSampler(Sampler):
    """Base class of the two training samplers.

    Args:
        dataset: A data set of videos for training, see :class:`VideoIndex`.
        seed: Seed of the order; None: one that all processes share.
        shuffle: New order in every round.
        equal_parts: See :class:`KeyFramePlan`.
    """

    def __init__(self,
                 dataset: Dataset,
                 seed: int | None = None,
                 *,
                 shuffle: bool = True,
                 equal_parts: bool = False) -> None:
        index = VideoIndex(dataset)
        index.serve_loaders()
        self.rank, self.world_size = get_dist_info()
        self.dataset = dataset
        seed = sync_random_seed() if seed is None else seed
        self.plan = KeyFramePlan(index, equal_parts, shuffle, seed)


@DATA_SAMPLERS.register_module()
class VideoKeyFrameSampler(KeyFrameSampler):
    """Every key frame once per epoch, for ``EpochBasedTrainLoop``.

    The order depends on seed and epoch alone. Each process gets the same number: some key frames
    come a second time where the count does not divide.

    Arguments as :class:`KeyFrameSampler`.
    """

    epoch = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        drawn = self.plan.round(self.epoch)
        positions = np.arange(self.rank, len(self) * self.world_size, self.world_size)
        yield from map(tuple, drawn[positions % len(drawn)].tolist())

    def __len__(self) -> int:
        return math.ceil(len(self.plan) / self.world_size)

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch (called by the loop)."""
        self.epoch = epoch


@DATA_SAMPLERS.register_module()
class InfiniteVideoKeyFrameSampler(KeyFrameSampler):
    """Key frames without end, round after round, for ``IterBasedTrainLoop``.

    Processes take turns in one common sequence, so in every round each key frame comes once over
    all of them.

    Arguments as :class:`KeyFrameSampler`.
    """

    start = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        size = len(self.plan)
        position = self.rank + self.start * self.world_size
        for number in itertools.count(position // size):
            drawn = self.plan.round(number)
            while position < (number + 1) * size:
                video_idx, frame_id = drawn[position - number * size].tolist()
                yield video_idx, frame_id
                position += self.world_size

    def __len__(self) -> int:
        return len(self.plan)

    def skip(self, num_samples: int) -> None:
        """Let the next iteration begin after ``num_samples`` samples of this process.

        The contract of mmengine's ``InfiniteSampler.skip``: counted from the beginning of
        training. Costs nothing, whatever the number.

        Raises:
            ValueError: If it is negative.
        """
        if num_samples < 0:
            raise ValueError(f'num_samples must not be negative, got {num_samples}')
        self.start = num_samples

    def set_epoch(self, epoch: int) -> None:
        """Nothing: training by iterations knows no epoch."""
