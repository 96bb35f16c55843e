"""Train and test a list of methods on ToyVID with several seeds, and write a table and plots.

    python tools/analysis_tools/benchmark_toyvid.py --data data/toy_vid --seeds 0 1 2
    python tools/analysis_tools/benchmark_toyvid.py --rows mega rdn --seeds 0 --processes 1

The rows are those of ``configs/toy/benchmark.yml``, in its order. A run starts from the checkpoint
of the row that it names and is compared with its control, the static detector trained on. Every
finished run is kept in ``--work-dir``; started again, the command resumes training where it was
interrupted and runs what is missing. Rows without a run stay empty in the table. ``--times`` adds
what ``benchmark_video.py configs/toy/*.py --size 160 128 --json FILE`` measured. The plots leave
rows out whose name ends with ``-early``.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
import yaml
from mmengine.config import Config
from toy_vid_difficulty import difficulty
from toyvid_pages import EARLY, table
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[2]
ROWS = ROOT / 'configs/toy/benchmark.yml'
GROUPS = ('slow', 'medium', 'fast')
COLUMNS = ('AP50', *GROUPS, 'clean', 'degraded')
#: Of the plots: ticks of the time per frame in ms, and the gain of the darkest colour.
SPEEDS, LARGE_GAIN = (10, 20, 50, 100, 200, 500), 50

#: Parts of a config that change what a run gives.
SETTINGS = ('model', 'train_dataloader', 'test_dataloader', 'train_cfg', 'optim_wrapper',
            'param_scheduler', 'custom_hooks')


@dataclass(frozen=True)
class Row:
    """A method of the benchmark.

    Attributes:
        name: Of the row.
        config: Its file in ``configs/toy``, without suffix.
        start: The row whose checkpoint starts training; None from scratch.
        control: The row that it is compared with; None for the static detectors.
        seeds: Whether the row is run with every seed, not with seed 0 alone.
        options: Further ``--cfg-options`` of its test.
        trained: The row whose checkpoint is tested; None if the row is trained itself.
    """

    name: str
    config: str
    start: str | None = None
    control: str | None = None
    seeds: bool = True
    options: tuple[str, ...] = ()
    trained: str | None = None

    @property
    def path(self) -> str:
        """The config, relative to the repository."""
        return f'configs/toy/{self.config}.py'


def read_rows(path: Path) -> list[Row]:
    """The rows of a file.

    Raises:
        ValueError: If a row names one that does not stand before it.
    """
    rows: list[Row] = []
    for item in yaml.safe_load(path.read_text(encoding='utf-8')):
        row = Row(**{**item, 'options': tuple(item.get('options', ()))})
        before = {other.name for other in rows}
        for name in (row.start, row.trained):
            if name is not None and name not in before:
                raise ValueError(f'{path}: {row.name} needs {name!r}, which no row before it is')
        rows.append(row)
    return rows


@cache
def settings_of(row: Row) -> str:
    """A short hash of what a row trains and tests with."""
    config = Config.fromfile(ROOT / row.path).to_dict()
    parts = [config.get(key) for key in SETTINGS]
    return _short_hash(json.dumps([parts, row.options], sort_keys=True, default=repr))


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Benchmark:
    """The runs of a benchmark in a folder.

    Args:
        data: Folder of ToyVID.
        work_dir: Where the runs are kept, one folder for a row and seed.
        rows: All rows.
        seeds: Of the rows that are run with every seed.
        weights: Checkpoints of rows that are not trained.
    """

    def __init__(self, data: Path, work_dir: Path, rows: Sequence[Row], seeds: Sequence[int],
                 weights: Mapping[str, Path] | None = None) -> None:
        self.data, self.work_dir, self.seeds = data.resolve(), work_dir.resolve(), tuple(seeds)
        self.weights = dict(weights or {})
        self.rows = {row.name: row for row in rows}
        self.truth = self.data / 'annotations' / 'toy_vid_val.json'
        spec = self.data / 'toyvid.json'
        #: A short hash of what the videos were rendered with: a folder may be rendered again.
        self.rendered = _short_hash(spec.read_text(encoding='utf-8')) if spec.is_file() else None

    def jobs(self, names: Sequence[str]) -> list[tuple[Row, int]]:
        """Rows and seeds to run, with the rows that they start from, seed by seed."""
        wanted = dict.fromkeys(name for row in names for name in self._with_starts(row))
        rows = [row for row in self.rows.values() if row.name in wanted]
        once = [(row, 0) for row in rows if not row.seeds]
        return once + [(row, seed) for seed in self.seeds for row in rows if row.seeds]

    def _with_starts(self, name: str) -> list[str]:
        row = self.rows[name]
        needs = self.starts(row) + ([] if row.control is None else [row.control])
        return [*(part for other in needs for part in self._with_starts(other)), name]

    def starts(self, row: Row) -> list[str]:
        """The rows whose checkpoints a row needs; none if its own is given."""
        if row.name in self.weights:
            return []
        return [other for other in (row.start, row.trained) if other is not None]

    def folder(self, row: Row, seed: int) -> Path:
        """Folder of a run."""
        return self.work_dir / f'{row.name}-seed{seed if row.seeds else 0}'

    def checkpoint(self, name: str, seed: int) -> Path:
        """The last checkpoint of a run."""
        row = self.rows[name]
        if name in self.weights:
            return self.weights[name]
        if row.trained is not None:
            return self.checkpoint(row.trained, seed)
        return self.folder(row, seed) / f'iter_{self.iterations(row)}.pth'

    @staticmethod
    def iterations(row: Row) -> int:
        """Length of a training, that of the config."""
        return Config.fromfile(ROOT / row.path).train_cfg.max_iters

    def result(self, row: Row, seed: int) -> dict[str, Any] | None:
        """What a finished run gave, None before.

        Raises:
            ValueError: If it was run on other data or with other settings.
        """
        path = self.folder(row, seed) / 'result.json'
        if not path.is_file():
            return None
        found = json.loads(path.read_text())
        if (found['data'], found.get('rendered')) != (str(self.data), self.rendered):
            raise ValueError(f'{path} is of other videos ({found["data"]}, perhaps rendered with '
                             f'other settings) than those of {self.data}: use another folder for '
                             'the runs')
        if found['settings'] != settings_of(row):
            raise ValueError(f'{row.path} has changed since {path} was written: use another '
                             'folder for the runs, or remove that one to run it again')
        return found

    def run(self, row: Row, seed: int, threads: int) -> None:
        """Train and test, or go on with it; a finished run is left alone.

        Raises:
            RuntimeError: If a command fails, with its log.
        """
        if self.result(row, seed) is not None:
            return
        folder, checkpoint = self.folder(row, seed), self.checkpoint(row.name, seed)
        folder.mkdir(parents=True, exist_ok=True)
        begin, train, minutes = time.monotonic(), None, None
        if row.trained is None and row.name not in self.weights:
            start = () if row.start is None else (
                f'load_from={self.checkpoint(row.start, seed)}', )
            resume = ('--resume', ) if (folder / 'last_checkpoint').exists() else ()
            train = ('tools/train.py', row.path, '--work-dir', str(folder), *resume,
                     '--cfg-options', f'randomness.seed={seed}', *start,
                     'default_hooks.checkpoint.interval=100',
                     'default_hooks.checkpoint.max_keep_ckpts=1', 'train_cfg.val_begin=1000000',
                     *self._data_options())
            if not checkpoint.is_file():
                self._call(train, folder / 'train.log', threads)
                minutes = None if resume else (time.monotonic() - begin) / 60
        test = ('tools/test.py', row.path, str(checkpoint), '--work-dir', str(folder / 'test'),
                '--cfg-options', f'test_evaluator.outfile_prefix={folder}/predictions',
                *self._data_options(), *row.options)
        self._call(test, folder / 'test.log', threads)
        metrics = json.loads(max((folder / 'test').glob('*/*.json')).read_text())
        frames = difficulty(json.loads(self.truth.read_text()),
                            json.loads((folder / 'predictions.bbox.json').read_text()))
        result = dict(
            AP50=100 * metrics['vid/coco_AP50'],
            **{group: 100 * metrics[f'vid/coco_AP50_{group}'] for group in GROUPS},
            **{name: value for name, (_, _, value, _) in frames.items() if name != 'all'},
            known={name: value for name, (_, _, _, value) in frames.items()},
            minutes=minutes, data=str(self.data), rendered=self.rendered,
            settings=settings_of(row),
            command=shlex.join(['python', *(train or test)]))
        (folder / 'result.json').write_text(json.dumps(result, indent=1))

    def _data_options(self) -> list[str]:
        roots = [f'{part}_dataloader.dataset.data_root={self.data}/'
                 for part in ('train', 'val', 'test')]
        return [*roots, *(f'{part}_evaluator.ann_file={self.truth}' for part in ('val', 'test'))]

    @staticmethod
    def _call(command: Sequence[str], log: Path, threads: int) -> None:
        with log.open('a', encoding='utf-8') as file:
            done = subprocess.run(
                [sys.executable, *command], cwd=ROOT, check=False, stdout=file,
                stderr=subprocess.STDOUT, env=os.environ | dict(OMP_NUM_THREADS=str(threads)))
        if done.returncode:
            raise RuntimeError(f'{command[0]} {command[1]} failed with {done.returncode}, see '
                               f'{log}')


def run_all(benchmark: Benchmark, names: Sequence[str], processes: int) -> list[str]:
    """Run rows, several at once; a row waits for the one that it starts from.

    Returns:
        The failures.
    """
    jobs, failed = benchmark.jobs(names), []
    threads = max((os.cpu_count() or 1) // processes, 1)
    with ThreadPoolExecutor(processes) as pool, tqdm(total=len(jobs), unit='run') as bar:
        running = {}

        def begin(row: Row, seed: int) -> None:
            needs = [benchmark.folder(benchmark.rows[name], seed)
                     for name in benchmark.starts(row)]
            wait([running[folder] for folder in needs])
            if any(running[folder].exception() is not None for folder in needs):
                raise RuntimeError('not run: what it starts from failed')
            benchmark.run(row, seed, threads)
            bar.update()

        # Rows stand after those that they start from, so a waiting job never blocks its start.
        for row, seed in jobs:
            running[benchmark.folder(row, seed)] = pool.submit(begin, row, seed)
        try:
            for (row, seed), future in zip(jobs, running.values(), strict=True):
                if future.exception() is not None:
                    failed.append(f'{row.name}, seed {seed}: {future.exception()}')
        except BaseException:  # an interruption: start no further run
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return failed


def summarise(benchmark: Benchmark, times: Path | None = None) -> list[dict[str, Any]]:
    """A line for every row: mean and spread over its seeds, and the gain over its control.

    The gain is the mean of the differences between runs of the same seed, the spread a sample
    standard deviation. Values that no run gave are None.

    Args:
        benchmark: The runs.
        times: JSON of ``benchmark_video.py``, for milliseconds per frame, parameters and memory.
    """
    lines = []
    measured = {} if times is None else {
        item['config']: item for item in json.loads(times.read_text())['configs']}
    for row in benchmark.rows.values():
        seeds = benchmark.seeds if row.seeds else (0, )
        results = {seed: found for seed in seeds
                   if (found := benchmark.result(row, seed)) is not None}
        line: dict[str, Any] = dict(method=row.name, config=row.config, control=row.control,
                                    runs=len(results))
        for column in COLUMNS:
            line[column] = _mean([found[column] for found in results.values()])
        line['spread'] = _spread([found['AP50'] for found in results.values()])
        gains = []
        if row.control is not None:
            control = benchmark.rows[row.control]
            gains = [found['AP50'] - other['AP50'] for seed, found in results.items()
                     if (other := benchmark.result(control, seed)) is not None]
        line |= dict(gain=_mean(gains), gain_spread=_spread(gains),
                     minutes=_mean([found['minutes'] for found in results.values()
                                    if found['minutes'] is not None]))
        speed = measured.get(row.config)
        line |= dict(ms=speed and 1e3 * speed['median'],
                     million_parameters=speed and speed['parameters'] / 1e6,
                     host_MB=speed and speed['host_bytes'] / 1e6)
        lines.append(line)
    return lines


def _mean(values: Sequence[float]) -> float | None:
    return mean(values) if values else None


def _spread(values: Sequence[float]) -> float | None:
    return stdev(values) if len(values) > 1 else None


def as_text(lines: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """The lines with their numbers rounded, and nothing for None, as the csv file has them."""
    return [{key: '' if value is None else str(
        round(value, 3) if isinstance(value, float) else value) for key, value in line.items()}
            for line in lines]


def draw_speeds(lines: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw AP50 against the time per frame; rows without one of them are left out."""
    from matplotlib.figure import Figure
    known = [line for line in lines if line['ms'] is not None and line['AP50'] is not None
             and not line['method'].endswith(f'-{EARLY}')]
    if not known:
        return
    # numbers in the picture, names beside it: names of neighbours would lie on each other
    known.sort(key=lambda line: -line['AP50'])
    axes = Figure(figsize=(9, 6), layout='constrained').subplots()
    for number, line in enumerate(known, 1):
        axes.errorbar(line['ms'], line['AP50'], yerr=line['spread'], marker='o', capsize=3,
                      label=f'{number}  {line["method"]}')
        axes.annotate(str(number), (line['ms'], line['AP50']), xytext=(5, 3),
                      textcoords='offset points', fontsize='small')
    axes.set_xscale('log')
    axes.set_xticks(SPEEDS, map(str, SPEEDS))
    axes.minorticks_off()
    axes.set_xlabel('ms per frame')
    axes.set_ylabel('AP50')
    axes.legend(loc='upper left', bbox_to_anchor=(1.01, 1), fontsize='small', frameon=False)
    axes.figure.savefig(path)


def draw_gains(benchmark: Benchmark, path: Path) -> None:
    """Draw the gain over the control under every degradation as a table of colours."""
    from matplotlib.figure import Figure
    gains: dict[str, dict[str, float]] = {}
    for row in benchmark.rows.values():
        if row.control is None or row.name.endswith(f'-{EARLY}'):
            continue
        pairs = [(found, other) for seed in benchmark.seeds
                 if (found := benchmark.result(row, seed)) is not None
                 and (other := benchmark.result(benchmark.rows[row.control], seed)) is not None]
        if pairs:
            kinds = [kind for kind in pairs[0][0]['known'] if kind not in ('all', 'degraded')]
            gains[row.name] = {kind: mean(found[kind] - other[kind] for found, other in pairs)
                               for kind in kinds}
    if not gains:
        return
    kinds = list(next(iter(gains.values())))
    axes = Figure(figsize=(9, 1 + 0.28 * len(gains)), layout='constrained').subplots()
    table_of = [list(values.values()) for values in gains.values()]
    axes.imshow(table_of, cmap='RdBu', vmin=-LARGE_GAIN, vmax=LARGE_GAIN, aspect='auto')
    for i, values in enumerate(table_of):
        for j, gain in enumerate(values):
            axes.text(j, i, f'{round(gain):+d}', ha='center', va='center', fontsize='small',
                      color='white' if abs(gain) > 0.7 * LARGE_GAIN else 'black')
    axes.set_xticks(range(len(kinds)), [kind.replace('_', '\n') for kind in kinds])
    axes.set_yticks(range(len(gains)), list(gains))
    axes.set_title('AP50 over the control', fontsize='medium')
    axes.figure.savefig(path)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--data', type=Path, default=ROOT / 'data/toy_vid')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs/toyvid')
    parser.add_argument('--rows', nargs='+', metavar='NAME', help='default: all, in their order')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--processes', type=int, help='runs at once; default: one for each core, '
                        'one on a GPU')
    parser.add_argument('--times', type=Path, help='JSON of benchmark_video.py')
    parser.add_argument('--out', type=Path, help='folder for toyvid.csv, toyvid_gains.svg (gain '
                        'under each degradation) and toyvid_speed.svg; the table is printed')
    parser.add_argument('--no-runs', action='store_true', help='only write what earlier runs gave')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    args, failed = parse_args(argv), []
    rows = read_rows(ROWS)
    unknown = set(args.rows or ()) - {row.name for row in rows}
    if unknown:
        raise SystemExit(f'no rows {sorted(unknown)}; there are {[row.name for row in rows]}')
    benchmark = Benchmark(args.data, args.work_dir, rows, args.seeds)
    if not benchmark.truth.is_file():
        raise SystemExit(f'{benchmark.truth} is missing: render ToyVID with python '
                         f'tools/dataset_converters/make_toy_vid.py {args.data}')
    processes = args.processes or (1 if torch.cuda.is_available() else os.cpu_count() or 1)
    if not args.no_runs:
        failed = run_all(benchmark, args.rows or [row.name for row in rows], processes)
    lines = summarise(benchmark, args.times)
    texts = as_text(lines)
    by_name = {text['method']: text for text in texts}
    print(table(by_name, list(by_name)))
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        with (args.out / 'toyvid.csv').open('w', newline='', encoding='utf-8') as file:
            writer = csv.DictWriter(file, list(lines[0]))
            writer.writeheader()
            writer.writerows(texts)
        draw_gains(benchmark, args.out / 'toyvid_gains.svg')
        draw_speeds(lines, args.out / 'toyvid_speed.svg')
    print('\n'.join(failed), file=sys.stderr)
    return int(bool(failed))


if __name__ == '__main__':
    sys.exit(main())
