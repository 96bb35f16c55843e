"""Time, work and memory per frame of video detectors, and where they go.

    OMP_NUM_THREADS=1 python tools/analysis_tools/benchmark_video.py CONFIG [CONFIG ...]

Every config has a process of its own; they work in turn, so that a busy machine slows all of them
alike, and ratios are those of one round: to the first config. A round is one frame (as many as the
work of the method takes to repeat itself) in steady state: all references are there, memories are
full. Weights and frames are random, as only shapes matter. Times are processor seconds on a CPU,
seconds with synchronised ends on a GPU; there the parts are measured in rounds of their own, as
waiting for them takes time. `--counts` runs the operators in a counter, on any device. `--before`
names a checkout of an earlier commit, whose package runs every config first; with `--plain` every
config first runs without the options that change how it computes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import platform
import re
import resource
import runpy
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from video_timing import PARTS, SteadyVideo, count_step, load_config, make_video

from mmvod_plugins import __version__

HOST_MEMORY = Path(__file__).resolve().parents[2] / 'mmvod_plugins/utils/host_memory.py'
PRECISIONS = {'fp32': None, 'tf32': None, 'bf16': torch.bfloat16, 'fp16': torch.float16}
#: Options that change how a config computes, as they are for `--plain`.
PLAIN = dict(compile=None, channels_last=None, inference_mode=False, precision='fp32')


@dataclass(frozen=True)
class Run:
    """A config that is measured.

    Attributes:
        name: Of the config.
        args: The options that it runs with.
        label: What tells it from other runs of the config.
        folder: The checkout whose package runs it; None: this one.
        base: The title of the run of this config that it is compared with.
    """

    name: str
    args: argparse.Namespace
    label: str = ''
    folder: Path | None = None
    base: str | None = None

    @property
    def title(self) -> str:
        """The config's name with the label."""
        return Path(self.name).stem + self.label


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+', help='paths, or names of installed configs')
    parser.add_argument('--size', type=int, nargs=2, default=(1000, 600), metavar=('W', 'H'),
                        help='of the frames in the network')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--warmup', type=int,
                        help='frames before that; default: 2, with a memory 27')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--threads', type=int, default=1, help='of torch, on a CPU')
    parser.add_argument('--return-memory', action='store_true',
                        help='on a CPU: give freed memory back at once, as a program does that '
                        'does not call keep_freed_memory()')
    parser.add_argument('--precision', choices=PRECISIONS, default='fp32')
    parser.add_argument('--channels-last', choices=('all', 'backbone'),
                        help='order of the weights; backbone: as by model.channels_last')
    parser.add_argument('--inference-mode', action='store_true',
                        help='without counters of versions, which no_grad keeps')
    parser.add_argument('--compile', nargs='*', metavar='PART',
                        help='parts to compile, as by model.compiled; default: the backbone')
    parser.add_argument('--fps', type=float, default=25, help='of a live input, for the latency')
    parser.add_argument('--counts', action='store_true',
                        help='count launches and waits of the host per frame')
    parser.add_argument('--before', type=Path, metavar='FOLDER',
                        help='another checkout: each config first runs with its package')
    parser.add_argument('--plain', action='store_true',
                        help='each config first runs in single precision without --compile, '
                        '--channels-last and --inference-mode')
    parser.add_argument('--json', type=Path, help='file for all numbers')
    parser.add_argument('--plot', type=Path, help='file for a picture of the parts')
    parser.add_argument('--trace', type=Path, help='folder for a profiler trace of each config')
    args = parser.parse_args(argv)
    if args.compile is not None:
        args.compile = args.compile or ['detector.backbone']
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the configs in turn and print the tables; returns the exit code."""
    args = parse_args(argv)
    for name in args.configs:
        load_config(name)  # a mistake in the last one shows before the first one runs
    with workers(args) as connections:
        rows = [{'config': run.title, 'base': run.base, **answer(connection)}
                for run, connection in zip(runs(args), connections, strict=True)]
        for number in range(args.rounds):
            for row, connection in zip(rows, connections, strict=True):
                for key, value in ask(connection, 'round').items():
                    row.setdefault(key, []).append(value)
            print(f'round {number + 1} of {args.rounds}', file=sys.stderr, flush=True)
        for row, connection in zip(rows, connections, strict=True):
            row.update(ask(connection, 'end'))
    summarise(rows, args.fps)
    settings = dict(
        size=list(args.size), device=device_name(args.device), precision=args.precision,
        threads=args.threads, compiled=args.compile, channels_last=args.channels_last,
        inference_mode=args.inference_mode,
        torch=torch.__version__, package=__version__)
    print(', '.join(f'{name} {value}' for name, value in settings.items()))
    print(table(rows), '', parts_table(rows), sep='\n')
    if args.json:
        args.json.write_text(json.dumps(dict(settings=settings, configs=rows), indent=1))
    if args.plot:
        draw(rows, args.plot)
    return 0


def runs(args: argparse.Namespace) -> list[Run]:
    """The configs, each after the runs that it is compared with."""
    found = []
    for name in args.configs:
        own = []
        if args.before is not None:
            own.append(Run(name, args, ' (before)', args.before))
        if args.plain:
            own.append(Run(name, argparse.Namespace(**vars(args) | PLAIN), ' (plain)'))
        found += [*own, Run(name, args, base=own[-1].title if own else None)]
    return found


@contextlib.contextmanager
def workers(args: argparse.Namespace) -> Iterator[list[Connection]]:
    """A process for each run; they are ready one after the other."""
    context = multiprocessing.get_context('spawn')
    pairs = [context.Pipe() for _ in runs(args)]
    processes = [context.Process(target=work, args=(run, end), daemon=True)
                 for run, (_, end) in zip(runs(args), pairs, strict=True)]
    try:
        for run, process, (start, end) in zip(runs(args), processes, pairs, strict=True):
            with package_of(run.folder):
                process.start()
            end.close()
            start.poll(None)
        yield [start for start, _ in pairs]
    finally:
        for process in processes:
            if process.pid is not None:
                process.terminate()
                process.join()


@contextlib.contextmanager
def package_of(folder: Path | None) -> Iterator[None]:
    """Let processes that start import the package of another checkout."""
    if folder is None:
        yield
        return
    if not (folder / 'mmvod_plugins').is_dir():
        raise SystemExit(f'--before: {folder} holds no folder mmvod_plugins; give the root of a '
                         'checkout, made by "git worktree add FOLDER COMMIT" for example')
    path, sys.path = sys.path, [str(folder.resolve()), *sys.path]
    try:
        yield
    finally:
        sys.path = path


def ask(connection: Connection, question: str) -> dict[str, Any]:
    """A worker's answer."""
    connection.send(question)
    return answer(connection)


def answer(connection: Connection) -> dict[str, Any]:
    """What a worker sends.

    Raises:
        SystemExit: If its process has ended.
    """
    try:
        return connection.recv()
    except EOFError as error:
        raise SystemExit('the process of a config has failed; the lines above say why') from error


@torch.no_grad()
def work(run: Run, driver: Connection) -> None:
    """Measure one config whenever the driver asks for a round."""
    name, args = run.name, run.args
    torch.set_num_threads(args.threads)
    if args.device == 'cpu' and not args.return_memory:
        # of this checkout: the package may be an earlier one
        runpy.run_path(str(HOST_MEMORY))['keep_freed_memory']()
    torch.backends.cuda.matmul.allow_tf32 = args.precision == 'tf32'
    torch.backends.cudnn.allow_tf32 = args.precision == 'tf32'
    video = make_video(name, tuple(args.size), args.device)
    model = video.model
    use_options(model, args)
    loaded = resident()
    dtype = PRECISIONS[args.precision]
    kind = args.device.split(':')[0]
    with torch.autocast(kind, dtype=dtype, enabled=dtype is not None), \
            torch.inference_mode() if args.inference_mode else contextlib.nullcontext():
        warmup = args.warmup if args.warmup is not None else 27 if video.remembers else 2
        for _ in range(warmup):
            video.step()
        period = video.period
        driver.send(dict(parameters=sum(p.numel() for p in model.parameters()), period=period,
                         lookahead=model.policy.lookahead))
        while driver.recv() == 'round':
            driver.send(measure(video, period))
        end = dict(host_bytes=max(peak() - loaded, 0), device_bytes=None)
        if kind == 'cuda':
            end['device_bytes'] = torch.cuda.max_memory_allocated(args.device)
        if args.counts:
            counts = count_step(video, period)
            end.update(launches=counts.launches, waits=counts.waits)
        if args.trace:
            args.trace.mkdir(parents=True, exist_ok=True)
            with torch.profiler.profile() as profiler:
                video.step()
            profiler.export_chrome_trace(str(args.trace / f'{run.title}.json'))
        driver.send(end)


def use_options(model: torch.nn.Module, args: argparse.Namespace) -> None:
    """Order and compile a model's parts; imports here, as earlier packages lack some."""
    if args.channels_last == 'all':
        model.to(memory_format=torch.channels_last)
    elif args.channels_last:
        from mmvod_plugins.models.memory_format import use_channels_last
        use_channels_last(model.detector.backbone)
    if args.compile is not None:
        try:
            from mmvod_plugins.models.compiled_parts import compile_parts
            compile_parts(model, args.compile)
        except ModuleNotFoundError:
            for part in args.compile:
                model.get_submodule(part).compile()


def measure(video: SteadyVideo, period: int) -> dict[str, Any]:
    """Seconds per frame of one round, whole and by parts; passes through the backbone."""
    stopwatch = video.stopwatch
    stopwatch.seconds.clear()
    passes, whole = video.passes, None
    if video.device.startswith('cuda'):
        start = stopwatch.clock()
        clock, stopwatch.clock = stopwatch.clock, lambda: 0.0
        for _ in range(period):
            video.step()
        stopwatch.clock = clock
        whole = (clock() - start) / period
        passes = video.passes
        stopwatch.seconds.clear()
    for _ in range(period):
        video.step()
    parts = {name: seconds / period for name, seconds in stopwatch.seconds.items()}
    return dict(seconds=sum(parts.values()) if whole is None else whole, parts=parts,
                passes=(video.passes - passes) / period)


def resident() -> int:
    """Bytes that the process holds, or held at most where Linux does not tell."""
    try:
        return int(Path('/proc/self/statm').read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return peak()


def peak() -> int:
    """Largest number of bytes that the process held."""
    unit = 1 if sys.platform == 'darwin' else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def device_name(device: str) -> str:
    """The card, or the machine's processor."""
    if device.startswith('cuda'):
        return torch.cuda.get_device_name(device)
    return f'{platform.machine()} cpu'


def summarise(rows: list[dict[str, Any]], fps: float) -> None:
    """Add medians, ranges, ratios to the first config and latencies, in place."""
    seconds = {row['config']: row['seconds'] for row in rows}
    for row in rows:
        row['ratio'] = ratio_of(row['seconds'], rows[0]['seconds'])
        row['change'] = row['base'] and ratio_of(row['seconds'], seconds[row['base']])
        row['median'] = statistics.median(row['seconds'])
        names = dict.fromkeys(name for parts in row['parts'] for name in parts)
        row['median_parts'] = {name: statistics.median(parts.get(name, 0) for parts in row['parts'])
                               for name in names}
        ahead = row['lookahead']
        # the last frame that a key frame waits for comes `ahead` frames later, or later still
        # where the machine is slower than the input
        row['latency'] = None if ahead is None else \
            ahead * max(1 / fps, row['median']) + row['median']


def ratio_of(seconds: list[float], base: list[float]) -> dict[str, Any]:
    """Median and range of the ratios of the rounds."""
    ratios = [mine / theirs for mine, theirs in zip(seconds, base, strict=True)]
    return dict(median=statistics.median(ratios), range=[min(ratios), max(ratios)])


def table(rows: list[dict[str, Any]]) -> str:
    """A row for every config, then what options or a later checkout make of its time."""
    lines = [f'{"config":60s}{"M par.":>7s}{"ms/frame":>10s}  {"range":16s}{"ratio":>6s}  '
             f'{"range":12s}{"passes":>7s}{"launches":>9s}{"waits":>6s}{"host GiB":>9s}'
             f'{"device GiB":>11s}{"ahead":>6s}{"age ms":>9s}']
    for row in rows:
        low, high = min(row['seconds']), max(row['seconds'])
        device, latency = row['device_bytes'], row['latency']
        waits = sum(row['waits'].values()) if 'waits' in row else None
        ratio = row['ratio']
        lines.append(
            f'{row["config"]:60s}{row["parameters"] / 1e6:7.1f}{1000 * row["median"]:10.1f}  '
            f'{f"{1000 * low:.0f} to {1000 * high:.0f}":16s}{ratio["median"]:6.2f}  '
            f'{"{:.2f} to {:.2f}".format(*ratio["range"]):12s}'
            f'{statistics.fmean(row["passes"]):7.2f}{number(row.get("launches"), 9, 0)}'
            f'{number(waits, 6, 0)}{row["host_bytes"] / 2**30:9.2f}'
            f'{number(device and device / 2**30, 11, 2)}{number(row["lookahead"], 6, 0)}'
            f'{number(latency and 1000 * latency, 9, 0)}')
    for row in rows:
        if row['change'] is not None:
            lines.append('{} / {}: {:.2f} ({:.2f} to {:.2f})'.format(
                row['config'], row['base'], row['change']['median'], *row['change']['range']))
    return '\n'.join(lines)


def parts_table(rows: list[dict[str, Any]]) -> str:
    """Milliseconds of every part, a column for every config."""
    names = part_names(rows)
    lines = [f'{"ms per frame":40s}' + ''.join(f'{f"[{i}]":>10s}' for i in range(1, len(rows) + 1))]
    for name in names:
        values = [row['median_parts'].get(name) for row in rows]
        lines.append(f'{name:40s}' + ''.join(
            number(value if value is None else 1000 * value, 10, 1) for value in values))
    return '\n'.join(lines + [f'[{i}] {row["config"]}' for i, row in enumerate(rows, 1)])


def part_names(rows: list[dict[str, Any]]) -> list[str]:
    """The parts that any config has, in order; modules of temporal parts after their part."""
    found = dict.fromkeys(name for row in rows for name in row['median_parts'])
    return sorted(found, key=lambda name: PARTS.index(name.split(':')[0]))


def number(value: float | None, width: int, digits: int) -> str:
    """A number of a table, a dash where there is none."""
    return f'{"-":>{width}s}' if value is None else f'{value:{width}.{digits}f}'


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """A bar for every config, of its parts."""
    import matplotlib as mpl
    mpl.use('Agg')
    from matplotlib import pyplot as plt
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.5 * len(rows)), layout='constrained')
    left = [0.0] * len(rows)
    colors = plt.get_cmap('tab20')
    for i, name in enumerate(part_names(rows)):
        width = [1000 * row['median_parts'].get(name, 0) for row in rows]
        axes.barh(range(len(rows)), width, left=left, label=name, color=colors(i % 20))
        left = [a + b for a, b in zip(left, width, strict=True)]
    axes.set_yticks(range(len(rows)), [re.sub(r'_[48]xb\S*', '', row['config']) for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel('ms per frame')
    axes.legend(fontsize='small', loc='center left', bbox_to_anchor=(1, 0.5))
    figure.savefig(path)
    plt.close(figure)


if __name__ == '__main__':
    sys.exit(main())
