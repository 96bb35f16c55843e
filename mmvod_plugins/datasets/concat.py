"""Concatenation of video data sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

from mmdet.registry import DATASETS
from mmengine.dataset import ConcatDataset

from .coco_vid import CocoVIDDataset, split_index


@DATASETS.register_module()
class ConcatVideoDataset(ConcatDataset):
    """Concatenation of video data sets (VID and DET), indexed like a single one.

    Args:
        datasets: :class:`CocoVIDDataset` instances or configs, all for training or all for
            testing, with the same classes.
        pipeline: Pipeline of the configs without one of their own.
        lazy_init: Whether to read the annotations later.

    Raises:
        TypeError: If a part cannot be indexed by ``(video, frame)``.
        ValueError: If the parts do not fit together; in testing also if a video id or image id
            occurs in two of them, because streams and metrics identify videos and images by it.
    """

    def __init__(self,
                 datasets: Sequence[dict[str, Any] | CocoVIDDataset],
                 pipeline: Sequence[dict[str, Any]] | None = None,
                 lazy_init: bool = False) -> None:
        if not datasets:
            raise ValueError('ConcatVideoDataset needs at least one dataset, got none')
        built = [build_part(dataset, pipeline) for dataset in datasets]
        if len({part.test_mode for part in built}) > 1:
            raise ValueError('training and test data sets cannot be concatenated: '
                             f'test_mode is {[part.test_mode for part in built]}')
        keys = sorted({key for part in built for key in part.metainfo})
        super().__init__(built, lazy_init=lazy_init, ignore_keys=keys)

    def full_init(self) -> None:
        """Read all annotations and check that the parts fit together."""
        if self._fully_initialized:
            return
        super().full_init()
        classes = [tuple(part.metainfo['classes']) for part in self.datasets]
        for part, found in zip(self.datasets, classes, strict=True):
            if found != classes[0]:
                raise ValueError(
                    f'data sets with different classes cannot be concatenated: {classes[0]} in '
                    f'{self.datasets[0].ann_file}, {found} in {part.ann_file}. Give all of them '
                    'the same metainfo=dict(classes=...)')
        self._metainfo = self.datasets[0].metainfo
        if self.test_mode:
            self._check_ids()

    def _check_ids(self) -> None:
        videos: Counter[Hashable] = Counter()
        images: Counter[Hashable] = Counter()
        for part in self.datasets:
            for video_idx in range(len(part)):
                videos[part.video_id(video_idx)] += 1
                images.update(f['img_id'] for f in part.get_data_info(video_idx)['images'])
        for what, counts in (('video id', videos), ('image id', images)):
            twice = [value for value, count in counts.items() if count > 1]
            if twice:
                raise ValueError(
                    f'{what} {twice[0]!r} occurs in two of the datasets '
                    f'{[part.ann_file for part in self.datasets]} ({len(twice)} repeated): '
                    'results would be mixed up. Test them separately or give them disjoint ids')

    @property
    def test_mode(self) -> bool:
        """Whether this is a dataset for testing."""
        return self.datasets[0].test_mode

    @property
    def num_all_imgs(self) -> int:
        """Number of frames of all videos."""
        return sum(part.num_all_imgs for part in self.datasets)

    def part_of(self, video_idx: int) -> tuple[int, int]:
        """Number of the data set of a video, and the index of the video there."""
        return self._get_ori_dataset_idx(video_idx)

    def _locate(self, video_idx: int) -> tuple[CocoVIDDataset, int]:
        part, local = self.part_of(video_idx)
        return self.datasets[part], local

    def key_frame_ids(self, video_idx: int) -> list[int]:
        """Frame ids of possible key frames of a video."""
        part, local = self._locate(video_idx)
        return part.key_frame_ids(local)

    def video_id(self, video_idx: int) -> Hashable:
        """Id of a video, as policies and models see it."""
        part, local = self._locate(video_idx)
        return part.video_id(local)

    def get_len_per_video(self, idx: int) -> int:
        """Number of frames of a video."""
        part, local = self._locate(idx)
        return part.get_len_per_video(local)

    def get_cat_ids(self, idx: int | tuple[int, int]) -> list[int]:
        """Labels of a video or of one frame of it."""
        video_idx, frame_id = split_index(idx)
        part, local = self._locate(video_idx)
        return part.get_cat_ids(local if frame_id is None else (local, frame_id))

    def __getitem__(self, idx: int | tuple[int, int]) -> Any:  # noqa: ANN401 as pipelines
        video_idx, frame_id = split_index(idx)
        part, local = self._locate(video_idx)
        return part[local if frame_id is None else (local, frame_id)]


def build_part(dataset: dict[str, Any] | CocoVIDDataset,
               pipeline: Sequence[dict[str, Any]] | None) -> CocoVIDDataset:
    """Build one data set of a concatenation.

    Raises:
        TypeError: If it is not a :class:`CocoVIDDataset`.
    """
    if isinstance(dataset, dict):
        if pipeline is not None and 'pipeline' not in dataset:
            dataset = dict(dataset, pipeline=pipeline)
        dataset = DATASETS.build(dataset)
    if not isinstance(dataset, CocoVIDDataset):
        raise TypeError('ConcatVideoDataset joins CocoVIDDataset and its subclasses, got '
                        f'{type(dataset).__name__}')
    return dataset
