"""Label Studio's JSON: one task per video, the tracks are its predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmvod_plugins.evaluation import Predictions
from mmvod_plugins.evaluation.predictions import plain_id
from mmvod_plugins.structures import VideoDetections

from .tracks import Track, tracks_of


def to_label_studio(predictions: Predictions, fps: Mapping[object, float] | None = None) -> str:
    """A list of tasks for a labelling config with ``<VideoRectangle name="box" toName="video">``.

    Frames count from 1, boxes are in per cent of the image. The last box before a gap has
    ``enabled: false``, which ends Label Studio's interpolation there. ``data.video`` is the id of
    the video: replace it by the address that Label Studio serves.

    Args:
        predictions: Of any number of videos.
        fps: Frames per second by video id; 25 where missing. They must agree with ``framerate``
            of the labelling config.

    Raises:
        ValueError: If a video with detections has no ``img_shape``.
    """
    tasks = []
    for video in predictions.videos:
        if video.img_shape is None and len(video):
            raise ValueError(f'video {video.video_id!r} has no img_shape (height, width), and '
                             'Label Studio has boxes in per cent of it: set it with with_arrays('
                             'img_shape=...)')
        rate = (fps or {}).get(video.video_id, 25.0)
        tasks.append(dict(data=dict(video=plain_id(video.video_id)), predictions=[dict(
            model_version='mmvod_plugins', result=[
                _region(track, video, predictions.classes[track.label], rate)
                for track in tracks_of(video)])]))
    return json.dumps(tasks, ensure_ascii=False)


def _region(track: Track, video: VideoDetections, name: str, fps: float) -> dict[str, Any]:
    height, width = video.img_shape
    boxes = video.boxes[track.rows].astype(np.float64)
    x, y = boxes[:, :2].T / [[width], [height]] * 100
    w, h = (boxes[:, 2:] - boxes[:, :2]).T / [[width], [height]] * 100
    last = {int(run[-1]) for run in track.runs()}
    sequence = [dict(frame=int(frame_id) + 1, time=int(frame_id) / fps, x=x[i], y=y[i], width=w[i],
                     height=h[i], rotation=0, enabled=i not in last)
                for i, frame_id in enumerate(track.frame_ids)]
    count = int(video.frame_ids.max()) + 1
    return dict(id=f'track{track.number}', type='videorectangle', from_name='box', to_name='video',
                score=float(video.scores[track.rows].mean()),
                value=dict(labels=[name], sequence=sequence, framesCount=count,
                           duration=count / fps))
