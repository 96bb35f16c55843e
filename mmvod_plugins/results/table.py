"""Detections as a table: one row per detection, columns by name."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from mmvod_plugins.evaluation import Predictions
from mmvod_plugins.structures import VideoDetections

#: Columns: those of roboflow's sinks (boxes, class, confidence, tracker), after where and before
#: what a row is. ``tracker_id`` is None for unlinked detections.
COLUMNS = ('video_id', 'frame_id', 'x_min', 'y_min', 'x_max', 'y_max', 'class_id', 'confidence',
           'tracker_id', 'class_name')
BOX = COLUMNS[2:6]
NUMBERS = ('frame_id', *BOX, 'class_id', 'confidence')

Table = dict[str, list[Any]]


def to_table(predictions: Predictions) -> Table:
    """Rows of all detections, video after video, frame after frame.

    Ids of videos become text; frames without detections have no row. Numbers are the shortest
    that give the same float32.
    """
    table: Table = {name: [] for name in COLUMNS}
    for video in predictions.videos:
        labels = video.labels.tolist()
        table['video_id'] += [str(video.video_id)] * len(video)
        table['frame_id'] += video.frame_ids[video.frame_index].tolist()
        for name, values in zip(BOX, video.boxes.T, strict=True):
            table[name] += shortest(values)
        table['class_id'] += labels
        table['confidence'] += shortest(video.scores)
        table['tracker_id'] += track_numbers(video)
        table['class_name'] += [predictions.classes[label] for label in labels]
    return table


def from_table(table: Mapping[str, Sequence[Any]], classes: Sequence[str] | None = None,
               source: str = 'table') -> Predictions:
    """Detections from rows in any order; frames without a row do not exist.

    Args:
        table: Columns of equal length; ``tracker_id`` and ``class_name`` may be missing.
        classes: Names of the classes; None: those in the rows, and the number of a class for one
            that no row names.
        source: Where the table comes from, for messages.

    Raises:
        ValueError: If a column is missing, or a value is no number, with its row.
    """
    missing = [name for name in ('video_id', *NUMBERS) if name not in table]
    if missing:
        raise ValueError(f'{source}: the columns {missing} are missing; there are {list(table)}')
    columns = {name: _numbers(table[name], name, source) for name in NUMBERS}
    for name in ('frame_id', 'class_id'):
        if (columns[name] != np.floor(columns[name])).any() or columns[name].min(initial=0) < 0:
            raise ValueError(f'{source}: {name} must hold whole numbers from 0')
    ids = list(map(_track_number, table.get('tracker_id', [None] * len(table['video_id']))))
    tracks = _numbers(ids, 'tracker_id', source).astype(np.int64)
    names = {int(label): str(name) for label, name in zip(
        columns['class_id'], table.get('class_name', ()), strict=False)}
    if classes is None:
        last = int(columns['class_id'].max(initial=-1))
        classes = [names.get(label, str(label)) for label in range(last + 1)]
    positions: dict[Hashable, list[int]] = {}
    for row, video_id in enumerate(table['video_id']):
        positions.setdefault(video_id, []).append(row)
    videos = []
    for video_id, rows in positions.items():
        order = np.array(rows)[np.argsort(columns['frame_id'][rows], kind='stable')]
        frames, counts = np.unique(columns['frame_id'][order].astype(np.int64), return_counts=True)
        linked = tracks[order]
        videos.append(VideoDetections(
            video_id, frames, counts.astype(np.int64),
            np.stack([columns[name][order] for name in BOX], 1).astype(np.float32),
            columns['confidence'][order].astype(np.float32),
            columns['class_id'][order].astype(np.int64),
            track_ids=linked if (linked >= 0).any() else None))
    return Predictions(videos, tuple(classes))


def shortest(values: np.ndarray) -> list[float]:
    """Float64 numbers with the fewest decimals that are the same in the array's own precision."""
    return np.asarray(values).astype('U').astype(np.float64).tolist()


def track_numbers(video: VideoDetections) -> list[int | None]:
    """Number of the track of every detection, None for unlinked ones."""
    if video.track_ids is None:
        return [None] * len(video)
    return [number if number >= 0 else None for number in video.track_ids.tolist()]


def _track_number(value: object) -> object:
    return -1 if value is None or value == '' or value != value else value  # NaN: pandas' None


def _numbers(values: Sequence[Any], name: str, source: str) -> np.ndarray:
    """A column as float64; all numbers are finite."""
    try:
        numbers = np.array(values, np.float64)
        if np.isfinite(numbers).all():
            return numbers
    except (TypeError, ValueError):
        pass
    for row, value in enumerate(values, start=1):
        try:
            finite = np.isfinite(float(value))
        except (TypeError, ValueError):
            finite = False
        if not finite:
            raise ValueError(f'{source}: {name} of row {row} is {value!r}, expected a finite '
                             'number')
    raise ValueError(f'{source}: {name} must be a list of numbers')
