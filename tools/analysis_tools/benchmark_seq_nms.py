"""Time Seq-NMS on synthetic videos: against plain Python, and with the number of frames."""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from plain_seq_nms import plain_seq_nms

from mmvod_plugins.postprocessing import SeqNMS
from mmvod_plugins.structures import VideoDetections

#: Boxes of a cluster around one object and one class.
CLUSTER = 10
#: Share of the boxes that are seen: one in five is not.
SEEN = 0.8
#: Share of the boxes that lie anywhere, with any class.
SCATTERED = 0.3
#: (width, height) of the images, in pixels.
SCALE = (1280, 720)


def synthetic_video(num_frames: int, boxes_per_frame: int, num_classes: int,
                    seed: int = 0) -> VideoDetections:
    """Detections before suppression: clusters around moving objects, and scattered boxes.

    Args:
        num_frames: T.
        boxes_per_frame: On average, all classes together.
        num_classes: Each cluster has one class, dealt out in turn.
        seed: Of the random numbers.
    """
    rng = np.random.default_rng(seed)
    boxes_per_frame = round(boxes_per_frame / SEEN)
    num_clusters = round(boxes_per_frame * (1 - SCATTERED) / CLUSTER)
    parts = [_clusters(num_frames, num_clusters, rng),
             _scattered(num_frames, boxes_per_frame - num_clusters * CLUSTER, rng)]
    labels = [np.repeat(np.arange(num_clusters) % num_classes, CLUSTER)[None].repeat(num_frames, 0),
              rng.integers(num_classes, size=parts[1].shape[:2])]
    boxes = np.concatenate(parts, axis=1)
    scores = 1 / (1 + np.exp(-rng.normal(-2, 1, boxes.shape[:2])))
    seen = rng.random(scores.shape) < SEEN
    return VideoDetections('synthetic', np.arange(num_frames), seen.sum(axis=1),
                           boxes[seen].astype(np.float32), scores[seen].astype(np.float32),
                           np.concatenate(labels, axis=1)[seen], suppressed=False)


def _clusters(num_frames: int, num_clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Jittered boxes around objects that wander and change their size, (T, n, 4)."""
    shape = (num_frames, num_clusters, 2)
    centers = rng.uniform(0, SCALE, shape[1:]) + rng.normal(0, 4, shape).cumsum(axis=0)
    sides = rng.uniform(40, 250, shape[1:]) * np.exp(rng.normal(0, 0.01, shape).cumsum(axis=0))
    sides = sides[:, :, None] * np.exp(rng.normal(0, 0.2, (*shape[:2], CLUSTER, 2)))
    centers = centers[:, :, None] + rng.normal(0, 0.15, sides.shape) * sides
    return np.concatenate([centers - sides / 2, centers + sides / 2], -1).reshape(num_frames, -1, 4)


def _scattered(num_frames: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Boxes anywhere, (T, n, 4)."""
    corner = rng.uniform(0, SCALE, (num_frames, count, 2))
    return np.concatenate([corner, corner + rng.uniform(40, 250, corner.shape)], axis=-1)


def seconds(call: Callable[[], Any], repeats: int) -> float:
    """Least processor time of several runs, which other programs disturb least."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--frames', type=int, nargs='+', default=[300, 600, 1200])
    parser.add_argument('--boxes', type=int, default=100, help='boxes per frame, all classes')
    parser.add_argument('--classes', type=int, default=30, help='number of classes')
    parser.add_argument('--repeats', type=int, default=3,
                        help='runs of which the best counts, of both programs')
    parser.add_argument('--no-plain', action='store_true',
                        help='omit plain Python, which takes minutes for many boxes')
    return parser.parse_args()


def main() -> None:
    """Print one line per length, then the ratio at the first one."""
    args = parse_args()
    fast, times = SeqNMS(), []
    # The first call compiles, or reads what was compiled.
    fast(synthetic_video(2, args.boxes, args.classes))
    for num_frames in args.frames:
        video = synthetic_video(num_frames, args.boxes, args.classes)
        times.append(seconds(lambda video=video: fast(video), args.repeats))
        print(f'{num_frames} frames, {len(video)} boxes: {times[-1]:.3f} s, '
              f'{times[-1] / num_frames * 1000:.2f} ms per frame')
    if args.no_plain:
        return
    video = synthetic_video(args.frames[0], args.boxes, args.classes)
    plain = seconds(lambda: plain_seq_nms(video), args.repeats)
    print(f'plain Python, {args.frames[0]} frames: {plain:.2f} s, '
          f'{plain / times[0]:.0f} times slower')


if __name__ == '__main__':
    main()
