"""Small data sets for the tests of evaluation."""

from collections import Counter
from pathlib import Path

import numpy as np

from mmvod_plugins.evaluation.functional import Detections, GroundTruth
from mmvod_plugins.structures import VideoDetections

SHARED_DATA = Path(__file__).resolve().parents[4] / 'shared' / 'data'
SIZE = (240, 320)


def make_truth(rows, num_frames=1, num_classes=2, videos=None, **changes):
    """A ground truth of ``(frame, label, box)`` rows, frames ascending; one video by default.

    Frame f is image 100 + f; ``videos`` says which video every frame belongs to.
    """
    frame = np.array([row[0] for row in rows], dtype=np.int64)
    boxes = np.array([row[2] for row in rows], dtype=np.float64).reshape(-1, 4)
    videos = [0] * num_frames if videos is None else videos
    seen = Counter()
    positions = []
    for video in videos:
        positions.append(seen[video])
        seen[video] += 1
    fields = dict(
        image_ids=[100 + f for f in range(num_frames)], video_ids=videos,
        frame_ids=np.array(positions, dtype=np.int64),
        num_boxes=np.bincount(frame, minlength=num_frames).astype(np.int64), boxes=boxes,
        labels=np.array([row[1] for row in rows], dtype=np.int64), instance_ids=None,
        crowd=np.zeros(len(rows), dtype=bool),
        areas=(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]),
        img_shapes=np.tile(SIZE, (num_frames, 1)),
        classes=tuple(f'class {c}' for c in range(num_classes)))
    return GroundTruth(**fields | changes)


def make_detections(rows):
    """Detections of ``(frame, label, score, box)`` rows."""
    return Detections(
        np.array([row[0] for row in rows], dtype=np.int32),
        np.array([row[3] for row in rows], dtype=np.float32).reshape(-1, 4),
        np.array([row[2] for row in rows], dtype=np.float32),
        np.array([row[1] for row in rows], dtype=np.int16))


def random_scene(seed, num_frames=12, num_classes=4, crowds=False, tied_scores=False):
    """Crowded frames with coarse boxes, so equal overlaps and equal scores are frequent.

    The last class has no objects, the first frame none, the second no detections.

    Returns:
        Detections, ground truth, and motion values with some at the borders of the groups.
    """
    rng = np.random.default_rng(seed)
    gt_rows, det_rows = [], []
    for frame in range(num_frames):
        objects = [(frame, int(rng.integers(num_classes - 1)), random_box(rng))
                   for _ in range(rng.integers(6) if frame else 0)]
        # Two objects in one place: whatever overlaps one overlaps the other as much.
        objects += objects[:int(rng.integers(3))]
        gt_rows.extend(objects)
        for _ in range(rng.integers(14) if frame != 1 else 0):
            det_rows.append((frame, *random_detection(objects, num_classes, rng)))
    videos = sorted(rng.integers(3, size=num_frames).tolist())
    truth = make_truth(gt_rows, num_frames, num_classes, videos)
    if crowds:
        truth = make_truth(gt_rows, num_frames, num_classes, videos,
                           crowd=rng.random(len(gt_rows)) < 0.25)
    detections = make_detections(det_rows)
    if tied_scores:
        detections = Detections(detections.frame_index, detections.boxes,
                                np.round(detections.scores * 4) / 4, detections.labels)
    values = rng.choice([0.3, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0], size=len(gt_rows))
    return detections, truth, values


def random_box(rng):
    x, y = rng.integers(8, size=2) * 20
    w, h = rng.integers(1, 5, size=2) * 20
    return [x, y, x + w, y + h]


def random_detection(objects, num_classes, rng):
    """Label, score and box: an object exactly, or moved in whole steps, or anything."""
    label, box = int(rng.integers(num_classes)), random_box(rng)
    if objects and rng.random() < 0.7:
        _, own, box = objects[rng.integers(len(objects))]
        label = own if rng.random() < 0.8 else label
        box = (np.array(box) + rng.integers(-1, 2, size=4) * rng.choice([0, 5])).tolist()
    return label, float(rng.random()), box


def shuffled(detections, rng):
    """The frames in another order, each with its detections in their order."""
    key = rng.permutation(int(detections.frame_index.max(initial=0)) + 1)[detections.frame_index]
    return detections.select(np.argsort(key, kind='stable'))


def video_of(truth, video_id, detections):
    """The detections of a video as ``VideoDetections``."""
    frames = np.flatnonzero([i == video_id for i in truth.video_ids])
    rows = np.isin(detections.frame_index, frames)
    return VideoDetections(
        video_id, truth.frame_ids[frames],
        np.bincount(detections.frame_index[rows], minlength=truth.num_frames)[frames],
        detections.boxes[rows], detections.scores[rows], detections.labels[rows].astype(np.int64),
        image_ids=np.array([truth.image_ids[f] for f in frames]))
