"""Detect in a video file, or in a folder of frames, and write an annotated video.

    python tools/demo/video_demo.py CONFIG CHECKPOINT --input IN.mp4 --output OUT.mp4

Each frame is written as soon as it is detected: an interruption (Ctrl-C) leaves a shorter video.
The frames are decoded twice, to detect and to draw.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.structures import InstanceData
from tqdm import tqdm

from mmvod_plugins.apis import detect_frames, init_video_detector
from mmvod_plugins.checkpoints import CheckpointError, check_file
from mmvod_plugins.evaluation import Predictions, save_predictions
from mmvod_plugins.models import VideoDetector
from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.utils.files import check_output
from mmvod_plugins.visualization import (
    VideoWriter,
    count_frames,
    draw_detections,
    frames_per_second,
    read_frames,
)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--input', type=Path, required=True,
                        help='video file, or folder of images')
    parser.add_argument('--output', type=Path, required=True, help='.mp4')
    parser.add_argument('--predictions', type=Path,
                        help='.npz for all detections, as tools/test.py --out writes them')
    parser.add_argument('--score-thr', type=float, default=0.3, help='weakest box that is drawn')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--fps', type=float,
                        help='frame rate of the output; by default that of the input')
    parser.add_argument('--trust', action='store_true',
                        help='read a checkpoint that may run code')
    return parser.parse_args(argv)


def prepare(args: argparse.Namespace) -> tuple[VideoWriter, int, VideoDetector]:
    """Check everything that can be checked before frames are detected.

    Returns:
        The writer, the number of frames, the model.

    Raises:
        OSError: If a file cannot be read or written.
        ValueError: If an argument is not possible.
    """
    inputs = [args.input, args.config, args.checkpoint]
    fps = frames_per_second(args.input) if args.fps is None else args.fps
    writer = VideoWriter(args.output, fps)
    writer.check(inputs)
    if args.predictions is not None:
        check_output(args.predictions, [*inputs, args.output], ('.npz', ))
    if '://' not in args.checkpoint:
        check_file(Path(args.checkpoint).expanduser())
    length = count_frames(args.input)
    return writer, length, init_video_detector(args.config, args.checkpoint, args.device,
                                               trust=args.trust)


def detect(args: argparse.Namespace, writer: VideoWriter, length: int,
           model: VideoDetector) -> tuple[list[InstanceData], bool]:
    """Detect in the frames and write each with its boxes.

    Returns:
        The detections of the frames that were written, and whether all were.
    """
    names = model.dataset_meta.get('classes')
    results: list[InstanceData] = []
    found = detect_frames(model, read_frames(args.input), length, args.input.name)
    found = tqdm(found, total=length, desc='detect', unit='frame', mininterval=1.0)
    try:
        for sample, frame in zip(found, read_frames(args.input), strict=True):
            result = sample.pred_instances.numpy()
            strong = result[result.scores >= args.score_thr]
            results.append(result)
            writer.write(draw_detections(frame, strong.bboxes, strong.labels, strong.scores,
                                         names))
    except KeyboardInterrupt:
        return results[:writer.num_frames], False
    return results, True


def as_predictions(args: argparse.Namespace, results: list[InstanceData],
                   classes: Sequence[str] | None) -> Predictions:
    """Detections of the video for a predictions file."""
    rows = [dict(boxes=result.bboxes, scores=result.scores, labels=result.labels.astype(np.int64))
            for result in results]
    video = VideoDetections.from_frames(args.input.name, range(len(rows)), rows)
    classes = classes or [str(label) for label in range(int(video.labels.max(initial=-1)) + 1)]
    return Predictions([video], tuple(classes),
                       dict(config=args.config, checkpoint=args.checkpoint))


def main(argv: Sequence[str] | None = None) -> int:
    """Detect, draw, write; returns the exit code."""
    args = parse_args(argv)
    try:
        writer, length, model = prepare(args)
    except (OSError, CheckpointError, ValueError) as error:
        raise SystemExit(str(error)) from error
    try:
        with writer:
            results, complete = detect(args, writer, length, model)
        if args.predictions is not None and results:
            save_predictions(args.predictions,
                             as_predictions(args, results, model.dataset_meta.get('classes')))
    except OSError as error:
        raise SystemExit(str(error)) from error
    boxes = sum(int((result.scores >= args.score_thr).sum()) for result in results)
    print(f'{args.output}: ' + (f'{length} frames' if complete else
                                f'interrupted, {len(results)} of {length} frames are written')
          + f', {boxes} boxes with a score of {args.score_thr} or more')
    return 0 if complete else 130


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
