"""tools/analysis_tools/benchmark_methods.py as a command."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_a_row_for_every_config(tmp_path):
    configs = ['configs/toy/faster-rcnn_r18-fpn_350i_toyvid.py',
               'configs/toy/mega_faster-rcnn_r18-fpn_250i_toyvid.py']
    done = subprocess.run(
        [sys.executable, str(ROOT / 'tools/analysis_tools/benchmark_methods.py'),
         *(str(ROOT / config) for config in configs), '--size', '64', '48', '--frames', '2'],
        cwd=tmp_path, check=True, capture_output=True, text=True,
        env=os.environ | {'PYTHONPATH': str(ROOT), 'CUDA_VISIBLE_DEVICES': '-1'})
    rows = [line.split() for line in done.stdout.splitlines()[-2:]]
    assert [row[0] for row in rows] == [Path(config).stem for config in configs]
    assert all(float(number) >= 0 for row in rows for number in row[1:])
