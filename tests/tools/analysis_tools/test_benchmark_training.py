"""The training benchmark measures what it says, on tiny frames."""

import json
from pathlib import Path

import pytest
from benchmark_training import main

TOY = Path(__file__).resolve().parents[3] / 'configs' / 'toy'


@pytest.mark.parametrize('extra', [[], ['--nccl']], ids=['plain', 'group'])
def test_steps_of_two_configs(capsys, tmp_path, extra):
    names = [str(next(TOY.glob(pattern)))
             for pattern in ('faster-rcnn_r18-fpn_1200i*', 'mega_faster*')]
    assert main([*names, '--size', '96', '64', '--scale', '96', '64', '--rounds', '2', '--device',
                 'cpu', '--workers', '1', '--json', str(tmp_path / 'out.json'), *extra]) == 0
    single, mega = json.loads((tmp_path / 'out.json').read_text())
    assert single['frames'] == 8  # images of a batch
    assert 4 < mega['frames'] <= 4 * 6  # four clips of up to six frames
    assert single['ratio']['median'] == 1
    assert len(mega['step']) == 2
    assert all(seconds > 0 for row in (single, mega) for seconds in row['median'].values())
    assert 0 <= mega['waits']['1'] <= 1
    assert mega['config'] in capsys.readouterr().out
