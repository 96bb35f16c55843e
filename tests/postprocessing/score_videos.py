"""Small videos of boxes with score vectors."""

import numpy as np

from mmvod_plugins.structures import VideoDetections

#: Logit 10 * IoU - 5: P(match) is 0.5 at an IoU of 0.5, and 0.993 for the same box.
IOU_MODEL = dict(features=['iou'], coefficients=[10.0], intercept=-5.0)
FULL_MODEL = dict(features=['iou', 'center_distance', 'width_ratio', 'height_ratio'],
                  coefficients=[6.0, -20.0, 1.0, 1.0], intercept=-1.0)


def video(frames, frame_ids=None, **fields):
    """Detections ``(x1, label, score)`` or ``(box, label, score)``; x1 stands for a box 10 wide."""
    rows = [dict(boxes=np.array([box if np.iterable(box) else (box, 0, box + 10, 10)
                                 for box, *_ in frame], dtype=float).reshape(-1, 4),
                 scores=np.array([score for *_, score in frame], dtype=float),
                 labels=np.array([label for _, label, _ in frame], dtype=np.int64))
            for frame in frames]
    ids = range(len(frames)) if frame_ids is None else frame_ids
    return VideoDetections.from_frames('v', ids, rows, **fields)


def random_video(seed=0, num_frames=7, num_objects=6, num_classes=4, **fields):
    """Objects that move a little, some missing, each with the scores of all classes."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 150, size=(num_objects, 2))
    sizes = rng.uniform(20, 40, size=(num_objects, 2))
    frames = []
    for _ in range(num_frames):
        corners = corners + rng.normal(0, 3, size=corners.shape)
        seen = rng.permutation(num_objects)[:rng.integers(num_objects - 2, num_objects + 1)]
        boxes = np.concatenate([corners, corners + sizes], axis=1)[seen]
        scores = rng.dirichlet(np.full(num_classes, 0.3), size=len(seen))
        frames.append(dict(boxes=np.repeat(boxes, num_classes, axis=0),
                           scores=scores.reshape(-1),
                           labels=np.tile(np.arange(num_classes), len(seen))))
    return VideoDetections.from_frames('r', range(num_frames), frames, img_shape=(200, 200),
                                       **fields)


def table(result):
    """``(frame, x1, label, score)`` of every detection, rounded."""
    return [(int(t), round(float(box[0]), 6), int(label), round(float(score), 6))
            for t, box, label, score in zip(result.frame_index, result.boxes, result.labels,
                                            result.scores, strict=True)]
