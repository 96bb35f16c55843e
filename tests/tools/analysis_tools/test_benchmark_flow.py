"""The benchmark runs on small models; an FGFA key frame costs what its parts cost."""

import re
from pathlib import Path

import pytest
from benchmark_flow import main

TOY = Path(__file__).resolve().parents[3] / 'configs' / 'toy'
SMALL = ['--size', '64', '48', '--repetitions', '2', '--device', 'cpu']


def test_both_methods(capsys):
    configs = [str(next(TOY.glob(f'{method}_*.py'))) for method in ('dff', 'fgfa')]
    assert main([*configs, *SMALL]) == 0
    printed = capsys.readouterr()
    assert printed.err.count('repetition 2 of 2') == 2
    assert re.search(r'^  mean frame \(interval 4\) / single frame +\S+ \(\S+ to \S+\)$',
                     printed.out, re.M)
    assert 'flow, 8 pairs' in printed.out
    assert re.search(r'^  key frame / sum of its parts +\S+ \(\S+ to \S+\)$', printed.out, re.M)


def test_another_method_is_refused():
    with pytest.raises(SystemExit, match='give a config of FGFA or DFF'):
        main([str(TOY / 'mega_faster-rcnn_r18-fpn_400i_toyvid.py'), *SMALL])
