"""The benchmark of STMN's memories runs."""

import re
from pathlib import Path

from benchmark_stmm import main

CONFIG = Path(__file__).resolve().parents[3] / 'configs/toy/stmn_rfcn_r18_400i_toyvid.py'


def test_benchmark(capsys):
    assert main(['--config', str(CONFIG), '--size', '96', '64', '--frames', '2',
                 '--repetitions', '1']) == 0
    printed = capsys.readouterr().out
    for part, unit in (('encoding', 'frame'), ('detection', 'frame'), ('memories', 'frame'),
                       ('MatchTrans', 'pair'), ('FlowNetS', 'pair')):
        assert re.search(rf'^{part}: \S+ ms per {unit}$', printed, re.M)
    assert re.search(r'^memories: \d+% of a frame; MatchTrans: 1/\S+ of FlowNetS$', printed, re.M)
