"""Time of a training step, frames that a loader gives, and how long training waits for them.

    OMP_NUM_THREADS=1 python tools/analysis_tools/benchmark_training.py CONFIG... --json FILE

Every config trains with its own loader, pipeline and batch size on two videos of JPEG files, 1280 x
720, with random content and two classes, from initial weights. A round is one step of every config,
so that a busy machine slows all of them alike; ratios are those of one round to the first config,
per frame of a clip, where a frame with two roles counts once. Times are processor seconds on a CPU,
seconds with synchronised ends on a GPU; those of the loader are of this process, without workers.
`--workers` then trains with that many, and tells which share of the time no clip was there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn
from video_timing import clock_of, load_config, made_up, remove_pretrained

from mmvod_plugins.apis import init_video_detector
from mmvod_plugins.utils.host_memory import keep_freed_memory

VIDEOS, FRAMES = 2, 40
CLASSES = ('first', 'second')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+', help='paths, or names of installed configs')
    parser.add_argument('--size', type=int, nargs=2, default=(1280, 720), metavar=('W', 'H'),
                        help='of the JPEG files')
    parser.add_argument('--scale', type=int, nargs=2, metavar=('W', 'H'),
                        help='in the network; default: that of the config')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--workers', type=int, nargs='*', default=[1],
                        help='numbers of loader processes to train with')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--threads', type=int, default=1, help='of torch, on a CPU')
    parser.add_argument('--amp', action='store_true', help='mixed precision, on a GPU')
    parser.add_argument('--nccl', action='store_true', help='in a group of one process')
    parser.add_argument('--json', type=Path, help='file for all numbers')
    args = parser.parse_args(argv)
    if args.amp and not args.device.startswith('cuda'):
        parser.error("--amp needs a GPU: mmcv's operators know no half precision on a CPU")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Train the configs in turn and print the table; returns the exit code."""
    args = parse_args(argv)
    torch.set_num_threads(args.threads)
    if args.device == 'cpu':
        keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        write_videos(Path(folder), tuple(args.size))
        trainings = [Training(name, Path(folder), args) for name in args.configs]
        for number in range(args.rounds + 1):  # the first one warms up
            for training in trainings:
                training.round(measured=number > 0)
            print(f'round {number} of {args.rounds}', file=sys.stderr, flush=True)
        rows = [dict(training.summary(), waits={
            workers: training.waits(workers, args.rounds) for workers in args.workers})
            for training in trainings]
    for row in rows:
        ratios = [mine / first for mine, first in zip(row['step'], rows[0]['step'], strict=True)]
        row['ratio'] = dict(median=statistics.median(ratios), range=[min(ratios), max(ratios)])
    print(table(rows))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))
    return 0


def write_videos(folder: Path, size: tuple[int, int]) -> None:
    """JPEG frames and a COCO-VID json, ``annotations.json``, with two objects in each frame."""
    width, height = size
    content: dict[str, list] = dict(
        categories=[dict(id=i, name=name) for i, name in enumerate(CLASSES)],
        videos=[dict(id=v, name=str(v)) for v in range(VIDEOS)], images=[], annotations=[])
    for number, frame in enumerate(made_up(VIDEOS * FRAMES, size)):
        video, t = divmod(number, FRAMES)
        name = f'{number:06d}.jpg'
        cv2.imwrite(str(folder / name), frame, [cv2.IMWRITE_JPEG_QUALITY, 90])
        content['images'].append(dict(id=number, video_id=video, frame_id=t, file_name=name,
                                      width=width, height=height))
        for i in range(len(CLASSES)):
            content['annotations'].append(dict(
                id=2 * number + i, image_id=number, video_id=video, category_id=i, instance_id=i,
                bbox=[width * (0.1 + 0.4 * i), height * 0.2, width / 3, height / 2]))
    (folder / 'annotations.json').write_text(json.dumps(content))


class Training:
    """A config that trains step by step.

    Args:
        name: A path, or the name of an installed config.
        folder: What :func:`write_videos` wrote.
        args: Command line.
    """

    def __init__(self, name: str, folder: Path, args: argparse.Namespace) -> None:
        self.name = Path(name).stem
        self.amp = args.amp
        self.clock = clock_of(args.device)
        file = str(folder / 'annotations.json')
        config = on_videos(load_config(name), file, folder, args.scale)
        self.model = init_video_detector(config, device=args.device).train()
        self.loader = self.model.cfg.train_dataloader  # with the references of the model
        self.step_of: nn.Module = self.model
        if args.nccl:
            self.step_of = in_a_group(self.model)
        self.optimizer = torch.optim.SGD(
            [part for part in self.model.parameters() if part.requires_grad], lr=1e-6)
        self.scaler = torch.amp.GradScaler(enabled=args.amp)
        self.clips = self.clips_of(0)
        self.seconds: dict[str, list[float]] = dict(loader=[], step=[])
        self.frames = 0

    def clips_of(self, workers: int) -> Iterator[dict[str, Any]]:
        """Batches, by a number of loader processes."""
        several = dict(num_workers=workers, persistent_workers=workers > 0)
        return iter(Runner.build_dataloader({**self.loader, **several}, seed=0))

    def round(self, *, measured: bool) -> None:
        """Load a batch and train on it."""
        start = self.clock()
        batch = next(self.clips)
        loaded = self.clock()
        self.step(batch)
        ended = self.clock()
        if measured:
            self.frames = frames = sum(
                len({sample.frame_id for sample in clip}) for clip in batch['data_samples'])
            self.seconds['loader'].append((loaded - start) / frames)
            self.seconds['step'].append((ended - loaded) / frames)

    def step(self, batch: dict[str, Any]) -> None:
        """Loss, gradients, update."""
        with torch.autocast('cuda', torch.float16, enabled=self.amp):
            data = self.model.data_preprocessor(batch, True)
            loss, _ = self.model.parse_losses(self.step_of(**data, mode='loss'))
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def waits(self, workers: int, rounds: int) -> float:
        """Share of the seconds of a training in which no clip was there."""
        clips = self.clips_of(workers)
        self.step(next(clips))
        waited, begin = 0.0, time.perf_counter()
        for _ in range(rounds):
            start = time.perf_counter()
            batch = next(clips)
            waited += time.perf_counter() - start
            self.step(batch)
            self.clock()  # waits for a GPU
        return waited / (time.perf_counter() - begin)

    def summary(self) -> dict[str, Any]:
        """Seconds per frame, of every round and their medians; frames of the last step."""
        return dict(config=self.name, frames=self.frames, **self.seconds, median={
            part: statistics.median(values) for part, values in self.seconds.items()})


def on_videos(config: Config, file: str, folder: Path,
              scale: Sequence[int] | None) -> Config:
    """The config on the written videos, without downloads."""
    config.own_data = dict(classes=CLASSES, train=file, val=file, images=str(folder))
    remove_pretrained(config.model)
    for step in config.train_dataloader.dataset.pipeline:
        for transform in step.get('transforms', []):
            if transform.type == 'Resize' and scale is not None:
                transform.scale = tuple(scale)
    return config


def in_a_group(model: nn.Module) -> nn.Module:
    """The model as that of a group of one process."""
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT='29511', RANK='0', WORLD_SIZE='1')
    if not torch.distributed.is_initialized():
        on_gpu = next(model.parameters()).is_cuda
        torch.distributed.init_process_group('nccl' if on_gpu else 'gloo')
    return nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)


def table(rows: list[dict[str, Any]]) -> str:
    """A row for every config."""
    lines = [f'{"config":60s}{"frames":>7s}{"ms/frame":>10s}{"ratio":>7s}  {"range":14s}'
             f'{"loaded/s":>9s}  waits']
    for row in rows:
        waits = ', '.join(f'{workers}: {share:.0%}' for workers, share in row['waits'].items())
        ratio = row['ratio']
        lines.append(
            f'{row["config"]:60s}{row["frames"]:7d}{1000 * row["median"]["step"]:10.1f}'
            f'{ratio["median"]:7.2f}  {"{:.2f} to {:.2f}".format(*ratio["range"]):14s}'
            f'{1 / row["median"]["loader"]:9.1f}  {waits}')
    return '\n'.join(lines)


if __name__ == '__main__':
    sys.exit(main())
