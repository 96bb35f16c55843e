"""Data set of videos in COCO-VID format."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.datasets import BaseVideoDataset
from mmdet.registry import DATASETS
from mmengine.fileio import join_path
from mmengine.logging import print_log

from .annotation_cache import LARGE, AnnotationCache, CachedVideos, is_large, load_plain
from .coco_values import without_collection
from .coco_vid_file import CocoVIDFile, image_size
from .proposal_file import ProposalFile

#: Defaults of ``filter_cfg``: conditions on training key frames.
DEFAULT_FILTER = dict(filter_empty_gt=True, min_size=32)


@dataclass(frozen=True)
class VideoSummary:
    """Facts of a video that samplers need.

    Attributes:
        video_id: Id of the video, as policies and models see it.
        length: Number of frames.
        key_frame_ids: Frames that may be key frames, ascending.
    """

    video_id: Hashable
    length: int
    key_frame_ids: np.ndarray


@DATASETS.register_module()
class CocoVIDDataset(BaseVideoDataset):
    """Videos and single images of a COCO-VID json, with any classes.

    Unlike in mmdet's ``BaseVideoDataset`` no frame is ever dropped: position in the video and
    ``frame_id`` are the same number, and possible training key frames are a separate list
    (:meth:`key_frame_ids`).

    Args:
        key_frames: ``'marked'``: training key frames are those with ``is_vid_train_frame``, if the
            json has that field; ``'all'``: every frame.
        proposal_file: Precomputed proposals (:class:`ProposalFile`), absolute or below
            ``data_root``. The pipeline needs :class:`LoadFrameProposals`. In testing every frame
            needs an entry, in training every key frame and every reference that is drawn.
        cache_above: Size in bytes of an annotation file, on a disk, from which on its compact form
            is kept beside it (:class:`AnnotationCache`), once for each use; None: never.
        backend_args: Storage backend of both files, see ``mmengine.fileio``.
        **kwargs: As in mmengine's ``BaseDataset``. ``metainfo=dict(classes=...)``: labels follow
            this order; without it the json's order. ``filter_cfg``: see ``DEFAULT_FILTER``.

    Raises:
        ValueError: If the json is invalid (see :class:`CocoVIDFile`), lacks a class or, in
            training, has no possible key frame.
        KeyError: If a frame that needs proposals has no entry.
    """

    #: ``dataset[video, frame]`` is a sample.
    indexes_frames = True

    def __init__(self,
                 *args: Any,  # noqa: ANN401 passed on to BaseDataset
                 key_frames: str = 'marked',
                 proposal_file: str | None = None,
                 cache_above: int | None = LARGE,
                 backend_args: dict[str, Any] | None = None,
                 **kwargs: Any) -> None:  # noqa: ANN401
        if key_frames not in ('marked', 'all'):
            raise ValueError(f"key_frames must be 'marked' or 'all', got {key_frames!r}")
        unknown = set(kwargs.get('filter_cfg') or {}) - set(DEFAULT_FILTER)
        if unknown:
            raise ValueError(f'filter_cfg has unknown keys {sorted(unknown)}, expected some of '
                             f'{list(DEFAULT_FILTER)}')
        self.key_frames = key_frames
        self.proposal_file = proposal_file
        self._proposals: ProposalFile | None = None
        self._summaries: list[VideoSummary] = []
        self.cache_above = cache_above
        self._mapped = False
        self._last_video: tuple[int, dict] | None = None
        super().__init__(*args, backend_args=backend_args, **kwargs)

    def full_init(self) -> None:
        """Read the annotation file."""
        if self._fully_initialized:
            return
        cache = self._cache()
        cached = None if cache is None else cache.read()
        if cached is None:
            self._read_annotations(cache)
        else:
            self._take(cached)
        self._fully_initialized = True
        if not self.test_mode and not any(s.key_frame_ids.size for s in self._summaries):
            raise ValueError(
                f'{self.ann_file} has no frame to train on: with key_frames={self.key_frames!r} '
                f'and filter_cfg={self._filter()} a key frame has the field is_vid_train_frame '
                'true (if the file has it), a valid box of the requested classes, and is large '
                "enough. Use key_frames='all' for a file without marked frames")

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """A video, as mmengine's; of a cache without running code."""
        if not self._mapped:
            return super().get_data_info(idx)
        idx += len(self._summaries) if idx < 0 else 0
        start = int(self.data_address[idx - 1]) if idx else 0
        return {**load_plain(self.data_bytes[start:int(self.data_address[idx])]),
                'sample_idx': idx}

    def _cache(self) -> AnnotationCache | None:
        """Where the compact form of the file is, or None if there is to be none."""
        source = Path(self.ann_file)
        plain = self.serialize_data and self._indices is None and self.proposal_file is None
        if self.cache_above is None or not plain or not source.is_file() \
                or source.stat().st_size < self.cache_above:
            return None
        return AnnotationCache(source, [
            f'{type(self).__module__}.{type(self).__qualname__}',
            self._metainfo.get('classes'), dict(self.data_prefix), self._filter(),
            self.key_frames, self.test_mode])

    def _read_annotations(self, cache: AnnotationCache | None) -> None:
        """Read the file, and keep its compact form."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            videos = self._load_videos() if self._one_by_one() else self.load_data_list()
            if self._indices is not None:
                self.data_list = videos
                videos = self._get_unserialized_subset(self._indices)
            kept, data, ends = [], bytearray(), []
            for video in videos:
                self._summaries.append(VideoSummary(
                    video['video_id'], video['video_length'],
                    np.asarray(video.pop('key_frame_ids'), dtype=np.int32)))
                if self.serialize_data:
                    data += pickle.dumps(video, protocol=4)
                    ends.append(len(data))
                else:
                    kept.append(video)
        texts = [str(warning.message) for warning in caught]
        for text in texts:
            warnings.warn(text, stacklevel=4)
        self.data_list = kept
        if not self.serialize_data:
            return
        # as mmengine's `_serialize_data`, of videos that were not all there at once
        self.data_bytes = np.frombuffer(data, np.uint8)
        self.data_address = np.array(ends, dtype=np.int64)
        if cache is None:
            return
        ids = [summary.key_frame_ids for summary in self._summaries]
        facts = dict(classes=self._metainfo['classes'], cat2label=list(self.cat2label.items()),
                     warnings=texts, video_ids=[s.video_id for s in self._summaries],
                     lengths=[s.length for s in self._summaries])
        cache.write(CachedVideos(facts, self.data_bytes, self.data_address,
                                 np.concatenate(ids), np.cumsum([len(part) for part in ids])))

    def _take(self, cached: CachedVideos) -> None:
        """Serve videos from the compact form of the file."""
        facts = cached.facts
        self._metainfo['classes'] = tuple(facts['classes'])
        self.cat2label = dict(facts['cat2label'])
        self.cat_ids = list(self.cat2label)
        self.data_bytes, self.data_address, self._mapped = cached.data, cached.ends, True
        ids = np.split(cached.key_frame_ids.astype(np.int32), cached.key_frame_ends[:-1])
        self._summaries = [
            VideoSummary(*video)
            for video in zip(facts['video_ids'], facts['lengths'], ids, strict=True)]
        for text in facts['warnings']:
            warnings.warn(text, stacklevel=4)

    def _one_by_one(self) -> bool:
        """Whether no list of all videos is needed: in bytes a large file takes a tenth of it."""
        whole = type(self).load_data_list is CocoVIDDataset.load_data_list
        return whole and self.serialize_data and self._indices is None and is_large(self.ann_file)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read videos as ``dict(video_id, video_name, video_length, images, key_frame_ids)``."""
        return list(self._load_videos())

    def _load_videos(self) -> Iterator[dict[str, Any]]:
        path = Path(self.ann_file)
        large = is_large(path)
        if large:
            print_log(f'reading {path} ({path.stat().st_size / 2**20:.0f} MB)', logger='current')
        source = CocoVIDFile(self.ann_file, self.backend_args)
        classes = self._metainfo.get('classes')
        if not classes:
            source.warn_of_class_order()
            classes = source.classes
        if isinstance(classes, str):
            raise ValueError(f'metainfo classes must be a list of names, got {classes!r}')
        self._metainfo['classes'] = tuple(classes)
        self.cat2label = source.labels(classes)
        self.cat_ids = list(self.cat2label)
        if self.proposal_file is not None:
            path = join_path(self.data_root or '', self.proposal_file)
            self._proposals = ProposalFile(path, self.backend_args)
        marked = self.key_frames == 'marked' and source.has_train_marks()
        frames, found = len(source.images), source.take_videos()
        with without_collection():
            for video in _with_progress(found, frames, path) if large else found:
                yield self._parse_video(source, video, marked)
        source.warn_of_dropped_boxes()

    def _parse_video(self, source: CocoVIDFile, video: dict, marked: bool) -> dict[str, Any]:
        length = len(video['images'])
        common = dict(video_id=video['video_id'], video_name=video['video_name'],
                      is_video_data=video['is_video_data'], ori_video_length=length)
        prefix = self.data_prefix.get('img_path') or self.data_prefix.get('img') or ''
        frames, key_frame_ids = [], []
        for image in video['images']:
            height, width = image_size(image)
            frame = dict(
                img_id=image['id'],
                img_path=join_path(prefix, image['file_name']) if prefix else image['file_name'],
                height=height,
                width=width,
                frame_id=image['frame_id'],
                instances=source.instances(image, self.cat2label),
                has_instance_ids=source.has_instance_ids(image),
                **common)
            if self._proposals is not None:
                frame['proposals'] = self._proposals.row(image['file_name'])
            frames.append(frame)
            usable = image.get('is_vid_train_frame', False) or not marked
            if self.test_mode or (usable and self._may_be_key_frame(frame)):
                key_frame_ids.append(frame['frame_id'])
        self._check_proposals([frames[frame_id] for frame_id in key_frame_ids])
        return dict(video_id=video['video_id'], video_name=video['video_name'],
                    is_video_data=video['is_video_data'], video_length=length, images=frames,
                    key_frame_ids=key_frame_ids)

    def _check_proposals(self, key_frames: list[dict[str, Any]]) -> None:
        missing = [frame for frame in key_frames if frame.get('proposals', 0) < 0]
        if missing:
            raise KeyError(
                f'{self._proposals.path} has no entry for frame {missing[0]["frame_id"]} of video '
                f'{missing[0]["video_name"]!r} ({missing[0]["img_path"]}), nor for '
                f'{len(missing) - 1} others of it: entries are named by file_name of '
                f'{self.ann_file}; a frame without proposals needs an empty entry')

    def _add_proposals(self, frames: Sequence[dict[str, Any]]) -> None:
        """Replace the number of each frame's entry by its proposals, in place."""
        if self._proposals is not None:
            for frame in frames:
                frame['proposals'] = self._proposals.proposals(frame['proposals'])

    def _filter(self) -> dict[str, Any]:
        return {**DEFAULT_FILTER, **(self.filter_cfg or {})}

    def _may_be_key_frame(self, frame: dict[str, Any]) -> bool:
        settings = self._filter()
        sizes = [size for size in (frame['height'], frame['width']) if size is not None]
        # Regions to pass over are no objects.
        if settings['filter_empty_gt'] and all(i['ignore_flag'] for i in frame['instances']):
            return False
        return min(sizes, default=settings['min_size']) >= settings['min_size']

    def _summary(self, video_idx: int) -> VideoSummary:
        if not self._fully_initialized:
            self.full_init()
        if not 0 <= video_idx < len(self._summaries):
            raise IndexError(f'{self.ann_file} has {len(self._summaries)} videos, '
                             f'asked for video {video_idx}')
        return self._summaries[video_idx]

    def key_frame_ids(self, video_idx: int) -> list[int]:
        """Frame ids of possible key frames of a video: all in testing."""
        return self._summary(video_idx).key_frame_ids.tolist()

    def video_id(self, video_idx: int) -> Hashable:
        """Id of a video, as policies and models see it (``metainfo['video_id']``)."""
        return self._summary(video_idx).video_id

    def get_len_per_video(self, idx: int) -> int:
        """Number of frames of a video."""
        return self._summary(idx).length

    @property
    def num_all_imgs(self) -> int:
        """Number of frames of all videos."""
        return sum(self.get_len_per_video(i) for i in range(len(self)))

    def get_cat_ids(self, index: int | tuple[int, int]) -> list[int]:
        """Labels of the objects of a video or of one frame of it, without ignored regions."""
        video_idx, frame_id = split_index(index)
        images = self.get_data_info(video_idx)['images']
        return [instance['bbox_label']
                for image in (images if frame_id is None else [images[frame_id]])
                for instance in image['instances'] if not instance['ignore_flag']]

    def prepare_data(self, idx: int | tuple[int, int]) -> Any:  # noqa: ANN401 as pipelines
        """Run the pipeline on a video or on one frame of it.

        Args:
            idx: ``(video, frame_id)``; or a video: all its frames in testing, a random key frame
                in training.

        Returns:
            Result of the pipeline; None asks mmengine for another sample (training).

        Raises:
            IndexError: If the video or frame does not exist.
        """
        video_idx, frame_id = split_index(idx)
        length = self.get_len_per_video(video_idx)
        if frame_id is not None and not 0 <= frame_id < length:
            raise IndexError(f'{self.ann_file}: video {self.video_id(video_idx)!r} has {length} '
                             f'frames, asked for frame {frame_id}')
        if self.test_mode:
            return self.pipeline(
                self._test_frames(video_idx, range(length) if frame_id is None else [frame_id]))
        if frame_id is None:
            key_frame_ids = self.key_frame_ids(video_idx)
            if not key_frame_ids:
                return None
            frame_id = key_frame_ids[int(torch.randint(len(key_frame_ids), ()))]
        info = self.get_data_info(video_idx)
        info['key_frame_id'] = frame_id
        self._add_proposals(info['images'])
        return self.pipeline(info)

    def _test_frames(self, video_idx: int, frame_ids: Sequence[int]) -> dict[str, list]:
        if self._last_video is None or self._last_video[0] != video_idx:
            self._last_video = video_idx, self.get_data_info(video_idx)
        images = self._last_video[1]['images']
        frames = [copy.deepcopy(images[frame_id]) for frame_id in frame_ids]
        self._add_proposals(frames)
        data = {key: [frame[key] for frame in frames] for key in frames[0]}
        data['video_length'] = [len(frames)] * len(frames)
        return data

    def _rand_another(self) -> tuple[int, int]:
        """A random key frame of a random video."""
        ends = np.cumsum([summary.key_frame_ids.size for summary in self._summaries])
        number = int(torch.randint(int(ends[-1]), ()))
        video_idx = int(np.searchsorted(ends, number, side='right'))
        key_frame_ids = self._summaries[video_idx].key_frame_ids
        return video_idx, int(key_frame_ids[number - int(ends[video_idx])])

    def get_subset_(self, indices: int | Sequence[int]) -> None:
        """Keep a subset of the videos, as defined by mmengine."""
        super().get_subset_(indices)
        self._summaries = subset(self._summaries, indices)
        self._last_video = None

    def get_subset(self, indices: int | Sequence[int]) -> CocoVIDDataset:
        """Dataset of a subset of the videos, as defined by mmengine."""
        part = super().get_subset(indices)
        part._summaries = subset(self._summaries, indices)
        part._last_video = None
        return part


def _with_progress(videos: Iterator[dict], frames: int, path: Path) -> Iterator[dict]:
    """The videos of a file, with a log line after every tenth part of all frames."""
    done = 0
    for video in videos:
        before, done = done, done + len(video['images'])
        yield video
        if 10 * done // frames > 10 * before // frames:
            print_log(f'{path}: {done} of {frames} frames', logger='current')


def subset(items: list, indices: int | Sequence[int]) -> list:
    """The first (negative: last) ``indices`` items, or those at a list of indices."""
    if isinstance(indices, int):
        return items[:indices] if indices >= 0 else items[indices:]
    return [items[i] for i in indices]


def split_index(idx: int | Sequence[int]) -> tuple[int, int | None]:
    """Split a dataset index into ``(video, frame)``; frame is None for a whole video.

    Raises:
        TypeError: If it is neither an integer nor a pair of integers.
    """
    parts = tuple(idx) if isinstance(idx, (tuple, list)) else (idx, )
    if len(parts) > 2 or not all(isinstance(part, (int, np.integer)) for part in parts):
        raise TypeError(f'a video dataset is indexed by video or by (video, frame), got {idx!r}')
    return int(parts[0]), int(parts[1]) if len(parts) == 2 else None
