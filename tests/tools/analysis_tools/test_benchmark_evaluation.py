"""The benchmark runs, and finds no difference."""

import re

import pytest
from benchmark_evaluation import main


@pytest.mark.parametrize(('frames', 'plain'), [(60, 60), (60, 40), (60, 0)])
def test_benchmark(frames, plain, capsys):
    assert main(['--frames', str(frames), '--detections-per-frame', '20',
                 '--plain-frames', str(plain)]) == 0
    printed = capsys.readouterr().out
    assert f'package: {frames} frames x 20 detections' in printed
    found = re.search(r'ratio \d+; largest difference of an AP (\S+)', printed)
    assert (found is not None) == bool(plain)
    assert found is None or float(found[1]) < 1e-12
