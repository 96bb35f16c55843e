"""Show what video is worth: train MEGA and a control from one detector, compare, draw.

    python tools/demo/toy_demo.py [--out demo_output] [--train-all]

Renders ToyVID and trains, from the weights of a single-frame detector that lie beside this file,
MEGA's temporal part and the control: the same detector without references, all of it trained on
with as many frames as MEGA sees. ``--train-all`` trains the single-frame detector too. Finished
steps are skipped when the program runs again, training resumes from its last checkpoint. Ends with
1 if MEGA does not beat the control.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools/analysis_tools'))

from benchmark_toyvid import Benchmark, read_rows, run_all  # noqa: E402 - a script's module
from demo_pictures import draw_results  # noqa: E402 - after the slow imports

WEIGHTS = Path(__file__).with_name('single-frame_toyvid.pth')
ROWS = Path(__file__).with_name('rows.yml')
#: Names of the rows, and what the demo calls them.
TITLES = {'single-frame': 'single frame', 'control': 'single frame, trained on (control)',
          'mega-no-references': 'MEGA without references', 'mega': 'MEGA'}
SHOWN = ('single-frame', 'control', 'mega')


def call(title: str, *command: str) -> None:
    """Run a program of the repository.

    Raises:
        SystemExit: If it fails.
    """
    print(f'\n== {title}\n   {" ".join(command)}', flush=True)
    done = subprocess.run([sys.executable, *command], cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f'{title}: failed with {done.returncode}; the lines above say why. Run '
                         'the demo again to continue from here')


def main() -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--out', type=Path, default=ROOT / 'demo_output')
    parser.add_argument('--seed', type=int, default=0, help='of the training')
    parser.add_argument('--train-all', action='store_true',
                        help='train the single-frame detector too: ten to fifteen minutes more')
    args = parser.parse_args()
    out, start = args.out.resolve(), time.monotonic()
    data = out / 'toy_vid'
    call('Render ToyVID', 'tools/dataset_converters/make_toy_vid.py', str(data), '--workers', '2')
    runs = out / ('runs_from_scratch' if args.train_all else 'runs')
    benchmark = Benchmark(data, runs, read_rows(ROWS), [args.seed],
                          weights={} if args.train_all else {'single-frame': WEIGHTS})
    print(f'\n== Train and test; logs are in {runs}', flush=True)
    failed = run_all(benchmark, list(TITLES), processes=2)
    if failed:
        raise SystemExit('\n'.join([*failed, 'Run the demo again to continue from here']))
    found = {name: benchmark.result(benchmark.rows[name], args.seed) for name in TITLES}
    files = {TITLES[name].partition(',')[0] if name != 'control' else 'control':
             benchmark.folder(benchmark.rows[name], args.seed) / 'predictions.bbox.json'
             for name in SHOWN}
    pictures = draw_results(data, files, out)
    call('Write a page to look at', '-m', 'mmvod_plugins', 'page',
         *(f'{name}={file}' for name, file in files.items()), '--annotations', str(benchmark.truth),
         '--images', str(data / 'Data/VID'), '--out', str(out / 'page'))
    print(f'\nAP50 on ToyVID (24 videos, 960 frames), after {time.monotonic() - start:.0f} s:\n'
          f'  {"":36s}{"all":>6s}{"clean":>8s}{"degraded":>10s}')
    for name, title in TITLES.items():
        row = found[name]
        print(f'  {title:36s}{row["AP50"]:6.1f}{row["clean"]:8.1f}{row["degraded"]:10.1f}')
    print('Look at ' + ', '.join(str(path) for path in (*pictures, out / 'page/index.html')))
    gain = found['mega']['AP50'] - found['control']['AP50']
    if gain <= 0:
        print(f'FAILED: MEGA is {-gain:.1f} points below the control')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
