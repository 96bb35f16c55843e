"""Time and memory per frame of methods, from their configs, on random frames.

    python tools/analysis_tools/benchmark_methods.py CONFIG [CONFIG ...] --size 500 300 --frames 8

Weights are random, as only shapes matter. Every config runs in a process of its own, so that its
peak of memory is its own; on a GPU the memory is that of torch's allocator. The first frame is
not counted. Windows repeat the edges of a short video, so they have their full length from the
first frame on; a long range memory fills with the video.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from mmengine.config import Config

from mmvod_plugins.apis import detect_frames, init_video_detector
from mmvod_plugins.engine.where import find_config


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('configs', nargs='+', help='paths, or names of installed configs')
    parser.add_argument('--size', type=int, nargs=2, default=(500, 300), metavar=('W', 'H'),
                        help='of the frames in the network')
    parser.add_argument('--frames', type=int, default=8)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--threads', type=int, default=1, help='of torch, on a CPU')
    return parser.parse_args(argv)


def made_up(count: int, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Random frames, (H, W, 3) uint8."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        yield rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)


def at_size(config: Config, size: tuple[int, int]) -> Config:
    """The config with frames that keep their size and with no downloads."""
    for step in config.test_dataloader.dataset.pipeline:
        for transform in step.get('transforms', []):
            if transform.type == 'Resize':
                transform.scale = size
    remove_pretrained(config.model)
    return config


def remove_pretrained(part: object) -> None:
    """Remove pretrained weights from a model config, in place."""
    if isinstance(part, dict):
        if (part.get('init_cfg') or {}).get('type') == 'Pretrained':
            part['init_cfg'] = None
        for value in part.values():
            remove_pretrained(value)
    elif isinstance(part, list | tuple):
        for value in part:
            remove_pretrained(value)


def measure(name: str, args: argparse.Namespace) -> tuple[float, float, float]:
    """Millions of parameters, milliseconds per frame, peak memory in GiB."""
    torch.set_num_threads(args.threads)
    size = tuple(args.size)
    config = at_size(Config.fromfile(name if name.endswith('.py') else find_config(name)), size)
    model = init_video_detector(config, device=args.device)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in detect_frames(model, made_up(1, size), 1):
        pass
    start = time.perf_counter()
    for _ in detect_frames(model, made_up(args.frames, size), args.frames):
        pass
    if args.device.startswith('cuda'):
        torch.cuda.synchronize()
    elapsed = time.perf_counter() - start
    if args.device.startswith('cuda'):
        peak = torch.cuda.max_memory_allocated() / 2**30
    else:
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return parameters / 1e6, 1000 * elapsed / args.frames, peak


def main(argv: Sequence[str] | None = None) -> int:
    """Measure every config and print a row for each; returns the exit code."""
    args = parse_args(argv)
    print(f'{args.size[0]} x {args.size[1]} pixels, {args.frames} frames, {args.device}, '
          f'{args.threads} threads; memory above the loaded model')
    print(f'{"config":64s}{"M parameters":>14s}{"ms/frame":>10s}{"GiB":>7s}', flush=True)
    context = multiprocessing.get_context('spawn')
    for name in args.configs:
        with context.Pool(1) as pool:
            parameters, milliseconds, peak = pool.apply(measure, (name, args))
        short = name.rsplit('/', 1)[-1].removesuffix('.py')
        print(f'{short:64s}{parameters:14.1f}{milliseconds:10.0f}{peak:7.2f}', flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
