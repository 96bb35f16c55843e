"""Plot numbers of training logs over iterations, or print the time of an iteration.

    python tools/analysis_tools/analyze_logs.py plot_curve work_dirs/x/*/vis_data/scalars.json \
        --keys loss vid/voc_AP50 --out curves.png
    python tools/analysis_tools/analyze_logs.py cal_train_time work_dirs/x/*/vis_data/scalars.json

mmdet's tool counts epochs, which training by iterations has none of; here every number is
plotted at its own step, losses and metrics alike.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from mmvod_plugins.cli.tool import run_tool
from mmvod_plugins.utils.files import check_output, replacing


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    tasks = parser.add_subparsers(dest='task', required=True)
    plot = tasks.add_parser('plot_curve', help='plot numbers over iterations')
    plot.add_argument('json_logs', nargs='+', type=Path)
    plot.add_argument('--keys', nargs='+', default=['loss'])
    plot.add_argument('--title')
    plot.add_argument('--legend', nargs='+', help='a name for each curve: of each log all keys')
    plot.add_argument('--backend', help='of matplotlib')
    plot.add_argument('--style', default='default', help='of matplotlib')
    plot.add_argument('--out', type=Path, help='picture; without it a window opens')
    time = tasks.add_parser('cal_train_time', help='print the time of an iteration')
    time.add_argument('json_logs', nargs='+', type=Path)
    time.add_argument('--include-outliers', action='store_true',
                      help='count the first logged time, too')
    return parser.parse_args(argv)


def read_log(path: Path) -> list[dict[str, Any]]:
    """Entries of a log, one in each line.

    Raises:
        ValueError: If a line is no JSON object.
    """
    entries = []
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), start=1):
        try:
            entry = json.loads(line) if line.strip() else {}
        except ValueError as error:
            raise ValueError(f'{path}, line {number} is no JSON: pass vis_data/scalars.json of a '
                             'work directory') from error
        if not isinstance(entry, dict):
            raise ValueError(f'{path}, line {number} is no JSON object: pass vis_data/scalars.json '
                             'of a work directory')
        entries.append(entry)
    return entries


def curve(path: Path, key: str) -> tuple[list[int], list[float]]:
    """Steps and values of a key; its last part is enough, as in ``voc_AP50``.

    Raises:
        ValueError: If the log does not have it.
    """
    entries = read_log(path)
    known = {name for entry in entries for name in entry}
    names = [name for name in sorted(known) if name == key or name.split('/')[-1] == key]
    if not names:
        raise ValueError(f'{path} has no {key!r}; it has {sorted(known)}')
    name = key if key in names else names[0]
    found = [(entry.get('step', i), entry[name]) for i, entry in enumerate(entries)
             if name in entry]
    return [step for step, _ in found], [value for _, value in found]


def plot_curve(args: argparse.Namespace) -> None:
    """Draw the curves."""
    if args.out is not None:
        check_output(args.out, args.json_logs)
        plt.switch_backend('agg')
    elif args.backend is not None:
        plt.switch_backend(args.backend)
    curves = [(f'{path}_{key}', *curve(path, key)) for path in args.json_logs for key in args.keys]
    legend = args.legend or [name for name, _, _ in curves]
    if len(legend) != len(curves):
        raise ValueError(f'--legend has {len(legend)} names for {len(curves)} curves')
    with plt.style.context(args.style):
        figure, axes = plt.subplots()
        for name, (_, steps, values) in zip(legend, curves, strict=True):
            axes.plot(steps, values, label=name, marker='o' if len(steps) < 30 else None)
        axes.set_xlabel('iteration')
        axes.legend()
        axes.set_title(args.title or '')
    if args.out is None:
        plt.show()
        return
    with replacing(args.out) as part:
        figure.savefig(part)
    print(f'{args.out}: {len(curves)} curves')


def cal_train_time(args: argparse.Namespace) -> None:
    """Print the time of an iteration of each log."""
    for path in args.json_logs:
        _, times = curve(path, 'time')
        kept = times if args.include_outliers or len(times) < 2 else times[1:]
        print(f'{path}: {np.mean(kept):.4f} s an iteration, from {np.min(kept):.4f} to '
              f'{np.max(kept):.4f} ({len(kept)} logged times)')


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    args = parse_args(argv)
    return run_tool(plot_curve if args.task == 'plot_curve' else cal_train_time, args)


if __name__ == '__main__':
    sys.exit(main())
