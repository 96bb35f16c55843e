"""``mmvod predict-videos``: detect in many videos with any number of processes and machines."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TextIO

from mmvod_plugins.apis import VideoDetInferencer
from mmvod_plugins.apis.many_videos import ManyVideos, detector_of, device_of_process, timed
from mmvod_plugins.apis.sources import list_videos
from mmvod_plugins.checkpoints import CheckpointError
from mmvod_plugins.postprocessing.config_text import parse_post_processor
from mmvod_plugins.results import check_results
from mmvod_plugins.results.files import FORMATS, SUFFIXES
from mmvod_plugins.utils.files import check_output, write_text
from mmvod_plugins.utils.host_memory import keep_freed_memory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``mmvod predict-videos``."""
    parser.add_argument('source', nargs='+', help='video, folder, pattern, or .txt of paths')
    parser.add_argument('--model', help='config, or name or alias of a model of the zoo')
    parser.add_argument('--weights', help='checkpoint; by default the published one of the model')
    parser.add_argument('--out', type=Path, required=True,
                        help='folder of the results, which all processes share')
    parser.add_argument('--merge', type=Path, metavar='FILE', help='when all are done: all '
                        'detections in one file, .npz, .parquet, .csv, .json or .jsonl')
    parser.add_argument('--batch-size', type=int, default=1,
                        help='frames in one pass through the network')
    parser.add_argument('--device', help='by default the GPU of this process under torchrun and '
                        'srun, else the first one, or else the CPU')
    parser.add_argument('--post-processors', nargs='+', default=[], metavar='NAME',
                        help="for instance SeqNMS or \"SeqNMS(rescore='max')\"")
    parser.add_argument('--tracker', choices=('bytetrack', 'ocsort'), help='gives track ids')
    parser.add_argument('--retry-failed', action='store_true',
                        help='try videos again that failed in an earlier run')
    parser.add_argument('--patience', type=float, default=600.0, metavar='SECONDS',
                        help='take the video of a process over that gave no sign for so long')
    parser.add_argument('--trust', action='store_true', help='read a checkpoint that may run code')


def predict_videos(args: argparse.Namespace) -> int:
    """Detect, write, merge; returns the exit code, 1 if videos failed.

    Raises:
        SystemExit: With one sentence, if something is not possible.
    """
    try:
        if args.merge is not None:
            check_results(args.merge)
            one = {item.suffix for item in FORMATS.values() if item.one_video}
            check_output(args.merge, suffixes=[suffix for suffix in SUFFIXES if suffix not in one])
        videos = ManyVideos(list_videos(args.source), args.out, args.patience)
        videos.claim_for(dict(model=args.model, weights=args.weights, tracker=args.tracker,
                              post_processors=args.post_processors))
        if args.retry_failed:
            videos.retry()
        if videos.open_jobs():
            _work(videos, args)
        return _finish(videos, args)
    except KeyboardInterrupt:
        _say('interrupted; the same command goes on with the videos that are left')
        return 130
    except (OSError, CheckpointError, ValueError, TypeError, ImportError) as error:
        sys.exit(str(error))


def _work(videos: ManyVideos, args: argparse.Namespace) -> None:
    run = VideoDetInferencer(
        args.model, args.weights, args.device or device_of_process(), show_progress=False,
        post_processors=list(map(parse_post_processor, args.post_processors)),
        tracker=args.tracker, trust=args.trust)
    if run.device.type == 'cpu':
        keep_freed_memory()
    done, total = len(videos.jobs) - len(videos.open_jobs()), len(videos.jobs)
    for job, frames, error, seconds in timed(videos.work(detector_of(run, args.batch_size))):
        done += 1  # those of other processes are not counted: that would look at all files
        _say(f'[{done}/{total}] {job.path}: '
             + (error or f'{frames} frames, {frames / seconds:.1f} frames/s'))


def _finish(videos: ManyVideos, args: argparse.Namespace) -> int:
    left, failures = videos.open_jobs(), videos.failures()
    if left:
        _say(f'{len(left)} videos are left to other processes; the last one finishes')
    else:
        if args.merge is not None:
            _say(f'{args.merge}: {videos.merge(args.merge)} videos')
        write_text(args.out / 'failed.jsonl', ''.join(
            json.dumps(item, ensure_ascii=False) + '\n' for item in failures))
    for item in failures[:10]:
        _say(f'failed: {item["video"]}: {item["error"]}', sys.stderr)
    if failures:
        _say(f'{len(failures)} of {len(videos.jobs)} videos failed, all of them are in '
             f'{args.out / "failed.jsonl" if not left else args.out / "failed"}; --retry-failed '
             'tries again', sys.stderr)
    return int(bool(failures))


def _say(text: str, file: TextIO | None = None) -> None:
    file = file or sys.stdout
    file.write(f'{text}\n')
    file.flush()
