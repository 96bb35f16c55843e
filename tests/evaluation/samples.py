"""Data samples as models return them, with made-up detections."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.structures import InstanceData

NUM_CLASSES = 3


def frame(video_id: int, frame_id: int, video_length: int, number: int = 2,
          **meta: Any) -> DetDataSample:
    """A frame with detections that depend on where it stands."""
    generator = torch.Generator().manual_seed(100 * video_id + frame_id)
    corner = 20 * torch.rand(number, 2, generator=generator)
    sample = DetDataSample(metainfo=dict(
        img_id=100 * video_id + frame_id, video_id=video_id, frame_id=frame_id,
        ori_video_length=video_length, ori_shape=(48, 64)) | meta)
    sample.pred_instances = InstanceData(
        bboxes=torch.cat([corner, corner + 10], 1),
        scores=torch.rand(number, generator=generator),
        labels=torch.randint(NUM_CLASSES, (number, ), generator=generator))
    return sample


def track(*frames: DetDataSample) -> dict[str, Any]:
    """A video detector's sample in the form that an evaluator passes to its metrics."""
    sample = TrackDataSample()
    sample.video_data_samples = list(frames)
    return sample.to_dict()


def feed(metric: Any, lengths: dict[int, int], **meta: Any) -> None:
    """Hand the frames of videos to a metric, those of all videos in turn."""
    metric.dataset_meta = dict(classes=('a', 'b', 'c'))
    places = [(t, video) for video, length in lengths.items() for t in range(length)]
    for t, video in sorted(places):
        metric.process(None, [track(frame(video, t, lengths[video], **meta))])
