"""Detections of a whole data set as flat arrays, tied to the frames of a ground truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.utils.arrays import concatenate_fields

from .ground_truth import GroundTruth


@dataclass(frozen=True)
class Detections:
    """Detections in a data set.

    Scores are at least 0 and may exceed 1, as after rescoring. Boxes may extend beyond the image;
    they are not clipped. For 20 million detections use float32 and int32.

    Attributes:
        frame_index: (N,), integer, frame number in the ground truth.
        boxes: (N, 4), ``(x1, y1, x2, y2)`` in pixels of the original image.
        scores: (N,).
        labels: (N,), integer.
        missing: (P,), int64, numbers of the frames without predictions, which differ from frames
            with zero detections. Their objects count as missed.
    """

    frame_index: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    missing: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __post_init__(self) -> None:
        shapes = dict(frame_index=self.frame_index.shape, boxes=self.boxes.shape,
                      scores=self.scores.shape, labels=self.labels.shape)
        rows = len(self.scores)
        if shapes != dict(frame_index=(rows, ), boxes=(rows, 4), scores=(rows, ), labels=(rows, )):
            raise ValueError(f'detections have the shapes {shapes}; expected (N,), boxes (N, 4)')

    def __len__(self) -> int:
        """Number of detections, N."""
        return len(self.scores)

    def select(self, rows: np.ndarray) -> Detections:
        """Subset of the detections, by mask or row numbers, in their order."""
        return replace(self, frame_index=self.frame_index[rows], boxes=self.boxes[rows],
                       scores=self.scores[rows], labels=self.labels[rows])

    def of_frames(self, frames: np.ndarray) -> Detections:
        """Detections in some frames, numbered as in ``truth.select(frames)``.

        Args:
            frames: (F,), bool.
        """
        number, rows = np.cumsum(frames) - 1, frames[self.frame_index]
        part = self.select(rows)
        return replace(part, frame_index=number[part.frame_index].astype(self.frame_index.dtype),
                       missing=number[self.missing[frames[self.missing]]])

    def in_frame_order(self) -> Detections:
        """Sort by frame; detections of a frame keep their order."""
        if not np.any(self.frame_index[1:] < self.frame_index[:-1]):
            return self
        return self.select(np.argsort(self.frame_index, kind='stable'))


def check_detections(detections: Detections, truth: GroundTruth) -> None:
    """Raise for detections that cannot be evaluated.

    Raises:
        ValueError: If a score or box is not finite, a score negative, or a label or frame is not
            in the ground truth.
    """
    frames, labels, scores = detections.frame_index, detections.labels, detections.scores
    if not len(detections):
        return
    if frames.min() < 0 or frames.max() >= truth.num_frames:
        raise ValueError(f'detections name frames {frames.min()} to {frames.max()}, the ground '
                         f'truth has 0 to {truth.num_frames - 1}: they belong to another data set')
    if labels.min() < 0 or labels.max() >= truth.num_classes:
        _refuse(detections, truth, (labels < 0) | (labels >= truth.num_classes), 'labels',
                f'labels are 0 to {truth.num_classes - 1} for the {truth.num_classes} classes of '
                'the ground truth; compare its classes with those of the model')
    if not np.isfinite(scores).all():
        _refuse(detections, truth, ~np.isfinite(scores), 'scores', 'scores must be finite')
    if not np.isfinite(detections.boxes).all():
        _refuse(detections, truth, ~np.isfinite(detections.boxes).all(axis=1), 'boxes',
                'coordinates must be finite')
    if scores.min() < 0:
        _refuse(detections, truth, scores < 0, 'scores',
                'scores must not be negative; are they logits?')


def _refuse(detections: Detections, truth: GroundTruth, wrong: np.ndarray, what: str,
            rule: str) -> None:
    row = int(np.flatnonzero(wrong)[0])
    name = truth.frame_name(int(detections.frame_index[row]))
    raise ValueError(f'{name}: a detection has {what} {getattr(detections, what)[row]} '
                     f'({int(wrong.sum())} detections like this); {rule}')


def to_detections(videos: Iterable[VideoDetections], truth: GroundTruth) -> Detections:
    """Join the detections of videos and find their frames in the ground truth.

    Frames are found by image id, or by video and frame id where the detections have no image ids.

    Args:
        videos: In any order; a video may be split into parts.
        truth: The ground truth; frames of it without predictions are listed in ``missing``.

    Raises:
        ValueError: If a frame is not in the ground truth or occurs twice, or a value is not valid,
            see :func:`check_detections`.
    """
    seen = np.zeros(truth.num_frames, dtype=bool)
    parts = [Detections(np.zeros(0, np.int32), np.zeros((0, 4), np.float32),
                        np.zeros(0, np.float32), np.zeros(0, np.int16))]
    for video in videos:
        frames = frame_numbers(video, truth)
        twice = np.flatnonzero(seen[frames] | (np.bincount(
            frames, minlength=truth.num_frames)[frames] > 1))
        if twice.size:
            raise ValueError(f'{truth.frame_name(int(frames[twice[0]]))} was predicted more than '
                             f'once ({twice.size} repeated frames of video {video.video_id!r}); '
                             'pass each frame once')
        seen[frames] = True
        part = Detections(np.repeat(frames, video.num_boxes), video.boxes, video.scores,
                          _narrow(video.labels, truth.num_classes))
        check_detections(part, truth)
        parts.append(part)
    missing = np.flatnonzero(~seen)
    return replace(concatenate_fields(parts).in_frame_order(), missing=missing)


def _narrow(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Labels as int16 if they fit, to save memory for 20 million detections."""
    fits = not len(labels) or (labels.min() >= 0 and labels.max() < min(num_classes, 2**15))
    return labels.astype(np.int16) if fits else labels


def frame_numbers(video: VideoDetections, truth: GroundTruth) -> np.ndarray:
    """Frame numbers of a video's frames in the ground truth, (T,), int32."""
    if video.image_ids is None:
        known = truth.frame_of_position
        keys = [(video.video_id, frame_id) for frame_id in video.frame_ids.tolist()]
    else:
        known = truth.frame_of_image
        keys = np.asarray(video.image_ids).tolist()
    unknown = [key for key in keys if key not in known]
    if unknown:
        kind = '(video id, frame id)' if video.image_ids is None else 'image id'
        raise ValueError(f'video {video.video_id!r}: {kind} {unknown[0]!r} is not in the ground '
                         f'truth ({len(unknown)} unknown frames); the detections belong to another '
                         'annotation file or to a part of it that is not evaluated')
    return np.array([known[key] for key in keys], dtype=np.int32)
