"""``tools/train.py``, ``tools/test.py`` and the shell scripts around them."""

import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from mmvod_plugins.engine import launch

ROOT = Path(__file__).resolve().parents[2]
ENVIRON = os.environ | {'PYTHONPATH': str(ROOT)}


@pytest.mark.parametrize('name', ['train.py', 'test.py'])
def test_the_installed_scripts_are_found_and_can_be_asked(name, monkeypatch):
    monkeypatch.setattr(sys, 'argv', [name, 'config.py', 'weights.pth'][:2 + (name == 'test.py')])
    args = launch.read_arguments(launch.stock_script(name))
    assert args.config == 'config.py'
    assert args.launcher == 'none'


def test_a_mmdet_without_tools_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(launch.mmdet, '__file__', str(tmp_path / 'mmdet' / '__init__.py'))
    with pytest.raises(FileNotFoundError, match=r'was installed without its train\.py'):
        launch.stock_script('train.py')


@pytest.mark.parametrize(('args', 'device', 'message'), [
    ({'amp': True}, 'cpu', '--amp needs a GPU'),
    ({'amp': True}, 'mps', '--amp needs a GPU'),
    ({'amp': True}, 'cuda', None),
    ({'amp': False}, 'cpu', None),
    ({'tta': True, 'out': None}, 'cuda', '--tta is not possible'),
    ({'tta': False, 'out': None}, 'cpu', None),
])
def test_what_cannot_work_is_refused(args, device, message):
    problem = launch.refusal(Namespace(**args), device)
    assert problem is None if message is None else problem.startswith(message)


def test_an_existing_config_is_forwarded_unchanged(tmp_path):
    config = tmp_path / 'mine.py'
    config.touch()
    argv = [str(config), '--cfg-options', 'a.b=1', 'c=[1,2]', '--resume']
    assert launch.with_config_path(argv, str(config)) == argv


def test_an_installed_config_may_be_named():
    argv = ['--work-dir', 'out', 'cpu_distributed', '--amp']
    changed = launch.with_config_path(argv, 'cpu_distributed')
    assert changed[:2] + changed[3:] == ['--work-dir', 'out', '--amp']
    assert Path(changed[2]).samefile(ROOT / 'configs/_base_/cpu_distributed.py')


@pytest.mark.parametrize(('argv', 'expected'), [
    (['c.py', 'w.pth', '--out', 'p.npz'], ['c.py', 'w.pth', '--cfg-options', 'OPTIONS']),
    (['c.py', '--out=p.npz', 'w.pth', '--work-dir', 'out'],
     ['c.py', 'w.pth', '--work-dir', 'out', '--cfg-options', 'OPTIONS']),
    (['c.py', 'w.pth', '--o', 'p.npz', '--cfg-options', 'a=1', 'b=2', '--show'],
     ['c.py', 'w.pth', '--cfg-options', 'OPTIONS', 'a=1', 'b=2', '--show']),
])
def test_out_becomes_a_runner(argv, expected):
    options = ['runner_type=VideoRunner', 'dump_predictions=p.npz']
    where = expected.index('OPTIONS')
    expected = expected[:where] + options + expected[where + 1:]
    assert launch.with_predictions(argv, 'p.npz') == expected


def test_out_with_another_runner_is_refused(monkeypatch, tmp_path):
    config = tmp_path / 'c.py'
    config.write_text("runner_type = 'MyRunner'")
    (tmp_path / 'w.pth').write_bytes(b'\x80')
    monkeypatch.setattr(sys, 'argv', ['test.py', str(config), str(tmp_path / 'w.pth'), '--out',
                                      'p.npz'])
    monkeypatch.setattr(launch, 'guard_mmengine', lambda *, trust: None)
    with pytest.raises(SystemExit, match=r"'MyRunner'.*type='DumpVideoPredictions', out='p\.npz'"):
        launch.run_stock_script('test.py')


@pytest.mark.parametrize(('environ', 'heard'), [
    ({}, True), ({'RANK': '0'}, True), ({'RANK': '1'}, False), ({'SLURM_PROCID': '3'}, False),
])
def test_only_the_first_process_speaks(monkeypatch, capsys, environ, heard):
    for name in ('RANK', 'SLURM_PROCID'):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    launch.notify('a sentence')
    assert ('a sentence' in capsys.readouterr().out) is heard


def test_an_unknown_config_ends_with_one_sentence(tmp_path):
    done = subprocess.run([sys.executable, str(ROOT / 'tools/train.py'), 'no_such_config.py'],
                          cwd=tmp_path, env=ENVIRON, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no config 'no_such_config.py'" in done.stderr
    assert 'Traceback' not in done.stderr


def test_tta_is_refused_before_the_run(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['test.py', 'cpu_distributed', 'weights.pth', '--tta'])
    with pytest.raises(SystemExit, match='--tta is not possible'):
        launch.run_stock_script('test.py')


@pytest.fixture
def recorder(tmp_path):
    """A command that prints the arguments it gets, one per line."""
    path = tmp_path / 'recorder'
    path.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(('script', 'arguments', 'expected'), [
    ('dist_train.sh', ['c.py', '2'], ['train.py', 'c.py', '--launcher', 'pytorch']),
    ('dist_test.sh', ['c.py', 'w.pth', '2'], ['test.py', 'c.py', 'w.pth', '--launcher', 'pytorch']),
    ('slurm_train.sh', ['part', 'job', 'c.py', 'out'],
     ['train.py', 'c.py', '--work-dir', 'out', '--launcher', 'slurm']),
    ('slurm_test.sh', ['part', 'job', 'c.py', 'w.pth'],
     ['test.py', 'c.py', 'w.pth', '--launcher', 'slurm']),
])
def test_shell_scripts_forward_every_argument(script, arguments, expected, recorder, tmp_path):
    (tmp_path / 'srun').symlink_to(recorder)
    options = ['--cfg-options', 'a=[1, 2]', "b='x y'"]
    environ = ENVIRON | {'PYTHON': str(recorder), 'PATH': f'{tmp_path}:{os.environ["PATH"]}'}
    done = subprocess.run([str(ROOT / 'tools' / script), *arguments, *options], check=True,
                          env=environ, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    start = next(i for i, line in enumerate(lines) if line.endswith(f'/{expected[0]}'))
    assert Path(lines[start]).exists()
    assert lines[start + 1:] == [*expected[1:], *options]


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh',
                                    'slurm_test.sh'])
def test_shell_scripts_say_how_to_use_them(script):
    done = subprocess.run([str(ROOT / 'tools' / script), 'c.py'], check=False,
                          capture_output=True, text=True)
    assert done.returncode == 2
    assert 'usage: ' in done.stderr
