"""Post-process a predictions file: link, rescore, suppress; or pool the files of several detectors.

    python tools/postprocess.py raw.npz --post-processors SeqNMS --out seq_nms.npz
    python tools/postprocess.py rfcn.npz stmn.npz --post-processors SeqNMS --out both.json

Linked detections have track ids in the output.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from mmvod_plugins.datasets.coco_vid_file import CocoVIDFile
from mmvod_plugins.evaluation import Predictions
from mmvod_plugins.evaluation.coco_json import read_predictions, write_predictions
from mmvod_plugins.postprocessing import (
    apply_post_processors,
    build_post_processors,
    ensemble,
)
from mmvod_plugins.postprocessing.config_text import parse_post_processor
from mmvod_plugins.results import check_results, write_results
from mmvod_plugins.utils.files import check_output


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('predictions', nargs='+', type=Path,
                        help='.npz file or folder of tools/test.py --out, or COCO results (.json); '
                        'of several files the detections are pooled')
    parser.add_argument('--post-processors', nargs='+', default=[], metavar='NAME',
                        help="for instance SeqNMS or \"SeqNMS(rescore='max')\"")
    parser.add_argument('--out', type=Path, required=True,
                        help='.npz, .json for COCO results, or another file of results: .jsonl, '
                        '.csv, .txt (MOTChallenge), .xml (CVAT), .parquet; {video} in the name '
                        'gives a file for each video')
    parser.add_argument('--annotations', type=Path,
                        help='COCO-VID json, needed to read COCO results; its category ids are '
                        'written')
    return parser.parse_args(argv)


def pool(files: list[Predictions]) -> Predictions:
    """The detections of several detectors on the same videos.

    Raises:
        ValueError: If their classes or videos differ.
    """
    first, *others = files
    for other in others:
        if other.classes != first.classes:
            raise ValueError(f'the files have different classes: {first.classes[:5]} ... and '
                             f'{other.classes[:5]} ...')
    ids = [video.video_id for video in first.videos]
    for other in others:
        if {video.video_id for video in other.videos} != set(ids):
            raise ValueError('the files have different videos; pool predictions of the same ones')
    columns = [first.videos, *(other.select(ids).videos for other in others)]
    return Predictions([ensemble(videos) for videos in zip(*columns, strict=True)], first.classes,
                       dict(pooled=[file.info for file in files]))


def process_files(args: argparse.Namespace) -> Predictions:
    """Read, pool, post-process and write.

    Raises:
        ValueError: If files do not belong together, or a post-processor refuses them.
    """
    inputs = [*args.predictions, *([args.annotations] if args.annotations else [])]
    own = args.out.suffix in ('.npz', '.json')
    if own:
        check_output(args.out, inputs)
    else:
        check_results(args.out, inputs)
    configs = [parse_post_processor(text) for text in args.post_processors]
    processors = build_post_processors(configs)
    source = CocoVIDFile(str(args.annotations)) if args.annotations else None
    if args.out.suffix == '.json' and source is None:
        print('without --annotations category ids are 1, 2, ... in the order of the classes',
              file=sys.stderr)
    files = [read_predictions(path, source) for path in args.predictions]
    predictions = pool(files) if len(files) > 1 else files[0]
    videos = list(apply_post_processors(
        tqdm(predictions.videos, desc='videos', mininterval=1.0), processors))
    info = dict(predictions.info, post_processors=configs)
    result = Predictions(videos, predictions.classes, info)
    if own:
        write_predictions(args.out, result, source)
    else:
        write_results(args.out, result)
    return result


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    args = parse_args(argv)
    try:
        result = process_files(args)
    except (OSError, ValueError, KeyError, TypeError, ModuleNotFoundError) as error:
        print(f'error: {error.args[0] if isinstance(error, KeyError) else error}', file=sys.stderr)
        return 1
    count = sum(len(video) for video in result.videos)
    print(f'{args.out}: {count} detections in {len(result.videos)} videos')
    return 0


if __name__ == '__main__':
    sys.exit(main())
