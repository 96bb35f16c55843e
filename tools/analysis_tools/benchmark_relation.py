"""Compare the relation module with the one that the papers write: time and peak memory on a CPU.

    OMP_NUM_THREADS=1 python tools/analysis_tools/benchmark_relation.py

The sizes are those of MEGA's first local stage in steady state: 300 key objects and 15 of each of
25 window frames, against 75 objects of each window frame and of each of 25 memory frames.
Consecutive key frames are timed by processor time; each program runs in a process of its own,
whose resident memory above that of inputs and weights is its peak. The package keeps the location
bias of frames that stay and the projections of remembered frames, as MEGA's memory does;
``--program anew`` computes all of it every time.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from plain_relation import plain_relation
from torch import Tensor

from mmvod_plugins.models.aggregators.relation_steps import best, relate_frames
from mmvod_plugins.models.layers import KeptRelation, RelationModule
from mmvod_plugins.structures import ObjectFeatures

#: (width, height) of the images, in pixels.
SCALE = (1000, 600)


def make_module(channels: int, num_heads: int) -> RelationModule:
    """A module whose locations matter."""
    torch.manual_seed(0)
    module = RelationModule(channels, num_heads)
    torch.nn.init.constant_(module.location.bias, 0.5)
    torch.nn.init.normal_(module.key_bias, std=0.01)
    return module.eval()


def frame(index: int, count: int, channels: int) -> ObjectFeatures:
    """Proposals of a frame."""
    generator = torch.Generator().manual_seed(index)
    corner = torch.rand(count, 2, generator=generator) * torch.tensor(SCALE) * 0.8
    side = 16 + 300 * torch.rand(count, 2, generator=generator)
    feats = torch.randn(count, channels, generator=generator).relu()
    return ObjectFeatures(torch.cat([corner, corner + side], dim=1), feats, torch.zeros(count),
                          torch.full((count, ), index))


@dataclass
class Step:
    """The objects of one key frame.

    Attributes:
        key: Of the key frame.
        frames: Best ones of every window frame.
        window: Reference objects of every window frame.
        memory: Those of every memory frame, the same tensors as long as a frame stays.
    """

    key: ObjectFeatures
    frames: list[ObjectFeatures]
    window: list[ObjectFeatures]
    memory: list[ObjectFeatures]


def steps(args: argparse.Namespace) -> Iterator[Step]:
    """Consecutive key frames; the window moves by one, and its oldest frame is remembered."""
    memory = deque((frame(i, args.topk, args.channels) for i in range(-args.memory, 0)),
                   maxlen=args.memory)
    for key in range(args.steps + 1):
        window = [frame(key + i, args.topk, args.channels) for i in range(args.frames)]
        yield Step(frame(key + args.frames // 2, args.proposals, args.channels),
                   best(window, args.distilled), window, list(memory))
        memory.append(window[0])


def run_plain(call: Callable[..., Tensor], module: RelationModule, step: Step) -> Tensor:
    """All queries and references at once."""
    queries = ObjectFeatures.cat([step.key, *step.frames])
    references = ObjectFeatures.cat([*step.window, *step.memory])
    return queries.feats + call(
        module, queries.feats, references.feats, queries.boxes, references.boxes)


def literal(module: RelationModule, step: Step, kept: None) -> tuple[Tensor, None]:
    """As the papers write it."""
    return run_plain(plain_relation, module, step), kept


def anew(module: RelationModule, step: Step, kept: None) -> tuple[Tensor, None]:
    """The package's module without anything of the step before."""
    return run_plain(RelationModule.__call__, module, step), kept


def package(module: RelationModule, step: Step,
            kept: KeptRelation | None) -> tuple[Tensor, KeptRelation | None]:
    """As MEGA's local stage calls it in a stream."""
    objects, kept = relate_frames(
        module, step.key, step.frames, step.window, step.memory, kept)
    return objects.feats, kept


PROGRAMS: dict[str, Callable[..., tuple[Tensor, KeptRelation | None]]] = {
    'literal': literal, 'package': package, 'anew': anew}


def megabytes() -> float:
    """The most memory that this process had so far."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 2**20 if sys.platform == 'darwin' else used / 2**10


@torch.no_grad()
def measure(name: str, args: argparse.Namespace) -> dict[str, float | list[float]]:
    """Seconds of every step but the first, memory in megabytes, and some of the results."""
    call, module = PROGRAMS[name], make_module(args.channels, args.heads)
    small = frame(0, 4, args.channels)
    call(module, Step(small, [small], [small], [small]), None)
    before, seconds, out, kept = None, [], None, None
    for step in steps(args):
        before = megabytes() if before is None else before
        start = time.process_time()
        out, kept = call(module, step, kept)
        seconds.append(time.process_time() - start)
    return dict(seconds=seconds[1:], memory=megabytes() - before, out=out[::50].flatten().tolist())


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
            ('steps', 5, 'key frames that are timed'),
            ('proposals', 300, 'objects of the key frame'),
            ('frames', 25, 'frames of the window'),
            ('memory', 25, 'frames of the memory'),
            ('topk', 75, 'objects of a reference frame'),
            ('distilled', 15, 'objects of a window frame among the queries'),
            ('channels', 1024, 'width of the features'),
            ('heads', 16, 'heads of the attention')):
        parser.add_argument(f'--{name}', type=int, default=default,
                            help=f'{text} (default: {default})')
    parser.add_argument('--program', choices=('package', 'anew'), default='package',
                        help='what is compared with the literal form (default: package)')
    parser.add_argument('--only', choices=PROGRAMS, help='measure one program, print numbers')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line per program, and the ratios."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    args = parse_args(arguments)
    if args.only:
        print(json.dumps(measure(args.only, args)))
        return 0
    queries = args.proposals + args.frames * args.distilled
    references = (args.frames + args.memory) * args.topk
    print(f'{queries} queries, {references} references, {args.channels} channels, {args.heads} '
          f'heads, {torch.get_num_threads()} threads, torch {torch.__version__}')
    found = {name: run_alone(name, arguments) for name in ('literal', args.program)}
    fastest = {name: min(numbers['seconds']) for name, numbers in found.items()}
    for name, numbers in found.items():
        print(f'{name}: {fastest[name]:.3f} s per key frame, {numbers["memory"]:.0f} MB')
    theirs, ours = (torch.tensor(numbers['out']) for numbers in found.values())
    error = float((theirs - ours).abs().max() / theirs.abs().max())
    speed = fastest['literal'] / fastest[args.program]
    memory = found['literal']['memory'] / max(found[args.program]['memory'], 1)
    print(f'{speed:.1f} times faster; {memory:.1f} times less memory; largest difference '
          f'{error:.1e} of the largest value')
    return 0


if __name__ == '__main__':
    sys.exit(main())
