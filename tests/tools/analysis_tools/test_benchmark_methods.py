"""The benchmark of methods measures shipped configs."""

from pathlib import Path

from benchmark_methods import main

CONFIGS = Path(__file__).resolve().parents[3] / 'configs/toy'


def test_a_row_for_every_config(capsys):
    names = ['faster-rcnn_r18-fpn_1200i_toyvid', 'mega_faster-rcnn_r18-fpn_400i_toyvid']
    assert main([*(str(CONFIGS / f'{name}.py') for name in names), '--size', '64', '48',
                 '--frames', '2', '--device', 'cpu']) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-2:]]
    assert [row[0] for row in rows] == names
    assert all(float(number) > 0 for row in rows for number in row[1:3])
