"""Comparison of an exported model with the model that it was exported from."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmdet.structures import DetDataSample

from mmvod_plugins.apis.session import VideoSession, array_pipeline, encode_frame
from mmvod_plugins.models import VideoDetector

from .onnx_runtime import FrameDetections, Objects, VideoRuntime

#: Largest difference of the detections from the same objects.
SAME_OBJECTS = 1e-4
#: Largest difference from image to detection. The sines of MEGA and RDN have up to a hundred
#: times the logarithm of a distance as their angle: what is rounded in a box differently grows
#: there. torch differs as much from itself with other numbers of frames or threads.
WHOLE = 1e-3


@dataclass(frozen=True)
class Differences:
    """How the detections of two programs in one video differ.

    Attributes:
        unmatched: Detections of either that the other has not, within the tolerance.
        scores: Largest difference of the scores of the others.
        boxes: Largest difference of their coordinates, in pixels.
    """

    unmatched: int
    scores: float
    boxes: float

    def __str__(self) -> str:
        return (f'{self.unmatched} detections without their equal, scores within '
                f'{self.scores:.1e}, boxes within {self.boxes:.1e} pixels')


@dataclass(frozen=True)
class Comparison:
    """An exported model beside torch, in the frames of a video.

    Attributes:
        frames: Number of frames.
        detections: Number of detections of the torch model.
        same_objects: Differences where the temporal graph gets the objects of the torch model.
        whole: Differences from image to detection.
        seconds: Wall time of the torch model and of the runtime, per frame.
    """

    frames: int
    detections: int
    same_objects: Differences
    whole: Differences
    seconds: tuple[float, float]

    @property
    def equal(self) -> bool:
        """Whether every detection has its equal."""
        return not (self.same_objects.unmatched or self.whole.unmatched)

    def __str__(self) -> str:
        torch_time, onnx_time = self.seconds
        return (f'{self.frames} frames, {self.detections} detections\n'
                f'from the same objects: {self.same_objects}\n'
                f'from image to detection: {self.whole}\n'
                f'time per frame: torch {1000 * torch_time:.1f} ms, ONNX Runtime '
                f'{1000 * onnx_time:.1f} ms, {torch_time / onnx_time:.2f} : 1')


def compare(model: VideoDetector, runtime: VideoRuntime, frames: Sequence[np.ndarray],
            video_id: str = 'verify', tolerance: float = WHOLE) -> Comparison:
    """Detect in a video with both and compare frame by frame.

    Args:
        model: The detector.
        runtime: Its export.
        frames: (H, W, 3) each, BGR uint8; at least one.
        video_id: Identity of the video.
        tolerance: From image to detection, of scores; of boxes times the larger side of the frame.
    """
    start = time.perf_counter()
    session = VideoSession(model, video_id, len(frames))
    expected = [as_detections(sample) for frame in frames for sample in session.push(frame)]
    expected += map(as_detections, session.close())
    middle = time.perf_counter()
    found = list(runtime.stream(frames, video_id))
    end = time.perf_counter()
    given = list(fed_by_torch(runtime, model).stream(frames, video_id))
    side = max(runtime.frame_shape)
    return Comparison(
        len(found), sum(len(part.scores) for part in expected),
        differences(expected, given, SAME_OBJECTS, side),
        differences(expected, found, tolerance, side),
        ((middle - start) / len(found), (end - middle) / len(found)))


def fed_by_torch(runtime: VideoRuntime, model: VideoDetector) -> VideoRuntime:
    """A runtime whose objects of frames are those of the torch model.

    Args:
        runtime: Of the exported model; it stays as it is.
        model: The detector.
    """
    pipeline = array_pipeline(model.cfg)
    rows = runtime.manifest['graphs']['frame']['outputs']['boxes']['shape'][0]

    @torch.no_grad()
    def encode(frame: np.ndarray) -> Objects:
        objects = encode_frame(model, pipeline, frame, 0, 'verify', 1).objects
        boxes, feats = (np.pad(part.cpu().numpy(), ((0, rows - len(part)), (0, 0)))
                        for part in (objects.boxes, objects.feats))
        return Objects(boxes, feats, np.arange(rows) < len(objects))

    fed = copy.copy(runtime)
    fed.encode = encode
    return fed


def as_detections(sample: DetDataSample) -> FrameDetections:
    """Detections of the torch model as the runtime has them."""
    found = sample.pred_instances
    return FrameDetections(sample.frame_id, *(
        found[name].detach().cpu().numpy() for name in ('bboxes', 'scores', 'labels')))


def differences(expected: Sequence[FrameDetections], found: Sequence[FrameDetections],
                tolerance: float, side: float) -> Differences:
    """Differences of detections, frame by frame.

    Args:
        expected: Of the one, by frame.
        found: Of the other.
        tolerance: Of scores; of coordinates times ``side``.
        side: The larger side of the frames, in pixels.
    """
    parts = [_matched(*pair, tolerance, tolerance * side)
             for pair in zip(expected, found, strict=True)]
    unmatched, scores, boxes = zip(*parts, strict=True)
    return Differences(sum(unmatched), max(scores), max(boxes))


def _matched(expected: FrameDetections, found: FrameDetections, by_score: float,
             by_box: float) -> tuple[int, float, float]:
    """Detections without a partner, and the largest differences of the others."""
    if expected.frame_id != found.frame_id:
        raise ValueError(f'frame {expected.frame_id} is compared with frame {found.frame_id}')
    left, missing, scores, boxes = set(range(len(found.scores))), 0, [0.0], [0.0]
    for box, score, label in zip(expected.boxes, expected.scores, expected.labels, strict=True):
        near = [(float(np.abs(found.boxes[i] - box).max()), i) for i in left
                if found.labels[i] == label and abs(found.scores[i] - score) <= by_score]
        distance, i = min(near, default=(np.inf, -1))
        if distance > by_box:
            missing += 1
            continue
        left.remove(i)
        boxes.append(distance)
        scores.append(float(abs(found.scores[i] - score)))
    return missing + len(left), max(scores), max(boxes)
