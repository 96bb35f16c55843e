"""The GPU report calls existing programs, with arguments that they take, for existing configs."""

import benchmark_training
import benchmark_video
import gpu_report
import pytest

from mmvod_plugins.engine.where import find_config

PARSERS = {'benchmark_video.py': benchmark_video.parse_args,
           'benchmark_training.py': benchmark_training.parse_args}


def test_every_config_of_the_table_is_there():
    for name in gpu_report.CONFIGS:
        for depth in (50, 101):
            assert find_config(name.format(depth)).is_file()


@pytest.mark.parametrize('device', ['cuda', 'cpu'])
def test_every_command_is_one_that_its_program_takes(monkeypatch, tmp_path, device):
    commands = []
    monkeypatch.setattr(gpu_report, 'run', lambda command, out: commands.append(command) or [])
    assert gpu_report.main([str(tmp_path), '--no-tests', '--device', device]) == 0
    parsed = [(program.rpartition('/')[2], arguments) for _, program, *arguments in commands]
    assert {name for name, _ in parsed} == set(PARSERS)
    for name, arguments in parsed:
        args = PARSERS[name](arguments)
        assert len(args.configs) == 2
        assert args.device == device
    trained = [arguments for name, arguments in parsed if name == 'benchmark_training.py']
    assert any('--nccl' in arguments for arguments in trained)
    assert any('--amp' in arguments for arguments in trained) == (device == 'cuda')


def test_what_fails_is_named_and_does_not_stop_the_rest(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(gpu_report, 'run', lambda command, out: [f'{out} ends with 1'])
    assert gpu_report.main([str(tmp_path), '--no-tests', '--precisions', 'fp32']) == 1
    assert 'train_mega' in capsys.readouterr().out
