"""Detect in a video file and write an annotated copy.

    python tools/demo/video_demo.py CONFIG CHECKPOINT --input IN.mp4 --output OUT.mp4

The frames are decoded twice, to detect and to draw, so that memory does not grow with the video.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from mmvod_plugins.apis import detect_frames, init_video_detector
from mmvod_plugins.visualization import draw_detections, write_video


def read_frames(path: Path) -> Iterator[np.ndarray]:
    """Decode a video file frame by frame, (H, W, 3) BGR."""
    capture = cv2.VideoCapture(str(path))
    try:
        while True:
            there, frame = capture.read()
            if not there:
                return
            yield frame
    finally:
        capture.release()


def count_frames(path: Path) -> int:
    """How many frames can be decoded: containers are often wrong about it.

    Raises:
        SystemExit: If the file is missing or nothing in it can be decoded.
    """
    if not path.is_file():
        raise SystemExit(f'{path} does not exist')
    count = sum(1 for _ in read_frames(path))
    if not count:
        raise SystemExit(f'{path} holds no frame that OpenCV can decode; convert it, for instance '
                         'to H.264 in an mp4 file')
    return count


def frames_per_second(path: Path) -> float:
    """Rate that the file names, 25 if it names none."""
    capture = cv2.VideoCapture(str(path))
    rate = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return rate if 0 < rate < 1000 else 25.0


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--input', type=Path, required=True)
    parser.add_argument('--output', type=Path, required=True)
    parser.add_argument('--score-thr', type=float, default=0.3, help='weakest box that is drawn')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--fps', type=float, help='of the output; by default that of the input')
    return parser.parse_args()


def main() -> int:
    """Detect, draw, write."""
    args = parse_args()
    length = count_frames(args.input)
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
