"""Which videos and frames a data set has, whatever stock wrappers are around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmengine.dataset import ClassBalancedDataset, RepeatDataset
from torch.utils.data import ConcatDataset, Dataset

from .coco_vid import CocoVIDDataset


@dataclass(frozen=True)
class VideoPlace:
    """Where a video of a wrapped data set is.

    Attributes:
        dataset: The data set that has it.
        number: Its index there.
        part: Number of the part of the outermost concatenation; 0 without one.
    """

    dataset: CocoVIDDataset
    number: int
    part: int = 0


class VideoIndex:
    """The videos of a :class:`CocoVIDDataset`, alone or inside of stock wrappers.

    Wrappers are ``ConcatDataset`` (torch's, mmengine's, mmdet's and :class:`ConcatVideoDataset`),
    and for training ``RepeatDataset`` and ``ClassBalancedDataset`` (which repeats videos), nested
    in any way. A video has the number that the outermost wrapper has for it. As stock wrappers
    cannot be indexed by ``(video, frame)``, data loaders are served by :meth:`serve_loaders`.

    Args:
        dataset: The data set; its annotations are read.

    Raises:
        TypeError: If there is another wrapper or data set.
        ValueError: If the data sets do not fit together, see :func:`check_parts`, or a video would
            be tested more than once.
    """

    def __init__(self, dataset: Dataset) -> None:
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
        self.dataset = dataset
        self.places = places_of(dataset)
        parts = list({id(place.dataset): place.dataset for place in self.places}.values())
        check_parts(parts)
        self.test_mode = parts[0].test_mode if parts else False
        counts = Counter((id(place.dataset), place.number) for place in self.places)
        if self.test_mode and len(counts) < len(self.places):
            raise ValueError(f'{type(dataset).__name__} repeats videos, and in testing every video '
                             'is detected once: use the data set inside of it, or set '
                             'test_mode=False for training')

    def __len__(self) -> int:
        """Number of videos, repeated ones included."""
        return len(self.places)

    def key_frame_ids(self, video_idx: int) -> list[int]:
        """Frame ids of possible key frames of a video: all in testing."""
        place = self.places[video_idx]
        return place.dataset.key_frame_ids(place.number)

    def video_id(self, video_idx: int) -> Hashable:
        """Id of a video, as policies and models see it."""
        place = self.places[video_idx]
        return place.dataset.video_id(place.number)

    def length(self, video_idx: int) -> int:
        """Number of frames of a video."""
        place = self.places[video_idx]
        return place.dataset.get_len_per_video(place.number)

    def sample(self, video_idx: int, frame_id: int) -> Any:  # noqa: ANN401 as pipelines
        """What the pipeline makes of a frame."""
        place = self.places[video_idx]
        return place.dataset[place.number, frame_id]

    def samples(self, indices: Sequence[tuple[int, int]]) -> list[Any]:
        """What the pipelines make of ``(video, frame)`` indices."""
        return [self.sample(*index) for index in indices]

    def serve_loaders(self) -> None:
        """Let data loaders index the data set by ``(video, frame)``.

        torch's loaders ask ``dataset.__getitems__`` for a batch, if there is one; stock wrappers
        get it here.
        """
        if not getattr(self.dataset, 'indexes_frames', False):
            self.dataset.__getitems__ = self.samples


def places_of(dataset: Dataset) -> list[VideoPlace]:
    """Places of the videos in the order of the data set's own indices.

    Raises:
        TypeError: If there is another wrapper or data set.
    """
    if isinstance(dataset, CocoVIDDataset):
        return [VideoPlace(dataset, number) for number in range(len(dataset))]
    if isinstance(dataset, ConcatDataset):
        return [replace(place, part=part) for part, inner in enumerate(dataset.datasets)
                for place in places_of(inner)]
    if isinstance(dataset, RepeatDataset):
        return places_of(dataset.dataset) * dataset.times
    if isinstance(dataset, ClassBalancedDataset):
        inner = places_of(dataset.dataset)
        return [inner[number] for number in dataset.repeat_indices]
    raise TypeError('videos are read from a CocoVIDDataset (ImageNetVIDDataset, UAVDTDataset), '
                    'alone or in ConcatVideoDataset, ConcatDataset, RepeatDataset or '
                    f'ClassBalancedDataset, got {type(dataset).__name__}')


def check_parts(parts: Sequence[CocoVIDDataset]) -> None:
    """Raise for data sets that do not fit together.

    Args:
        parts: Different data sets; their annotations are read.

    Raises:
        ValueError: If some are for training and others for testing, or the classes differ; in
            testing also if a video id or image id occurs in two of them, because streams and
            metrics identify videos and images by it.
    """
    modes = [part.test_mode for part in parts]
    if len(set(modes)) > 1:
        raise ValueError('training and test data sets cannot be concatenated: '
                         f'test_mode is {modes}')
    classes = [tuple(part.metainfo['classes']) for part in parts]
    for part, found in zip(parts, classes, strict=True):
        if found != classes[0]:
            raise ValueError(
                f'data sets with different classes cannot be concatenated: {classes[0]} in '
                f'{parts[0].ann_file}, {found} in {part.ann_file}. Give all of them '
                'the same metainfo=dict(classes=...)')
    if len(parts) > 1 and modes[0]:
        _check_ids(parts)


def _check_ids(parts: Sequence[CocoVIDDataset]) -> None:
    videos: Counter[Hashable] = Counter()
    images: Counter[Hashable] = Counter()
    for part in parts:
        for video_idx in range(len(part)):
            videos[part.video_id(video_idx)] += 1
            images.update(f['img_id'] for f in part.get_data_info(video_idx)['images'])
    for what, counts in (('video id', videos), ('image id', images)):
        twice = [value for value, count in counts.items() if count > 1]
        if twice:
            raise ValueError(
                f'{what} {twice[0]!r} occurs in two of the datasets '
                f'{[part.ann_file for part in parts]} ({len(twice)} repeated): '
                'results would be mixed up. Test them separately or give them disjoint ids')


def leaves_of(dataset: Dataset) -> list[Dataset]:
    """The data sets inside of stock wrappers, or the data set itself."""
    inner = getattr(dataset, 'datasets', None) or getattr(dataset, 'dataset', None)
    if inner is None:
        return [dataset]
    return [leaf for part in (inner if isinstance(inner, list) else [inner])
            for leaf in leaves_of(part)]


def single_metainfo(metainfo: dict[str, Any] | Sequence[dict[str, Any]] | None) -> dict[str, Any]:
    """Metainfo of a data set, that of its first part where there is a list of them.

    mmdet's ``ConcatDataset`` has a list where its parts differ in anything; the classes of videos
    are the same in all parts (:func:`check_parts`).
    """
    if isinstance(metainfo, Sequence):
        metainfo = metainfo[0] if metainfo else None
    return metainfo or {}


def class_names(metainfo: dict[str, Any] | Sequence[dict[str, Any]] | None) -> tuple[str, ...]:
    """Classes of a data set's metainfo; empty if it names none."""
    return tuple(single_metainfo(metainfo).get('classes') or ())
