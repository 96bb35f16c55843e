"""Evaluate a predictions file by any protocol, with any post-processing, without a model.

    python tools/analysis_tools/eval_predictions.py raw.npz val.json --post-processors SeqNMS

It takes seconds, and prints AP by every protocol.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

from tqdm import tqdm

from mmvod_plugins.datasets.coco_vid_file import CocoVIDFile
from mmvod_plugins.evaluation.coco_json import read_predictions
from mmvod_plugins.evaluation.functional import IMAGENET_VID, PROTOCOLS, GroundTruth
from mmvod_plugins.evaluation.metrics.imagenet_vid_metric import named_videos
from mmvod_plugins.evaluation.report import Evaluation, Report, ReportOptions
from mmvod_plugins.postprocessing import apply_post_processors, build_post_processors
from mmvod_plugins.postprocessing.config_text import parse_post_processor
from mmvod_plugins.utils.files import check_output, write_text


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('predictions', type=Path,
                        help='.npz file or folder of tools/test.py --out, or COCO results (.json)')
    parser.add_argument('annotations', type=Path, help='COCO-VID json')
    parser.add_argument('--protocols', nargs='+', choices=list(PROTOCOLS),
                        default=list(IMAGENET_VID))
    parser.add_argument('--post-processors', nargs='+', default=[], metavar='NAME',
                        help="for instance SeqNMS or \"SeqNMS(rescore='max')\"")
    parser.add_argument('--videos', nargs='+', help='names or ids of the videos to evaluate')
    parser.add_argument('--no-motion', action='store_true', help='no slow, medium, fast objects')
    parser.add_argument('--motion-file', help="FGFA's .mat file with the motion values of VID val")
    parser.add_argument('--sizes', action='store_true', help='small, medium, large objects too')
    parser.add_argument('--per-video', action='store_true', help='AP of every video too')
    parser.add_argument('--proposals', nargs='+', type=int, default=[], metavar='K',
                        help='recall of the best K boxes per frame, whatever their class')
    parser.add_argument('--stability', metavar='SCORE',
                        help='temporal stability of detections with at least this score; best: of '
                        'as many as there are objects')
    parser.add_argument('--degraded', metavar='KEY',
                        help='key of the images that marks degraded frames (ToyVID: degradations): '
                        'AP without these frames and in them alone too')
    parser.add_argument('--json', type=Path, help='where to write the numbers')
    return parser.parse_args(argv)


def evaluate_file(args: argparse.Namespace) -> Report:
    """Read, post-process, evaluate.

    Raises:
        ValueError: If the files do not belong together.
    """
    if args.json is not None:
        check_output(args.json, [args.predictions, args.annotations])
    processors = build_post_processors(map(parse_post_processor, args.post_processors))
    stability = args.stability
    if stability not in (None, 'best'):
        stability = float(stability)
    source = CocoVIDFile(str(args.annotations))
    predictions = read_predictions(args.predictions, source)
    options = ReportOptions(
        protocols=args.protocols, motion=not args.no_motion, motion_file=args.motion_file,
        sizes=args.sizes, classwise=args.json is not None, per_video=args.per_video,
        proposal_limits=args.proposals, stability_score=stability,
        degraded=args.degraded)
    asked = None
    if args.videos:
        asked = named_videos(source.videos(), args.videos)
        predictions = predictions.select(asked)
    truth = GroundTruth.from_coco_vid(str(args.annotations), predictions.classes,
                                      degraded=args.degraded)
    evaluation = Evaluation(truth, options, asked)
    videos = tqdm(predictions.videos, desc='videos', mininterval=1.0, disable=not processors)
    return evaluation.report(list(apply_post_processors(videos, processors)))


def without_nan(value: object) -> object:
    """Replace NaN, which json does not support, by None."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    args = parse_args(argv)
    try:
        report = evaluate_file(args)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f'error: {error.args[0] if isinstance(error, KeyError) else error}', file=sys.stderr)
        return 1
    print('\n'.join(report.lines))
    if args.json is not None:
        numbers = dict(report.values, **({'videos': report.video_ap} if report.video_ap else {}))
        write_text(args.json, json.dumps(without_nan(numbers), indent=1, allow_nan=False))
    return 0


if __name__ == '__main__':
    sys.exit(main())
