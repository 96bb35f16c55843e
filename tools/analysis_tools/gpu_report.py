"""Everything that is measured and tested on a GPU, in one command.

    python tools/analysis_tools/gpu_report.py OUT

Into the folder OUT go, one after the other: the result of the tests marked `gpu`; a table of all
methods (`benchmark_video.py`, 600 x 1000) for both backbones, single precision, TF32 and bf16,
with and without a compiled backbone; training steps of every method (`benchmark_training.py`),
with and without `--amp`, and with one process of NCCL. What fails is named at the end and does not
stop the rest.
`--device cpu --configs CONFIG --size 64 48` tries the command without a GPU.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: Of the table, `{}` is the depth; the first one is what the others are compared with.
CONFIGS = [
    'faster-rcnn_r{}-conv4-dc5_4xb1-120k_imagenetvid',
    'mega_faster-rcnn_r{}-conv4-dc5_4xb1-120k_imagenetvid',
    'rdn-base_faster-rcnn_r{}-conv4-dc5_4xb1-120k_imagenetvid',
    'rdn_faster-rcnn_r{}-conv4-dc5_4xb1-60k_imagenetvid',
    'selsa_faster-rcnn_r{}-dc5_8xb1-7e_imagenetvid',
    'selsa-troialign_faster-rcnn_r{}-dc5_8xb1-7e_imagenetvid',
    'fgfa_faster-rcnn_r{}-conv4-dc5_4xb1-120k_imagenetvid',
    'fgfa_faster-rcnn_r{}-dc5_8xb1-7e_imagenetvid',
    'dff_faster-rcnn_r{}-conv4-dc5_4xb1-120k_imagenetvid',
    'dff_faster-rcnn_r{}-dc5_8xb1-7e_imagenetvid',
    'mst_faster-rcnn_r{}-conv4-dc5_4xb1-120k_imagenetvid',
    'stmn_faster-rcnn_r50-fpn_4xb1-40k_imagenetvid',
    'stmn_rfcn_r101_4xb1-40k_imagenetvid',
    'ogemn_faster-rcnn_r50-fpn_4xb1-40k_imagenetvid',
    'ogemn_rfcn_r101_1xb1-10k_imagenetvid',
    'yolov_yolox-s_1xb1-105k_imagenetvid',
    'yolovpp_yolox-s_1xb1-105k_imagenetvid',
]


def main(argv: Sequence[str] | None = None) -> int:
    """Run all parts; the exit code is 1 if one of them failed."""
    args = parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    size, device = [*map(str, args.size)], ['--device', args.device]
    failed = []
    if args.tests:
        failed += run([sys.executable, '-m', 'pytest', '-q', '-m', 'gpu', 'tests'],
                      args.out / 'tests.txt')
    for precision, compiled in itertools.product(args.precisions, ([], ['--compile'])):
        for depth in (50, 101):
            names = [name.format(depth) for name in args.configs if depth == 50 or '{}' in name]
            # a process for each config holds its model: pairs with the detector that is first
            for name in names[1:] or names:
                out = args.out / '_'.join([Path(name).stem, precision, *compiled])
                failed += run(
                    [sys.executable, str(HERE / 'benchmark_video.py'), names[0], name, '--size',
                     *size, *device, '--precision', precision, '--counts', *compiled, '--rounds',
                     str(args.rounds), '--json', f'{out}.json'], Path(f'{out}.txt'))
    names = list(dict.fromkeys(name.format(50) for name in args.configs))
    for name in names[1:] or names:
        for extra in ([], ['--amp'] if args.device != 'cpu' else [], ['--nccl']):
            out = args.out / '_'.join(['train', Path(name).stem, *extra])
            failed += run(
                [sys.executable, str(HERE / 'benchmark_training.py'), names[0], name, '--scale',
                 *size, *device, '--rounds', str(args.rounds), *extra, '--json', f'{out}.json'],
                Path(f'{out}.txt'))
    print('\n'.join(['failed:', *failed]) if failed else 'all parts ran')
    return int(bool(failed))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out', type=Path, help='folder of the results')
    parser.add_argument('--configs', nargs='+', default=CONFIGS, help='{} stands for 50 and 101')
    parser.add_argument('--precisions', nargs='+', default=['fp32', 'tf32', 'bf16'])
    parser.add_argument('--size', type=int, nargs=2, default=(1000, 600), metavar=('W', 'H'))
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--device', default='cuda')
    parser.add_argument('--no-tests', dest='tests', action='store_false')
    return parser.parse_args(argv)


def run(command: list[str], out: Path) -> list[str]:
    """Run a command, its output into a file; its name if it fails."""
    print(out.stem, file=sys.stderr, flush=True)
    with out.open('w') as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    return [] if done.returncode == 0 else [f'{out} ends with {done.returncode}']


if __name__ == '__main__':
    sys.exit(main())
