"""Detect in a video file, or in a folder of frames, and write an annotated video.

    python tools/demo/video_demo.py CONFIG CHECKPOINT --input IN.mp4 --output OUT.mp4

The frames are decoded twice, to detect and to draw, so that memory does not grow with the video.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mmvod_plugins.apis import detect_frames, init_video_detector
from mmvod_plugins.visualization import (
    count_frames,
    draw_detections,
    frames_per_second,
    read_frames,
    write_video,
)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--input', type=Path, required=True,
                        help='video file, or folder of images')
    parser.add_argument('--output', type=Path, required=True)
    parser.add_argument('--score-thr', type=float, default=0.3, help='weakest box that is drawn')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--fps', type=float,
                        help='frame rate of the output; by default that of the input')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Detect, draw, write; returns the exit code."""
    args = parse_args(argv)
    try:
        length = count_frames(args.input)
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from error
    model = init_video_detector(args.config, args.checkpoint, args.device)
    found = detect_frames(model, read_frames(args.input), length, args.input.name)
    results = [
        sample.pred_instances.numpy()
        for sample in tqdm(found, total=length, desc='detect', unit='frame', mininterval=1.0)
    ]
    names = model.dataset_meta.get('classes')

    def annotated() -> Iterator[np.ndarray]:
        for frame, result in zip(read_frames(args.input), results, strict=True):
            strong = result[result.scores >= args.score_thr]
            yield draw_detections(frame, strong.bboxes, strong.labels, strong.scores, names)

    write_video(args.output, annotated(), args.fps or frames_per_second(args.input))
    boxes = sum(int((result.scores >= args.score_thr).sum()) for result in results)
    print(f'{args.output}: {length} frames, {boxes} boxes with a score of {args.score_thr} or more')
    return 0


if __name__ == '__main__':
    sys.exit(main())
