"""The parts of the GPU report run on a CPU, too."""

import json
from pathlib import Path

from gpu_report import CONFIGS, main

from mmvod_plugins.engine.where import find_config

TOY = Path(__file__).resolve().parents[3] / 'configs' / 'toy'


def test_every_config_of_the_table_is_there():
    for name in CONFIGS:
        for depth in (50, 101):
            assert find_config(name.format(depth)).is_file()


def test_training_steps(capsys, tmp_path):
    names = [str(next(TOY.glob(pattern))) for pattern in ('faster-rcnn_*', 'mega_*')]
    assert main([str(tmp_path), '--train', *names, '--size', '96', '64', '--rounds', '1',
                 '--device', 'cpu']) == 0
    single, mega = json.loads(capsys.readouterr().out.splitlines()[-1]).values()
    assert single['frames'] == 1
    assert mega['frames'] > 1
    assert mega['seconds'] > 0
