"""The benchmark runs, and both programs give the same."""

import re

from benchmark_relation import main


def test_benchmark(capsys):
    assert main(['--steps', '2', '--proposals', '12', '--frames', '3', '--memory', '2', '--topk',
                 '6', '--distilled', '2', '--channels', '32', '--heads', '4']) == 0
    printed = capsys.readouterr().out
    assert '18 queries, 30 references, 32 channels, 4 heads' in printed
    assert re.search(r'^literal: \S+ s per call, \d+ MB$', printed, re.M)
    assert re.search(r'^package: \S+ s per call, \d+ MB$', printed, re.M)
    found = re.search(r'\S+ times faster; \S+ times less memory; largest difference (\S+)', printed)
    assert float(found[1]) < 1e-5
