"""Measure the speed of a config on its own data: the model, its loader, or its data set.

    python tools/analysis_tools/benchmark.py CONFIG --task inference --checkpoint FILE.pth
    python tools/analysis_tools/benchmark.py CONFIG --task dataloader --dataset-type train
    python tools/analysis_tools/benchmark.py CONFIG --task dataset --dataset-type train

As mmdet's tool of this name, for clips. ``inference`` is the whole way of the test frames, loading
included; ``benchmark_video.py`` measures its parts and compares configs, without data.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.runner import Runner

from mmvod_plugins.apis import init_video_detector
from mmvod_plugins.cli.tool import config_parser, read_config, run_tool
from mmvod_plugins.utils.host_memory import keep_freed_memory

TASKS = ('inference', 'dataloader', 'dataset')


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Command line; the names are mmdet's."""
    parser = config_parser(__doc__.split('\n')[0])
    parser.add_argument('--checkpoint', help='of the model; initial weights without it')
    parser.add_argument('--task', choices=TASKS, default='dataloader')
    parser.add_argument('--dataset-type', choices=('train', 'val', 'test'), default='test')
    parser.add_argument('--repeat-num', type=int, default=1, help='measurements')
    parser.add_argument('--max-iter', type=int, default=2000, help='batches (samples of the data '
                        'set) of a measurement; data that end before begin again')
    parser.add_argument('--num-warmup', type=int, default=5, help='of these, not measured')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    return parser.parse_args(argv)


def measure(args: argparse.Namespace) -> None:
    """Measure and print.

    Raises:
        ValueError: If nothing would be measured, or the data are empty.
    """
    if not 0 <= args.num_warmup < args.max_iter or args.repeat_num < 1:
        raise ValueError('--max-iter must be larger than --num-warmup, and --repeat-num at least 1')
    if args.task == 'inference' and args.dataset_type == 'train':
        raise ValueError('clips of training have no detections: --dataset-type val or test')
    config = read_config(args)
    if args.device == 'cpu':
        keep_freed_memory()
    for number in range(args.repeat_num):
        frames, seconds = 0, 0.
        begin = time.perf_counter()
        for i, count in enumerate(islice(counts(config, args), args.max_iter)):
            if args.device.startswith('cuda') and args.task == 'inference':
                torch.cuda.synchronize()
            end = time.perf_counter()
            if i >= args.num_warmup:
                frames, seconds = frames + count, seconds + end - begin
            begin = end
        print(f'{args.task}, measurement {number + 1} of {args.repeat_num}: '
              f'{frames / seconds:.3f} frames per second, {1e3 * seconds / frames:.3f} ms per '
              f'frame ({frames} frames)')


def counts(config: Config, args: argparse.Namespace) -> Iterator[int]:
    """The number of frames of each batch, after the work of the task for it; without end."""
    loader = config[f'{args.dataset_type}_dataloader']
    if args.task == 'dataset':
        dataset = DATASETS.build(loader.dataset)
        for index in cycle(range(_not_empty(len(dataset)))):
            yield len(dataset[index]['data_samples'])
    batches = Runner.build_dataloader(loader, seed=0)
    _not_empty(len(batches.dataset))
    model = None if args.task == 'dataloader' else init_video_detector(
        config, args.checkpoint, device=args.device)
    while True:
        for batch in batches:
            if model is not None:
                with torch.no_grad():
                    model.test_step(batch)
            yield frames_of(batch)


def frames_of(batch: dict[str, Any]) -> int:
    """Number of frames of a batch."""
    return sum(map(len, batch['data_samples']))


def _not_empty(length: int) -> int:
    if not length:
        raise ValueError('the data set is empty: check its annotation file')
    return length


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    return run_tool(measure, parse_args(argv))


if __name__ == '__main__':
    sys.exit(main())
