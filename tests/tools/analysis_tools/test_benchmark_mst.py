"""The benchmark of MST's components runs."""

import re
from pathlib import Path

from benchmark_mst import main
from mmengine.config import Config

from tests.models.tiny import shrink

CONFIGS = Path(__file__).resolve().parents[3] / 'configs/mst'


def test_benchmark(capsys, tmp_path):
    config = Config.fromfile(
        CONFIGS / 'mst_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py')
    Config(dict(model=shrink(config.model))).dump(tmp_path / 'config.py')
    assert main(['--config', str(tmp_path / 'config.py'), '--size', '96', '64', '--frames', '2',
                 '--reductions', '1', '2']) == 0
    printed = capsys.readouterr().out
    cost = r'\d+ ms, (\d+|\?|-\d+) MB, [\d.]+ G operations'
    for part in ('backbone, per frame', 'DAlign, per pair', 'FlowNetS, per pair',
                 'frame level, keys reduced by 2: all frames', r'instance level, \d+ objects .*'):
        assert re.search(rf'^{part}: {cost}$', printed, re.M), part
    assert re.search(r'^FlowNetS: 38\.\d+ M parameters \(table IV: 38.68\)', printed, re.M)
