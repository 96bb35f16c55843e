"""Render a small video set, train and test MEGA on it with mmdet's own scripts, draw its boxes.

    python tools/demo/toy_demo.py [--out demo_output]

Every finished step is skipped when the program runs again; training resumes from its last
checkpoint. Ends with 1 if MEGA's AP50 is below 40, or not above that of the same model without
references.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from demo_pictures import draw_results
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[2]
SINGLE = 'configs/toy/faster-rcnn_r18-fpn_350i_toyvid.py'
MEGA = 'configs/toy/mega_faster-rcnn_r18-fpn_250i_toyvid.py'
RENDER = ('--train-videos', '280', '--val-videos', '32', '--frames', '16', '--workers', '2')
NO_REFERENCES = ('model.references=None', 'model.detector.roi_head.aggregator.memory_size=0')
AP50 = 'vid/coco_AP50'
ENOUGH = 0.40


def run(title: str, *command: str) -> None:
    """Run a program of the repository, and say how long it took.

    Raises:
        SystemExit: If it fails.
    """
    print(f'\n== {title}\n   {" ".join(command)}', flush=True)
    start = time.monotonic()
    done = subprocess.run([sys.executable, *command], cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f'{title}: failed with {done.returncode}; the lines above say why. Run '
                         'the demo again to continue from here')
    print(f'== {title}: {time.monotonic() - start:.0f} s', flush=True)


def render(out: Path) -> Path:
    """Render ToyVID; returns its folder."""
    folder = out / 'toy_vid'
    run('Render ToyVID', 'tools/dataset_converters/make_toy_vid.py', str(folder), *RENDER)
    return folder


def data_options(folder: Path) -> list[str]:
    """Options that point a toy config to the data."""
    roots = [f'{part}_dataloader.dataset.data_root={folder}/' for part in ('train', 'val', 'test')]
    truth = folder / 'annotations' / 'toy_vid_val.json'
    return [*roots, f'val_evaluator.ann_file={truth}', f'test_evaluator.ann_file={truth}']


def train(title: str, config: str, work_dir: Path, options: list[str]) -> Path:
    """Train or resume training; returns the last checkpoint."""
    iterations = Config.fromfile(ROOT / config).train_cfg.max_iters
    checkpoint = work_dir / f'iter_{iterations}.pth'
    if checkpoint.exists():
        print(f'\n== {title}: {checkpoint} is there')
        return checkpoint
    resume = ['--resume'] if (work_dir / 'last_checkpoint').exists() else []
    run(title, 'tools/train.py', config, '--work-dir', str(work_dir), *resume, '--cfg-options',
        'default_hooks.checkpoint.interval=50', f'train_cfg.val_begin={2 * iterations}', *options)
    return checkpoint


def test(title: str, config: str, checkpoint: Path, out: Path, options: list[str]) -> float:
    """Test, or read what a test gave; returns AP50 by COCO's protocol."""
    numbers = out / 'metrics.json'
    if not numbers.exists() or numbers.stat().st_mtime < checkpoint.stat().st_mtime:
        shutil.rmtree(out, ignore_errors=True)
        run(title, 'tools/test.py', config, str(checkpoint), '--work-dir', str(out),
            '--cfg-options', f'test_evaluator.outfile_prefix={out}/predictions', *options)
        written = max(out.glob('*/*.json'), key=lambda path: path.stat().st_mtime)
        shutil.copy(written, numbers)
    return json.loads(numbers.read_text())[AP50]


def main() -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--out', type=Path, default=ROOT / 'demo_output')
    out = parser.parse_args().out.resolve()
    start = time.monotonic()
    data = data_options(render(out))
    single = train('Train the single-frame detector', SINGLE, out / 'train_single', data)
    mega = train('Train MEGA from it', MEGA, out / 'train_mega', [*data, f'load_from={single}'])
    results = {
        'single frame':
        test('Test the single-frame detector', SINGLE, single, out / 'test_single', data),
        'MEGA without references':
        test('Test MEGA without references', MEGA, mega, out / 'test_no_references',
             [*data, *NO_REFERENCES]),
        'MEGA':
        test('Test MEGA', MEGA, mega, out / 'test_mega', data),
    }
    pictures = draw_results(
        out / 'toy_vid', {
            'single frame': out / 'test_single',
            'MEGA without references': out / 'test_no_references',
            'MEGA': out / 'test_mega'
        }, out)
    print(f'\nAP50 on ToyVID (32 videos, 512 frames), after {time.monotonic() - start:.0f} s:')
    for name, value in results.items():
        print(f'  {name:24s} {100 * value:5.1f}')
    print('Look at ' + ' and '.join(str(path) for path in pictures))
    if results['MEGA'] < ENOUGH:
        print(f'FAILED: MEGA is below {100 * ENOUGH:.0f}')
        return 1
    if results['MEGA'] <= results['MEGA without references']:
        print('FAILED: MEGA is not better with its references than without')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
