"""Detect in a video file, a folder of frames or a camera, and write an annotated video.

    python tools/demo/video_demo.py CONFIG CHECKPOINT --input IN.mp4 --output OUT.mp4

An interruption (Ctrl-C) leaves a shorter video. The command ``mmvod predict`` has more sources and
options.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from mmvod_plugins.cli.predict import add_options, predict
from mmvod_plugins.utils.files import check_output


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('config', help="config of a video detector or of any detector of mmdet's")
    parser.add_argument('checkpoint')
    parser.add_argument('--input', nargs='+', default=[],
                        help='video file, folder of images, or what else mmvod predict takes')
    parser.add_argument('--output', '--out', type=Path, help='annotated video, .mp4')
    parser.add_argument('--predictions', type=Path,
                        help='.npz for all detections, as tools/test.py --out writes them')
    add_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Detect, draw, write; returns the exit code."""
    args = parse_args(argv)
    try:
        if args.output is not None and args.output.suffix.lower() != '.mp4':
            raise ValueError(f'a video needs a name that ends in .mp4, got {args.output}')
        if args.predictions is not None:
            check_output(args.predictions, suffixes=('.npz', ))
            if args.pred_out is not None:
                raise ValueError('--predictions and --pred-out name one file: give one of them')
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from error
    return predict(argparse.Namespace(
        **vars(args) | dict(pred_out=args.pred_out or args.predictions), source=args.input,
        model=args.config, weights=args.checkpoint, out=args.output, pred_format=None,
        classes=None, post_processors=[], tracker=None, amp=False, palette='none',
        no_save_vis=False, no_save_pred=False, print_result=False))


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
