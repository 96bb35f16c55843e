"""Time the evaluation of synthetic detections against a plain transcription of its rules.

Both run on the same input in the same process, with the protocols voc, fgfa and mega and all
motion groups; their results are compared. ``--full`` times the package alone at the size of
ImageNet VID's validation set with 100 detections per frame.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import numpy as np
from plain_vid_eval import Frame, plain_ap

from mmvod_plugins.evaluation.functional import (
    ALL,
    MOTION_GROUPS,
    Detections,
    GroundTruth,
    evaluate,
    motion_iou,
)

NUM_CLASSES = 30
WIDTH, HEIGHT = 1280, 720
FRAMES_PER_VIDEO = 317
FULL_SIZE = (176_126, 100)
PROTOCOLS = ('voc', 'fgfa', 'mega')


def make_truth(num_frames: int, rng: np.random.Generator) -> GroundTruth:
    """Ground truth of videos with moving objects of up to three classes, as in ImageNet VID."""
    tracks = []
    for first in range(0, num_frames, FRAMES_PER_VIDEO):
        length = min(FRAMES_PER_VIDEO, num_frames - first)
        classes = rng.integers(NUM_CLASSES, size=3)
        for instance in range(rng.geometric(0.3)):
            tracks.append(make_track(first, length, instance, rng.choice(classes), rng))
    frame, instance, label, boxes = (np.concatenate(part) for part in zip(*tracks, strict=True))
    order = np.argsort(frame, kind='stable')
    frames = np.arange(num_frames)
    sides = boxes[order, 2:] - boxes[order, :2]
    return GroundTruth(
        image_ids=frames.tolist(), video_ids=(frames // FRAMES_PER_VIDEO).tolist(),
        frame_ids=frames % FRAMES_PER_VIDEO, num_boxes=np.bincount(frame, minlength=num_frames),
        boxes=boxes[order], labels=label[order], instance_ids=instance[order],
        crowd=np.zeros(len(order), dtype=bool), areas=sides.prod(axis=1),
        img_shapes=np.tile([HEIGHT, WIDTH], (num_frames, 1)),
        classes=tuple(f'class {c}' for c in range(NUM_CLASSES)))


def make_track(first: int, length: int, instance: int, label: int, rng: np.random.Generator
               ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Frame numbers, instance ids, labels and boxes of an object that exists for some time."""
    start, stop = int(rng.integers(length // 2 + 1)), length - int(rng.integers(length // 2 + 1))
    frame = first + np.arange(start, stop)
    speed = rng.exponential(6) * np.array([np.cos(instance + 1), np.sin(instance + 1)])
    centre = rng.uniform([200, 150], [WIDTH - 200, HEIGHT - 150]) + np.outer(frame - first, speed)
    centre = np.clip(centre, 100, [WIDTH - 100, HEIGHT - 100])
    half = rng.uniform(10, 95, size=2) * (1 + 0.1 * np.sin(frame / 5))[:, None]
    boxes = np.round(np.concatenate([centre - half, centre + half], axis=1))
    return frame, np.full(len(frame), instance), np.full(len(frame), label), boxes


def make_detections(truth: GroundTruth, per_frame: int, rng: np.random.Generator) -> Detections:
    """Random detections: one box in three near an object, some of these with another class."""
    num_frames = truth.num_frames
    frame = np.repeat(np.arange(num_frames, dtype=np.int32), per_frame)
    size = len(frame)
    boxes = np.empty((size, 4), dtype=np.float32)
    boxes[:, :2] = rng.random((size, 2), dtype=np.float32) * [WIDTH - 200, HEIGHT - 200]
    boxes[:, 2:] = boxes[:, :2] + 20 + 180 * rng.random((size, 2), dtype=np.float32)
    labels = rng.integers(NUM_CLASSES, size=size, dtype=np.int16)
    scores = rng.random(size, dtype=np.float32)
    near = np.flatnonzero((rng.random(size, dtype=np.float32) < 1 / 3)
                          & (truth.num_boxes[frame] > 0))
    objects = truth.offsets[frame[near]] + (
        rng.random(len(near)) * truth.num_boxes[frame[near]]).astype(np.int64)
    boxes[near] = truth.boxes[objects] + 15 * rng.standard_normal((len(near), 4), dtype=np.float32)
    boxes[near, 2:] = np.maximum(boxes[near, 2:], boxes[near, :2] + 1)
    same = rng.random(len(near)) < 0.8
    labels[near[same]] = truth.labels[objects[same]]
    return Detections(frame, boxes, scores, labels)


def plain_frames(detections: Detections, truth: GroundTruth, values: np.ndarray) -> list[Frame]:
    """The same data, one object per frame."""
    offsets = np.searchsorted(detections.frame_index, np.arange(truth.num_frames + 1))
    frames = []
    for f in range(truth.num_frames):
        det, gt = slice(*offsets[f:f + 2]), slice(*truth.offsets[f:f + 2])
        frames.append(Frame(detections.boxes[det], detections.scores[det], detections.labels[det],
                            truth.boxes[gt], truth.labels[gt], values[gt], truth.crowd[gt]))
    return frames


def report(name: str, num_frames: int, per_frame: int, seconds: float) -> None:
    """Print one measurement."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f'{name}: {num_frames} frames x {per_frame} detections, {len(PROTOCOLS)} protocols, '
          f'{1 + len(MOTION_GROUPS)} groups: {seconds:.2f} s (peak memory {peak:.2f} GiB)')


def compare(num_frames: int, per_frame: int, plain_size: int, rng: np.random.Generator) -> None:
    """Time the package, then both on ``plain_size`` frames."""
    groups = (ALL, *MOTION_GROUPS)
    truth = make_truth(num_frames, rng)
    detections = make_detections(truth, per_frame, rng)
    start = time.perf_counter()
    motion = motion_iou(truth)
    print(f'motion IoU of {len(truth.boxes)} boxes: {time.perf_counter() - start:.2f} s')
    start = time.perf_counter()
    results = evaluate(detections, truth, PROTOCOLS, groups, motion)
    seconds = time.perf_counter() - start
    report('package', num_frames, per_frame, seconds)
    for name, result in results.items():
        print(f'  {name}: ' + ', '.join(f'{group} {100 * value.mean_ap:.2f}'
                                        for group, value in result.groups.items()))
    if not plain_size:
        return
    if plain_size != num_frames:
        compare(plain_size, per_frame, plain_size, rng)
        return
    frames = plain_frames(detections, truth, motion.values)
    start = time.perf_counter()
    plain = {(name, group.name): plain_ap(frames, NUM_CLASSES, name, group.motion,
                                          motion.num_empty)
             for name in PROTOCOLS for group in groups}
    plain_seconds = time.perf_counter() - start
    report('plain', num_frames, per_frame, plain_seconds)
    worst = max(float(np.nanmax(np.abs(results[name][group].ap - ap), initial=0))
                for (name, group), ap in plain.items())
    print(f'ratio {plain_seconds / seconds:.0f}; largest difference of an AP {worst:.1e}')


def main(args: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--frames', type=int, default=3000)
    parser.add_argument('--detections-per-frame', type=int, default=100)
    parser.add_argument('--plain-frames', type=int, default=3000,
                        help='size on which both run; 0 for the package alone')
    parser.add_argument('--full', action='store_true',
                        help='the size of ImageNet VID val, the package alone')
    parser.add_argument('--seed', type=int, default=0)
    options = parser.parse_args(args)
    rng = np.random.default_rng(options.seed)
    if options.full:
        compare(*FULL_SIZE, 0, rng)
    else:
        compare(options.frames, options.detections_per_frame, options.plain_frames, rng)
    return 0


if __name__ == '__main__':
    sys.exit(main())
