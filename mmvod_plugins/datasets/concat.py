"""Concatenation of video data sets."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from mmdet.registry import DATASETS
from mmengine.dataset import ConcatDataset

from .coco_vid import CocoVIDDataset, split_index
from .video_index import check_parts


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
        ValueError: If the parts do not fit together, see :func:`check_parts`.
    """

    indexes_frames = True

    def __init__(self,
                 datasets: Sequence[dict[str, Any] | CocoVIDDataset],
                 pipeline: Sequence[dict[str, Any]] | None = None,
                 lazy_init: bool = False) -> None:
        if not datasets:
            raise ValueError('ConcatVideoDataset needs at least one dataset, got none')
        built = [build_part(dataset, pipeline) for dataset in datasets]
        keys = sorted({key for part in built for key in part.metainfo})
        super().__init__(built, lazy_init=lazy_init, ignore_keys=keys)

    def full_init(self) -> None:
        """Read all annotations and check that the parts fit together."""
        if self._fully_initialized:
            return
        super().full_init()
        check_parts(self.datasets)
        self._metainfo = self.datasets[0].metainfo

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
