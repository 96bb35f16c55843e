"""File of the predictions of a whole data set: one npz, read without pickle.

``docs/evaluation.md`` describes the format.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.structures.npz_file import FileFault, NpzFormat

REQUIRED = ('boxes', 'scores', 'labels')
FILE = NpzFormat('mmvod_predictions', version=1, content='predictions',
                 writers='DumpVideoPredictions or tools/test.py --out',
                 required=('num_boxes', 'frame_ids', *REQUIRED), compressed=True,
                 optional=('image_ids', 'class_scores', 'objects', 'track_ids',
                           'relation_shapes', 'relations'),
                 dimensions=dict(
                     num_boxes=('frames', ), frame_ids=('frames', ), image_ids=('frames', ),
                     boxes=('rows', 4), scores=('rows', ), labels=('rows', ),
                     class_scores=('rows', 'classes'), objects=('rows', ), track_ids=('rows', ),
                     relation_shapes=('pairs', 2), relations=('weights', )))
#: Types in the file; scores of all classes and relations in half precision.
ROW_TYPES = dict(boxes=np.float32, scores=np.float32, labels=np.int16, class_scores=np.float16,
                 proposal_ids=np.int32, track_ids=np.int64)
#: Arrays of the file that are not named after their attribute.
ARRAY_NAMES = dict(proposal_ids='objects')


@dataclass
class Predictions:
    """Detections of a data set.

    Attributes:
        videos: One entry per video.
        classes: Names of the classes, in the order of the labels.
        info: Their origin, for the reader.
    """

    videos: list[VideoDetections]
    classes: tuple[str, ...]
    info: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for video in self.videos:
            bad = video.labels[(video.labels < 0) | (video.labels >= len(self.classes))]
            if bad.size:
                raise ValueError(f'video {video.video_id!r} has the label {bad[0]}, but there are '
                                 f'{len(self.classes)} classes')

    def select(self, video_ids: Sequence[Hashable]) -> Predictions:
        """Some of the videos, in the order given.

        Raises:
            KeyError: If one of them has no predictions.
        """
        by_id = {video.video_id: video for video in self.videos}
        missing = [video_id for video_id in video_ids if video_id not in by_id]
        if missing:
            raise KeyError(f'no predictions for the videos {missing[:5]} ({len(missing)} missing); '
                           f'{len(by_id)} videos have some, for instance {list(by_id)[:3]}')
        return Predictions([by_id[i] for i in video_ids], self.classes, self.info)


def save_predictions(path: str | os.PathLike[str], predictions: Predictions) -> None:
    """Write predictions; an existing file is replaced only when the new one is complete.

    Args:
        path: File, ending with ``.npz``.
        predictions: Predictions to write. ``class_scores``, ``proposal_ids``, ``track_ids``,
            ``relations`` and ``image_ids`` are written if every video with detections has them;
            a warning names what only some videos have.

    Raises:
        ValueError: If the name does not end with ``.npz``.
    """
    videos = [dict(id=plain_id(video.video_id), num_frames=video.num_frames,
                   img_shape=video.img_shape, suppressed=video.suppressed)
              for video in predictions.videos]
    FILE.save(path, _to_arrays(predictions.videos), classes=list(predictions.classes),
              info=predictions.info, videos=videos)


def load_predictions(path: str | os.PathLike[str]) -> Predictions:
    """Read what :func:`save_predictions` wrote: a file, or a folder of files as one.

    Raises:
        FileNotFoundError: If there is no such file, or the folder has none.
        ValueError: If it is something else, incomplete, or of a newer version, or the files of a
            folder have different classes.
    """
    if Path(path).is_dir():
        return _load_folder(Path(path))
    meta, arrays = FILE.load(path, sizes=lambda meta, arrays: _sizes(meta, arrays, path))
    try:
        found = Predictions(_to_videos(meta, arrays), tuple(meta['classes']), meta['info'])
        _check_once(found.videos, path)
    except FileFault:
        raise
    except (ValueError, LookupError, TypeError, OverflowError) as error:
        raise ValueError(f'{path} is damaged: {error}') from error
    return found


def _sizes(meta: dict[str, Any], arrays: dict[str, np.ndarray],
           path: str | os.PathLike[str]) -> dict[str, int]:
    """Sizes that the header and the arrays read so far state."""
    if not arrays:
        _check_meta(meta, path)
    lengths = [entry['num_frames'] for entry in meta['videos']]
    sizes = dict(frames=sum(lengths), classes=len(meta['classes']),
                 pairs=sum(max(length - 1, 0) for length in lengths))
    if 'num_boxes' in arrays:
        counts = arrays['num_boxes'].astype(np.int64)
        if counts.min(initial=0) < 0:
            raise FileFault(f'{path}: num_boxes has negative numbers')
        sizes['rows'] = int(counts.sum())
    if 'relation_shapes' in arrays:
        sizes['weights'] = int(arrays['relation_shapes'].astype(np.int64).prod(1).sum())
    return sizes


def _check_meta(meta: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Raise if the header lacks something or has another type than it must have."""
    for key, kind in dict(classes=list, info=dict, videos=list).items():
        if not isinstance(meta.get(key), kind):
            raise FileFault(f'{path}: its header has {key}={meta.get(key)!r:.50}, expected a '
                            f'{kind.__name__}')
    for entry in meta['videos']:
        fits = isinstance(entry, dict) and entry.keys() >= {'id', 'num_frames', 'img_shape',
                                                            'suppressed'}
        if not fits or type(entry['num_frames']) is not int or entry['num_frames'] < 0:
            raise FileFault(f'{path}: its header has the video {entry!r:.80}, expected id, '
                            'num_frames (0 or more), img_shape and suppressed')


def _check_once(videos: list[VideoDetections], path: str | os.PathLike[str]) -> None:
    counts = Counter(video.video_id for video in videos)
    twice = [video_id for video_id, count in counts.items() if count > 1]
    if twice:
        raise FileFault(f'{path} has the video {twice[0]!r} more than once ({len(twice)} such '
                         'videos): remove the files of all but one run')


def _load_folder(folder: Path) -> Predictions:
    parts = [load_predictions(path) for path in sorted(folder.glob('[!.]*.npz'))]
    if not parts:
        raise FileNotFoundError(f'{folder} contains no .npz file: pass the folder that '
                                'DumpVideoPredictions wrote')
    classes = {part.classes for part in parts}
    if len(classes) > 1:
        raise ValueError(f'the files of {folder} have different classes: {sorted(classes)[:2]}')
    videos = sorted((video for part in parts for video in part.videos), key=first_image)
    _check_once(videos, folder)
    return Predictions(videos, parts[0].classes, parts[0].info)


def first_image(video: VideoDetections) -> tuple[int, str]:
    """Sort key of a video: its first image, so that the number of processes does not matter."""
    first = -1 if video.image_ids is None or not video.num_frames else int(video.image_ids[0])
    return first, str(video.video_id)


def _to_arrays(videos: list[VideoDetections]) -> dict[str, np.ndarray]:
    arrays = dict(frame_ids=_join([video.frame_ids for video in videos], np.int32),
                  num_boxes=_join([video.num_boxes for video in videos], np.int32))
    if _have(videos, 'image_ids'):
        arrays['image_ids'] = _join([video.image_ids for video in videos], np.int64)
    found = [video for video in videos if len(video)]
    for name, dtype in ROW_TYPES.items():
        if _have(found, name) or name in REQUIRED:
            rows = [getattr(video, name) for video in found or videos]
            arrays[ARRAY_NAMES.get(name, name)] = _join(rows, dtype)
    if _have(found, 'relations'):
        tables = [table for video in videos for table in _relations(video)]
        arrays['relation_shapes'] = np.array([t.shape for t in tables], np.int32).reshape(-1, 2)
        arrays['relations'] = _join([t.ravel() for t in tables], np.float16)
    return arrays


def _have(videos: list[VideoDetections], name: str) -> bool:
    """Whether all videos have an attribute."""
    known = [getattr(video, name) is not None for video in videos]
    if any(known) and not all(known):
        warnings.warn(f'{known.count(False)} of {len(known)} videos have no {name}: it is '
                      'omitted for the others too', stacklevel=5)
    return bool(known) and all(known)


def _relations(video: VideoDetections) -> list[np.ndarray]:
    """The relation tables of a video; empty ones where nothing was detected."""
    if video.relations is None:
        return [np.zeros((0, 0))] * max(video.num_frames - 1, 0)
    return video.relations


def _to_videos(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> list[VideoDetections]:
    arrays = {name: array.astype(np.int64) if array.dtype.kind == 'i' else array
              for name, array in arrays.items()}
    relations = _relation_tables(arrays)
    videos, frame, row, pair = [], 0, 0, 0
    for entry in meta['videos']:
        frames = slice(frame, frame + entry['num_frames'])
        num_boxes = arrays['num_boxes'][frames]
        rows = slice(row, row + int(num_boxes.sum()))
        pairs = slice(pair, pair + max(entry['num_frames'] - 1, 0))
        shape = entry['img_shape']
        videos.append(VideoDetections(
            video_id=hashable_id(entry['id']), frame_ids=arrays['frame_ids'][frames],
            num_boxes=num_boxes,
            image_ids=arrays['image_ids'][frames] if 'image_ids' in arrays else None,
            relations=None if relations is None else relations[pairs],
            img_shape=None if shape is None else tuple(shape), suppressed=entry['suppressed'],
            **{name: arrays[array][rows] for name in ROW_TYPES
               if (array := ARRAY_NAMES.get(name, name)) in arrays}))
        frame, row, pair = frames.stop, rows.stop, pairs.stop
    return videos


def _relation_tables(arrays: dict[str, np.ndarray]) -> list[np.ndarray] | None:
    if 'relations' not in arrays:
        return None
    shapes = arrays['relation_shapes']
    ends = np.cumsum(shapes.prod(1))
    return [part.reshape(shape) for part, shape in zip(
        np.split(arrays['relations'], ends[:-1]), shapes, strict=True)] if len(shapes) else []


def _join(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(parts).astype(dtype) if parts else np.zeros(0, dtype)


def plain_id(value: Hashable) -> object:
    """A video id as a json value: a number of numpy becomes one of Python."""
    return value.item() if isinstance(value, np.generic) else value


def hashable_id(value: object) -> Hashable:
    """A video id from a json value: a list becomes a tuple."""
    return tuple(value) if isinstance(value, list) else value
