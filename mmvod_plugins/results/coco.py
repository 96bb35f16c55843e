"""COCO results that also name video, frame and track."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmvod_plugins.evaluation import Predictions
from mmvod_plugins.evaluation.coco_json import to_coco_results
from mmvod_plugins.evaluation.predictions import hashable_id, plain_id

from .json_file import loads
from .table import Table, from_table


def to_coco(predictions: Predictions) -> str:
    """A list of objects as COCO's and TAO's evaluation read it.

    ``category_id`` is the label, counted from 1. Frames without an id of their own are numbered
    from 1 through all videos. For ids of an annotation file see
    :func:`mmvod_plugins.evaluation.coco_json.write_predictions`.
    """
    videos, first = [], 1
    for video in predictions.videos:
        if video.image_ids is None:
            video = video.with_arrays(image_ids=np.arange(first, first + video.num_frames))
        first += video.num_frames
        videos.append(video)
    results = to_coco_results(Predictions(videos, predictions.classes),
                              range(1, len(predictions.classes) + 1))
    places = [(plain_id(video.video_id), frame_id) for video in videos
              for frame_id in video.frame_ids[video.frame_index].tolist()]
    for result, (video_id, frame_id) in zip(results, places, strict=True):
        result.update(video_id=video_id, frame_id=frame_id)
    return json.dumps(results, ensure_ascii=False)


def from_coco(text: str, classes: Sequence[str] | None = None,
              source: str = 'COCO results') -> Predictions:
    """Detections from results that name their video and frame.

    Raises:
        ValueError: If they do not; an annotation file is needed then.
    """
    results: list[dict[str, Any]] = loads(text, source)
    needed = ('video_id', 'frame_id', 'category_id', 'bbox', 'score')
    if not isinstance(results, list):
        raise ValueError(f'{source} is not COCO results: expected a list of objects')
    for position, result in enumerate(results):
        missing = [key for key in needed if not isinstance(result, dict) or key not in result]
        if missing:
            raise ValueError(
                f'{source}: result {position} lacks {missing}. COCO results without video and '
                'frame need their annotation file: python tools/postprocess.py RESULTS '
                '--annotations FILE --out NAME.npz')
    boxes = np.array([result['bbox'] for result in results], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    x_min, y_min, x_max, y_max = boxes.T
    return from_table(Table(
        video_id=[hashable_id(result['video_id']) for result in results],
        frame_id=[result['frame_id'] for result in results],
        x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max,
        class_id=[result['category_id'] - 1 for result in results],
        confidence=[result['score'] for result in results],
        tracker_id=[result.get('track_id', -1) for result in results]), classes, source)
