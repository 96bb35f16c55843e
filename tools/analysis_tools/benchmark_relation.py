"""Compare the relation module with the one that the papers write: time and peak memory on a CPU.

    OMP_NUM_THREADS=1 python tools/analysis_tools/benchmark_relation.py

The sizes are those of MEGA's first local stage in steady state: 300 key objects and 15 of each of
25 window frames, against 75 objects of each window frame and of each of 25 memory frames. Both
programs get the same objects; each runs in a process of its own, timed by processor time, and its
resident memory above that of inputs and weights is its peak.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import torch
from plain_relation import plain_relation
from torch import Tensor

from mmvod_plugins.models.layers import RelationModule

#: (width, height) of the images, in pixels.
SCALE = (1000, 600)
#: Functions of module, objects, references and the boxes of both.
PROGRAMS: dict[str, Callable[..., Tensor]] = {
    'literal': plain_relation, 'package': RelationModule.__call__}


def make_module(channels: int, num_heads: int) -> RelationModule:
    """A module whose locations matter."""
    torch.manual_seed(0)
    module = RelationModule(channels, num_heads)
    torch.nn.init.constant_(module.location.bias, 0.5)
    torch.nn.init.normal_(module.key_bias, std=0.01)
    return module.eval()


def made_up(count: int, channels: int, seed: int) -> tuple[Tensor, Tensor]:
    """Features (N, C) and boxes (N, 4) of N objects."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * torch.tensor(SCALE) * 0.8
    side = 16 + 300 * torch.rand(count, 2, generator=generator)
    feats = torch.randn(count, channels, generator=generator).relu()
    return feats, torch.cat([corner, corner + side], dim=1)


def sizes(args: argparse.Namespace) -> tuple[int, int]:
    """Number of queries and of references."""
    return (args.proposals + args.frames * args.distilled, (args.frames + args.memory) * args.topk)


def megabytes() -> float:
    """The most memory that this process had so far."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 2**20 if sys.platform == 'darwin' else used / 2**10


@torch.no_grad()
def measure(name: str, args: argparse.Namespace) -> dict[str, float | list[float]]:
    """Seconds of every call but the first, memory in megabytes, and some of the results."""
    call, module = PROGRAMS[name], make_module(args.channels, args.heads)
    small, small_boxes = made_up(4, args.channels, 0)
    call(module, small, small, small_boxes, small_boxes)
    (feats, boxes), (references, reference_boxes) = (
        made_up(count, args.channels, seed) for seed, count in enumerate(sizes(args)))
    before, seconds = megabytes(), []
    for _ in range(args.steps + 1):
        start = time.process_time()
        out = call(module, feats, references, boxes, reference_boxes)
        seconds.append(time.process_time() - start)
    return dict(seconds=seconds[1:], memory=megabytes() - before, out=out[:50].flatten().tolist())


def run_alone(name: str, arguments: Sequence[str]) -> dict[str, float | list[float]]:
    """Measure in a process that does nothing else."""
    done = subprocess.run([sys.executable, __file__, *arguments, '--only', name],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f'{name} ended with {done.returncode}:\n{done.stderr}')
    return json.loads(done.stdout.splitlines()[-1])


def parse_args(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default, text in (
            ('steps', 5, 'calls that are timed'),
            ('proposals', 300, 'objects of the key frame'),
            ('frames', 25, 'frames of the window'),
            ('memory', 25, 'frames of the memory'),
            ('topk', 75, 'objects of a reference frame'),
            ('distilled', 15, 'objects of a window frame among the queries'),
            ('channels', 1024, 'width of the features'),
            ('heads', 16, 'heads of the attention')):
        parser.add_argument(f'--{name}', type=int, default=default,
                            help=f'{text} (default: {default})')
    parser.add_argument('--only', choices=PROGRAMS, help='measure one program, print numbers')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line per program, and the ratios."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    args = parse_args(arguments)
    if args.only:
        print(json.dumps(measure(args.only, args)))
        return 0
    queries, references = sizes(args)
    print(f'{queries} queries, {references} references, {args.channels} channels, {args.heads} '
          f'heads, {torch.get_num_threads()} threads, torch {torch.__version__}')
    found = {name: run_alone(name, arguments) for name in PROGRAMS}
    fastest = {name: min(numbers['seconds']) for name, numbers in found.items()}
    for name, numbers in found.items():
        print(f'{name}: {fastest[name]:.3f} s per call, {numbers["memory"]:.0f} MB')
    theirs, ours = (torch.tensor(numbers['out']) for numbers in found.values())
    error = float((theirs - ours).abs().max() / theirs.abs().max())
    speed = fastest['literal'] / fastest['package']
    memory = found['literal']['memory'] / max(found['package']['memory'], 1)
    print(f'{speed:.1f} times faster; {memory:.1f} times less memory; largest difference '
          f'{error:.1e} of the largest value')
    return 0


if __name__ == '__main__':
    sys.exit(main())
