"""MOTChallenge text: one file per video, read by TrackEval and most trackers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmvod_plugins.evaluation import Predictions

from .table import BOX, Table, from_table, to_table


def to_mot(predictions: Predictions) -> str:
    """``frame, id, left, top, width, height, confidence, class, -1, -1``.

    Frames and classes count from 1; the id of an unlinked detection is -1.

    Args:
        predictions: Of one video, which the text does not name.
    """
    table = to_table(predictions)
    left, top, right, bottom = (np.array(table[name], np.float32) for name in BOX)
    rows = zip(
        (frame_id + 1 for frame_id in table['frame_id']),
        (-1 if number is None else number for number in table['tracker_id']),
        left, top, right - left, bottom - top, np.array(table['confidence'], np.float32),
        (label + 1 for label in table['class_id']), strict=True)
    return ''.join(','.join(map(str, row)) + ',-1,-1\n' for row in rows)


def from_mot(text: str, classes: Sequence[str] | None = None, source: str = 'video') -> Predictions:
    """Detections of one video, whose id is ``source``; the class -1 counts as the first class.

    Raises:
        ValueError: If a line has less than 7 values, or one that is no number.
    """
    lines = [line.replace(' ', '').split(',') for line in text.splitlines() if line.strip()]
    short = next((number for number, line in enumerate(lines, 1) if len(line) < 7), None)
    if short is not None:
        raise ValueError(f'{source}: line {short} has {len(lines[short - 1])} values, expected '
                         'frame, id, left, top, width, height, confidence, class')
    try:
        values = np.array([[*line, '-1'][:8] for line in lines], np.float64).reshape(-1, 8)
    except ValueError as error:
        raise ValueError(f'{source} is no MOTChallenge text: {error}') from error
    frame, track, left, top, width, height, score, label = values.T
    return from_table(Table(
        video_id=[source] * len(values), frame_id=frame - 1, x_min=left, y_min=top,
        x_max=left + width, y_max=top + height, class_id=np.maximum(label, 1) - 1,
        confidence=score, tracker_id=track.tolist()), classes, source)
