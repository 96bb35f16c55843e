"""Time OGEMN per frame beside full frames without memory, and measure its memories (table 2).

    OMP_NUM_THREADS=1 python tools/analysis_tools/benchmark_ogemn.py --size 1000 562
    python tools/analysis_tools/benchmark_ogemn.py --input IN.mp4 --checkpoint FILE.pth

Rows are configs, the first one is what the others are compared with. The size of the memories is
what a frame reads, in feature maps: rows of the pixel and of the instance memory, divided by the
locations of a whole frame's maps (paper: about 0.9). Without --checkpoint weights are random and
find no object, so that the pixel memory holds features without object, about half a map.
The paper (GTX 1080 Ti): 72 ms without memory; 67, 59 and 52 ms with small frames in between.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from video_timing import at_size, made_up

from mmvod_plugins.apis import TracedFrame, init_video_detector, trace_frames
from mmvod_plugins.engine.where import find_config
from mmvod_plugins.models import OGEMNNeck, VideoDetector
from mmvod_plugins.models.memories import InstanceMemory
from mmvod_plugins.visualization import read_frames

TABLE_2 = ['rfcn_r101-sliced_1xb1-200k_imagenetvid', *(
    f'ogemn_rfcn_r101{size}_1xb1-10k_imagenetvid' for size in ('', '-half', '-third', '-quarter'))]


@dataclass
class Measurement:
    """Of a config.

    Attributes:
        whole: Seconds of every frame at full size.
        small: Seconds of every smaller one.
        memory: Rows that each frame reads, in feature maps of a whole frame.
    """

    whole: list[float] = field(default_factory=list)
    small: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float:
        """Seconds per frame."""
        return statistics.fmean(self.whole + self.small)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('configs', nargs='*', default=TABLE_2,
                        help='paths, or names of installed configs; by default those of table 2')
    parser.add_argument('--checkpoint', help='weights for every config; random ones by default')
    parser.add_argument('--input', type=Path,
                        help='video file or folder of images; random frames by default')
    parser.add_argument('--size', type=int, nargs=2, metavar=('W', 'H'),
                        help="of the frames in the network; by default the config's scale")
    parser.add_argument('--frames', type=int, default=10, help='after a first one; '
                        'a multiple of five has one in five whole')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    return parser.parse_args(argv)


def rows_and_cells(model: VideoDetector, traced: TracedFrame) -> tuple[int, int]:
    """Rows of both memories, and the cells of the frame's maps that are enhanced."""
    maps, neck, memory = traced.key.maps, model.temporal_neck, traced.memory
    groups = neck.groups if isinstance(neck, OGEMNNeck) else ((-1, ), )
    rows = sum(map(len, memory.neck)) if isinstance(neck, OGEMNNeck) else 0
    if isinstance(memory.head, InstanceMemory):
        rows += len(memory.head)
    return rows, sum(maps[group[0]].shape[2] * maps[group[0]].shape[3] for group in groups)


def measure(model: VideoDetector, frames: Iterable[np.ndarray], device: str) -> Measurement:
    """Time every frame but the first one."""
    result, cells = Measurement(), 0
    start = time.perf_counter()
    for frame_id, traced in enumerate(trace_frames(model, frames)):
        if device.startswith('cuda'):
            torch.cuda.synchronize()
        elapsed = time.perf_counter() - start
        rows, own = rows_and_cells(model, traced)
        cells = max(cells, own)  # the first frame is a whole one
        if frame_id:
            (result.whole if traced.key.plan.scale == 1 else result.small).append(elapsed)
            result.memory.append(rows / cells)
        start = time.perf_counter()
    return result


def run(name: str, args: argparse.Namespace) -> Measurement:
    """Build a config's model and measure it.

    Raises:
        ValueError: If the video has fewer than two frames.
    """
    config = Config.fromfile(name if name.endswith('.py') else find_config(name))
    size = tuple(args.size or (1000, 562))
    if args.size or not args.input:
        config = at_size(config, size)
    model = init_video_detector(config, args.checkpoint, args.device)
    frames = read_frames(args.input) if args.input else made_up(args.frames + 1, size)
    # read before, so that no decoding is timed
    result = measure(model, list(itertools.islice(frames, args.frames + 1)), args.device)
    if not result.memory:
        raise ValueError(f'{args.input or "--frames"}: expected two frames or more, of which the '
                         'first one is not counted')
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Measure every config and print a row for each; returns the exit code."""
    args = parse_args(argv)
    print(f'{args.device}, {torch.get_num_threads()} threads, {args.frames} frames')
    print(f'{"config":52s}{"ms/frame":>10s}{"relative":>10s}{"whole":>8s}{"small":>8s}'
          f'{"memory":>8s}', flush=True)
    first = None
    for name in args.configs:
        try:
            result = run(name, args)
        except (OSError, ValueError) as error:
            print(f'error: {error}', file=sys.stderr)
            return 1
        first = first or result.mean
        whole, small = (f'{1000 * statistics.fmean(part):.0f}' if part else '-'
                        for part in (result.whole, result.small))
        print(f'{Path(name).stem:52s}{1000 * result.mean:10.0f}{result.mean / first:10.2f}'
              f'{whole:>8s}{small:>8s}{statistics.fmean(result.memory):8.2f}', flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
