"""Comparison of an exported model with the model that it was exported from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mmdet.structures import DetDataSample

from mmvod_plugins.apis.session import VideoSession
from mmvod_plugins.models import VideoDetector

from .onnx_runtime import FrameDetections, VideoRuntime

#: Largest difference of scores, and of boxes relative to the larger side of the frame.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Comparison:
    """Differences between an exported model and torch over the frames of a video.

    Attributes:
        frames: Number of frames.
        detections: Number of detections of the torch model.
        unmatched: Detections of either that the other has not, within the tolerance.
        scores: Largest difference of the scores of matched detections.
        boxes: Largest difference of their coordinates, in pixels.
        seconds: Wall time of the torch model and of the runtime, per frame.
    """

    frames: int
    detections: int
    unmatched: int
    scores: float
    boxes: float
    seconds: tuple[float, float]

    @property
    def equal(self) -> bool:
        """Whether every detection has its equal."""
        return self.unmatched == 0

    def __str__(self) -> str:
        torch_time, onnx_time = self.seconds
        return (f'{self.frames} frames, {self.detections} detections, {self.unmatched} without '
                f'their equal; largest differences: scores {self.scores:.1e}, boxes '
                f'{self.boxes:.1e} pixels; torch {1000 * torch_time:.1f} ms a frame, ONNX Runtime '
                f'{1000 * onnx_time:.1f} ms')


def compare(model: VideoDetector, runtime: VideoRuntime, frames: Sequence[np.ndarray],
            video_id: str = 'verify', tolerance: float = TOLERANCE) -> Comparison:
    """Detect in a video with both and compare frame by frame.

    Args:
        model: The detector, on any device.
        runtime: Its export.
        frames: (H, W, 3) each, BGR uint8.
        video_id: Identity of the video.
        tolerance: For scores; for boxes times the larger side of the frame.
    """
    start = time.perf_counter()
    session = VideoSession(model, video_id, len(frames))
    expected = [sample for frame in frames for sample in session.push(frame)] + session.close()
    middle = time.perf_counter()
    found = list(runtime.stream(frames, video_id))
    end = time.perf_counter()
    limits = tolerance, tolerance * max(runtime.frame_shape)
    parts = [matched(*pair, limits) for pair in zip(
        map(as_detections, expected), found, strict=True)]
    unmatched, scores, boxes = (np.array(column) for column in zip(*parts, strict=True))
    return Comparison(
        len(found), sum(len(sample.pred_instances) for sample in expected), int(unmatched.sum()),
        float(scores.max()), float(boxes.max()),
        ((middle - start) / len(found), (end - middle) / len(found)))


def as_detections(sample: DetDataSample) -> FrameDetections:
    """Detections of the torch model as the runtime has them."""
    found = sample.pred_instances
    return FrameDetections(sample.frame_id, *(
        found[name].detach().cpu().numpy() for name in ('bboxes', 'scores', 'labels')))


def matched(expected: FrameDetections, found: FrameDetections,
            limits: tuple[float, float]) -> tuple[int, float, float]:
    """Pair the detections of one frame.

    Args:
        expected: Of the one.
        found: Of the other.
        limits: Largest difference of scores and of coordinates.

    Returns:
        Detections without a partner, and the largest differences of scores and of coordinates
        among the others.

    Raises:
        ValueError: If they are of different frames.
    """
    if expected.frame_id != found.frame_id:
        raise ValueError(f'frames {expected.frame_id} and {found.frame_id} are compared')
    left, scores, boxes = list(range(len(found.scores))), 0.0, 0.0
    missing = 0
    for box, score, label in zip(expected.boxes, expected.scores, expected.labels, strict=True):
        differences = [(np.abs(found.boxes[i] - box).max(), abs(found.scores[i] - score), i)
                       for i in left if found.labels[i] == label
                       and abs(found.scores[i] - score) <= limits[0]]
        if not differences or min(differences)[0] > limits[1]:
            missing += 1
            continue
        by_box, by_score, i = min(differences)
        left.remove(i)
        boxes, scores = max(boxes, float(by_box)), max(scores, float(by_score))
    return missing + len(left), scores, boxes
