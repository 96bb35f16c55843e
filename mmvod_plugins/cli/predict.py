"""``mmvod predict``: detect in anything that has frames."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmvod_plugins.apis import InferenceInterrupted, VideoDetInferencer, open_sources
from mmvod_plugins.apis.outputs import Outputs
from mmvod_plugins.apis.sources import VIDEO_SUFFIXES
from mmvod_plugins.checkpoints import CheckpointError, check_file
from mmvod_plugins.evaluation import Predictions
from mmvod_plugins.postprocessing.config_text import parse_post_processor
from mmvod_plugins.utils.host_memory import keep_freed_memory
from mmvod_plugins.visualization.encoders import MP4V_NOTE, has_h264


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``mmvod predict``."""
    parser.add_argument('source', nargs='*', help='video, folder, pattern, .txt of paths, images, '
                        'number of a camera, rtsp:// or http:// address')
    parser.add_argument('--model', help='config, or name or alias of a model of the zoo, ours or '
                        "mmdet's; by default the config in the weights")
    parser.add_argument('--weights', help='checkpoint, file or address; by default the published '
                        'one of the model')
    parser.add_argument('--out', type=Path, help='annotated video .mp4, or a folder for videos and '
                        'detections of all sources')
    add_options(parser)
    parser.add_argument('--pred-format', choices=('coco', 'label_studio'),
                        help='what a .json of --pred-out holds')
    parser.add_argument('--classes', nargs='+', help='names of the classes to keep')
    parser.add_argument('--post-processors', nargs='+', default=[], metavar='NAME',
                        help="for instance SeqNMS or \"SeqNMS(rescore='max')\"")
    parser.add_argument('--tracker', choices=('bytetrack', 'ocsort'), help='gives track ids')
    parser.add_argument('--amp', action='store_true', help='mixed precision, on a GPU')
    parser.add_argument('--palette', default='none', help='coco, voc, citys, random, or a colour')
    parser.add_argument('--no-save-vis', action='store_true',
                        help='no annotated videos in the folder')
    parser.add_argument('--no-save-pred', action='store_true', help='no detections in the folder')
    parser.add_argument('--print-result', action='store_true', help='print detections as JSON')


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that ``tools/demo/video_demo.py`` has, too."""
    parser.add_argument('--camera-id', type=int, help='number of a camera, in place of a source')
    parser.add_argument('--pred-out', type=Path, help='all detections: .json, .jsonl, .csv, .txt '
                        '(MOTChallenge), .xml (CVAT for video), .parquet or .npz; {video} in the '
                        'name gives a file for each video')
    parser.add_argument('--score-thr', '--pred-score-thr', type=float, default=0.3,
                        help='weakest box that is drawn')
    parser.add_argument('--batch-size', type=int, default=1,
                        help='frames in one pass through the network')
    parser.add_argument('--device', help='by default the first GPU, or else the CPU')
    parser.add_argument('--fps', type=float,
                        help='frame rate of annotated videos; by default that of the source')
    parser.add_argument('--show', action='store_true', help='show the frames; q stops')
    parser.add_argument('--wait-time', type=int, default=1, help='milliseconds for each of them')
    parser.add_argument('--trust', action='store_true',
                        help='read a checkpoint that may run code')


def predict(args: argparse.Namespace) -> int:
    """Detect, draw, write; returns the exit code.

    Args:
        args: With what :func:`add_arguments` adds.

    Raises:
        SystemExit: With one sentence, if something is not possible.
    """
    is_video = args.out is not None and args.out.suffix.lower() in VIDEO_SUFFIXES
    folder, video = (None, args.out) if is_video else (args.out, None)
    inputs = args.source if len(args.source) > 1 else args.source[0] if args.source else None
    inputs = args.camera_id if args.camera_id is not None else inputs
    if inputs is None or (args.source and args.camera_id is not None):
        sys.exit('name a source or --camera-id, one of them')
    if not (args.out or args.pred_out or args.show or args.print_result):
        sys.exit('nothing to do with the detections: add --out, --pred-out, --show or '
                 '--print-result')
    try:
        _check(args, inputs, Outputs(folder, video, args.pred_out, args.pred_format,
                                     not args.no_save_vis, not args.no_save_pred, args.fps))
        run = VideoDetInferencer(
            args.model, args.weights, args.device, args.palette, classes=args.classes,
            post_processors=list(map(parse_post_processor, args.post_processors)),
            tracker=args.tracker, amp=args.amp, trust=args.trust)
        if run.device.type == 'cpu':
            keep_freed_memory()
        results = run(
            inputs, args.batch_size, pred_score_thr=args.score_thr, out_dir=folder or '',
            vis_out=video, pred_out=args.pred_out, pred_format=args.pred_format, fps=args.fps,
            show=args.show, wait_time=args.wait_time, no_save_vis=args.no_save_vis,
            no_save_pred=args.no_save_pred, print_result=args.print_result)
    except InferenceInterrupted as stopped:
        _say(args, f'{stopped}; {_count(stopped.results["results"], args.score_thr)}')
        return 130
    except KeyboardInterrupt:
        _say(args, 'interrupted')
        return 130
    except (OSError, CheckpointError, ValueError, TypeError, ImportError, KeyError) as error:
        sys.exit(str(error.args[0]) if isinstance(error, KeyError) else str(error))
    drawn = results['visualization']
    for found, file in zip(results['results'].videos, drawn, strict=True):
        _say(args, f'{file or found.video_id}: {found.num_frames} frames, '
             + _count(Predictions([found], results['results'].classes), args.score_thr))
    if any(drawn) and not has_h264():
        _say(args, MP4V_NOTE)
    return 0


def _check(args: argparse.Namespace, inputs: str | list[str] | int, outputs: Outputs) -> None:
    """Check everything that can be checked before the model is built."""
    outputs.check(open_sources(inputs), [name for name in (args.model, args.weights) if name])
    if args.weights and '://' not in args.weights:
        check_file(Path(args.weights).expanduser())


def _count(found: Predictions, threshold: float) -> str:
    boxes = sum(int((video.scores >= threshold).sum()) for video in found.videos)
    return f'{boxes} boxes with a score of {threshold} or more'


def _say(args: argparse.Namespace, text: str) -> None:
    """Print a sentence, beside the JSON if that is printed."""
    (sys.stderr if args.print_result else sys.stdout).write(f'{text}\n')
