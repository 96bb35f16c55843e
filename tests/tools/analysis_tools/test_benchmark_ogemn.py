"""The benchmark of OGEMN runs, on random frames and on a video."""

from pathlib import Path

import cv2
import numpy as np
from benchmark_ogemn import main

CONFIGS = Path(__file__).resolve().parents[3] / 'configs/toy'
NAMES = ['rfcn_r18-control_1200i_toyvid', 'ogemn_rfcn_r18_400i_toyvid']
SETTINGS = ['--device', 'cpu', '--size', '64', '48', '--frames', '3']


def rows(capsys, *arguments):
    assert main([*(str(CONFIGS / f'{name}.py') for name in NAMES), *SETTINGS, *arguments]) == 0
    return [line.split() for line in capsys.readouterr().out.splitlines()[-2:]]


def test_a_row_for_every_config_relative_to_the_first(capsys):
    static, memory = rows(capsys)
    assert [static[0], memory[0]] == NAMES
    assert static[2] == '1.00'
    assert float(memory[2]) > 0
    assert static[-1] == '0.00'
    # no object is found; up to half of the map, and 40 instances of a map of 48 cells
    assert 0.1 < float(memory[-1]) < 2


def test_a_video_of_one_frame_is_refused(capsys, tmp_path):
    cv2.imwrite(str(tmp_path / '0.png'), np.zeros((48, 64, 3), np.uint8))
    assert main([str(CONFIGS / f'{NAMES[0]}.py'), *SETTINGS, '--input', str(tmp_path)]) == 1
    assert 'expected two frames or more' in capsys.readouterr().err
