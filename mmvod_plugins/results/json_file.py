"""JSON with everything about the boxes, and JSON lines with one line per frame."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mmvod_plugins.evaluation import Predictions
from mmvod_plugins.evaluation.predictions import hashable_id, plain_id
from mmvod_plugins.structures import VideoDetections

from .table import shortest, track_numbers

FORMAT, VERSION = 'mmvod_results', 1


def to_json(predictions: Predictions, fps: Mapping[object, float] | None = None) -> str:
    """A JSON object with ``classes``, ``info`` and ``videos``; every frame is listed.

    Args:
        predictions: Of any number of videos.
        fps: Frames per second by video id, written where known.
    """
    videos = [video_dict(video, (fps or {}).get(video.video_id)) for video in predictions.videos]
    return json.dumps(dict(format=FORMAT, version=VERSION, classes=list(predictions.classes),
                           info=predictions.info, videos=videos), ensure_ascii=False, default=str)


def video_dict(video: VideoDetections, fps: float | None = None) -> dict[str, Any]:
    """A video as plain values.

    Returns:
        ``video_id``, ``fps``, ``img_shape`` (height, width), ``suppressed`` and ``frames``, each
        with ``frame_id`` and, as mmdet's ``DetInferencer`` names them, ``labels``, ``scores`` and
        ``bboxes`` (x1, y1, x2, y2 in pixels); ``track_ids`` where the video is linked, None for
        an unlinked detection.
    """
    shape = None if video.img_shape is None else list(video.img_shape)
    return dict(video_id=plain_id(video.video_id), fps=fps, img_shape=shape,
                suppressed=video.suppressed, frames=list(_frames(video)))


def _frames(video: VideoDetections) -> Iterator[dict[str, Any]]:
    columns = dict(labels=video.labels.tolist(), scores=shortest(video.scores),
                   bboxes=[shortest(box) for box in video.boxes])
    if video.track_ids is not None:
        columns['track_ids'] = track_numbers(video)
    for t, frame_id in enumerate(video.frame_ids.tolist()):
        rows = video.rows(t)
        yield dict(frame_id=frame_id, **{name: values[rows] for name, values in columns.items()})


def from_json(text: str, classes: Sequence[str] | None = None,
              source: str = 'json') -> Predictions:
    """Detections from what :func:`to_json` wrote.

    Raises:
        ValueError: If it is something else, or damaged.
    """
    content = loads(text, source)
    if not isinstance(content, dict) or content.get('format') != FORMAT:
        raise ValueError(f'{source} is not a file of results: expected an object with '
                         f'"format": "{FORMAT}"')
    if content.get('version') != VERSION:
        raise ValueError(f'{source} has the version {content.get("version")!r} of the format, '
                         f'known is {VERSION}: read it with a newer mmvod_plugins')
    try:
        videos = [_video(entry) for entry in content['videos']]
        return Predictions(videos, tuple(classes or content['classes']), content['info'])
    except (KeyError, TypeError) as error:
        raise ValueError(f'{source} is damaged: {type(error).__name__} {error}') from error


def to_json_lines(predictions: Predictions) -> str:
    """One object per frame: those of :func:`video_dict` with ``video_id`` and ``names``."""
    lines = []
    for video in predictions.videos:
        for frame in _frames(video):
            names = [predictions.classes[label] for label in frame['labels']]
            lines.append(json.dumps(dict(video_id=plain_id(video.video_id), **frame, names=names),
                                    ensure_ascii=False))
    return ''.join(f'{line}\n' for line in lines)


def from_json_lines(text: str, classes: Sequence[str] | None = None,
                    source: str = 'json lines') -> Predictions:
    """Detections from lines in any order of videos, ascending frames in each.

    Args:
        text: The lines.
        classes: Names of the classes; None: those in the lines, and the number of a class that
            occurs in none.
        source: Name of the file, for messages.

    Raises:
        ValueError: If a line is no such object.
    """
    videos: dict[object, list[dict[str, Any]]] = {}
    names: dict[int, str] = {}
    for number, line in enumerate(text.split('\n'), start=1):
        if not line.strip():
            continue
        frame = loads(line, f'{source}, line {number}')
        try:
            videos.setdefault(hashable_id(frame['video_id']), []).append(frame)
            names.update(zip(frame['labels'], frame.get('names', ()), strict=False))
        except (KeyError, TypeError) as error:
            raise ValueError(f'{source}, line {number} is no frame with detections: '
                             f'{type(error).__name__} {error}') from error
    if classes is None:
        classes = [names.get(label, str(label)) for label in range(max(names, default=-1) + 1)]
    try:
        found = [_video(dict(video_id=name, frames=frames)) for name, frames in videos.items()]
    except (KeyError, TypeError) as error:
        raise ValueError(f'{source} is damaged: {type(error).__name__} {error}') from error
    return Predictions(found, tuple(classes))


def _video(entry: dict[str, Any]) -> VideoDetections:
    frames, shape = entry['frames'], entry.get('img_shape')
    linked = any('track_ids' in frame for frame in frames)
    rows = []
    for frame in frames:
        row = dict(boxes=np.array(frame['bboxes'], np.float32).reshape(-1, 4),
                   scores=np.array(frame['scores'], np.float32),
                   labels=np.array(frame['labels'], np.int64))
        if linked:
            row['track_ids'] = np.array([-1 if number is None else number
                                         for number in frame['track_ids']], np.int64)
        rows.append(row)
    return VideoDetections.from_frames(
        hashable_id(entry['video_id']), [frame['frame_id'] for frame in frames], rows,
        img_shape=None if shape is None else tuple(shape), suppressed=entry.get('suppressed'))


def loads(text: str, source: str) -> Any:  # noqa: ANN401 any json value
    """Parse json.

    Raises:
        ValueError: If it is none, with its name.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{source} is not json: {error}') from error
