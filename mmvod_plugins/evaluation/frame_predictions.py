"""Conversion of a model's output, frame by frame, to detections of whole videos."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmvod_plugins.structures import FramePlace, VideoDetections, track_sample

from .predictions import ROW_TYPES

#: Names of the row attributes in ``pred_instances``.
INSTANCE_NAMES = dict(boxes='bboxes', scores='scores', labels='labels',
                      class_scores='class_scores', proposal_ids='proposal_ids')


@dataclass
class FramePrediction:
    """Detections of one frame, in the data types of the predictions file.

    Attributes:
        image_id: Id of the frame in the annotation file, or None.
        place: Video and number of the frame.
        rows: Row attributes of :class:`VideoDetections`.
        relations: (P, R) to the next frame, or None.
        img_shape: (height, width) of the original image.
        suppressed: As in :class:`VideoDetections`.
    """

    image_id: int | None
    place: FramePlace
    rows: dict[str, np.ndarray]
    relations: np.ndarray | None
    img_shape: tuple[int, int] | None
    suppressed: bool | None


def frame_predictions(sample: Mapping[str, Any],
                      places: Mapping[Hashable, FramePlace] | None) -> Iterator[FramePrediction]:
    """Extract the detections of every frame of a data sample.

    Args:
        sample: ``TrackDataSample`` (one or several frames) or ``DetDataSample`` (an image), as
            the dict that mmengine passes to metrics.
        places: Places by image id, for image samples, which carry no video id.

    Raises:
        ValueError: If a frame's place is not known, or a number is not finite.
    """
    if 'video_data_samples' in sample:
        for frame in sample['video_data_samples']:
            yield _of_frame(_as_dict(frame), places)
    else:
        yield _of_frame(sample, places)


def group_by_video(frames: Sequence[FramePrediction]) -> list[VideoDetections]:
    """Group frames into videos, in the order in which the videos first appear.

    Of a frame that occurs twice (some distributed samplers pad the last batch) the first
    prediction counts, with a warning.
    """
    videos: dict[Hashable, dict[int, FramePrediction]] = {}
    repeated = 0
    for frame in frames:
        video = videos.setdefault(frame.place.video_id, {})
        repeated += frame.place.frame_id in video
        video.setdefault(frame.place.frame_id, frame)
    if repeated:
        warnings.warn(f'{repeated} frames were predicted more than once; the first prediction of '
                      'each counts', stacklevel=2)
    return [_video(video_id, [video[i] for i in sorted(video)])
            for video_id, video in videos.items()]


def to_track_samples(video: VideoDetections, video_length: int) -> list[dict[str, Any]]:
    """Convert detections back to the samples that metrics take.

    Args:
        video: Detections with image ids.
        video_length: Frames of the whole video.
    """
    samples = []
    for t, frame_id in enumerate(video.frame_ids.tolist()):
        rows = video.rows(t)
        sample = DetDataSample(metainfo=dict(
            img_id=int(video.image_ids[t]), video_id=video.video_id, frame_id=frame_id,
            ori_video_length=video_length, ori_shape=video.img_shape, scale_factor=(1.0, 1.0),
            suppressed=video.suppressed))
        sample.pred_instances = InstanceData(**{
            key: torch.from_numpy(value[rows]) for name, key in INSTANCE_NAMES.items()
            if (value := getattr(video, name)) is not None})
        if video.relations is not None and t < len(video.relations):
            sample.relations = torch.from_numpy(video.relations[t])
        samples.append(track_sample([sample]).to_dict())
    return samples


def _as_dict(frame: DetDataSample | Mapping[str, Any]) -> Mapping[str, Any]:
    return frame.to_dict() if isinstance(frame, DetDataSample) else frame


def _of_frame(sample: Mapping[str, Any],
              places: Mapping[Hashable, FramePlace] | None) -> FramePrediction:
    image_id = sample.get('img_id')
    if sample.get('video_id') is not None and sample.get('frame_id') is not None:
        length = sample.get('ori_video_length', sample.get('video_length', 1))
        frame_id = int(sample['frame_id'])
        # of a live input nobody knows the length
        place = FramePlace(sample['video_id'], frame_id,
                           frame_id + 1 if length is None else int(length))
    elif places is not None and image_id in places:
        place = places[image_id]
    else:
        raise ValueError(
            f'image {image_id!r} ({sample.get("img_path")}) has no video_id and frame_id'
            + (': pass ann_file to the metric, so that it finds the video of an image'
               if places is None else ', and the ann_file of the metric does not list it'))
    rows = _rows(sample['pred_instances'])
    if not (np.isfinite(rows['scores']).all() and np.isfinite(rows['boxes']).all()):
        raise ValueError(f'image {image_id!r} ({sample.get("img_path")}): a detection has a score '
                         'or a box that is not finite; check the checkpoint, or the learning rate '
                         'of its training')
    if rows['scores'].min(initial=0) < 0:
        raise ValueError(f'image {image_id!r} ({sample.get("img_path")}): a detection has the '
                         f'score {rows["scores"].min()}; scores must not be negative')
    shape = sample.get('ori_shape')
    relations = sample.get('relations')
    return FramePrediction(
        image_id=_whole_number(image_id), place=place,
        rows=rows,
        relations=None if relations is None else _array(relations, np.float16),
        img_shape=None if shape is None else tuple(int(side) for side in shape[:2]),
        suppressed=sample.get('suppressed'))


def _whole_number(image_id: object) -> int | None:
    if image_id is None or isinstance(image_id, int | np.integer):
        return None if image_id is None else int(image_id)
    raise ValueError(f'the image id {image_id!r} is not an integer; COCO image ids are')


def _rows(instances: InstanceData | Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: _array(instances[key], ROW_TYPES[name])
            for name, key in INSTANCE_NAMES.items() if key in instances}


def _array(tensor: Any, dtype: type) -> np.ndarray:  # noqa: ANN401 tensors and arrays
    if hasattr(tensor, 'detach'):
        tensor = tensor.detach().cpu().numpy()
    return np.asarray(tensor).astype(dtype)


def _video(video_id: Hashable, frames: list[FramePrediction]) -> VideoDetections:
    first = frames[0]
    relations = None
    if first.relations is not None:
        relations = [frame.relations[:int(frame.rows['proposal_ids'].max(initial=-1)) + 1]
                     for frame in frames[:-1]]
    image_ids = [frame.image_id for frame in frames]
    video = VideoDetections.from_frames(
        video_id, [frame.place.frame_id for frame in frames], [frame.rows for frame in frames],
        image_ids=None if None in image_ids else np.array(image_ids, np.int64),
        relations=relations, img_shape=first.img_shape, suppressed=first.suppressed)
    return video.with_arrays(**{
        name: value.astype(np.int64) for name in ('labels', 'proposal_ids')
        if (value := getattr(video, name)) is not None})
