"""The decisions of ``tools/setup_env.py``; the commands themselves need minutes."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tools import setup_env
from tools.setup_env import Action, Environment, Found, Machine, SetupError, Stamp, Toolchain

ROOT = Path(__file__).resolve().parents[1]
MACHINE = Machine(python=(3, 11), missing_modules=(), free_gb=50.0)
TOOLCHAIN = Toolchain(compiler='g++', has_headers=True)
STAMP = Stamp(key='k', python='3.11', root='/repo', torch_index='')
COMPLETE = Found(usable=True, unfinished=False, stamp=STAMP)


@pytest.mark.parametrize('python', [(3, 10), (3, 11), (3, 12)])
def test_supported_pythons_are_accepted(python):
    assert replace(MACHINE, python=python).problem() is None


@pytest.mark.parametrize(('machine', 'words'), [
    (replace(MACHINE, python=(3, 9)), 'Python 3.9 cannot be used, it must be 3.10 to 3.12'),
    (replace(MACHINE, python=(3, 13)), 'make setup PYTHON='),
    (replace(MACHINE, missing_modules=('ensurepip', )), 'apt install python3.11-venv'),
    (replace(MACHINE, free_gb=1.25), '1.2 GB are free where the repository lies and 4 GB'),
], ids=['old', 'new', 'no-venv', 'disk'])
def test_a_machine_that_will_not_do_is_named_with_the_remedy(machine, words):
    assert words in machine.problem()
    assert machine.problem().endswith('.')
    assert '\n' not in machine.problem()


@pytest.mark.parametrize(('toolchain', 'words'), [
    (TOOLCHAIN, None),
    (replace(TOOLCHAIN, compiler=None), 'apt install g++'),
    (replace(TOOLCHAIN, has_headers=False), 'apt install python3-dev'),
    (replace(TOOLCHAIN, needs_nvcc=True), 'nvcc was not found'),
    (replace(TOOLCHAIN, needs_nvcc=True, nvcc='nvcc'), None),
], ids=['complete', 'no-compiler', 'no-headers', 'no-nvcc', 'nvcc'])
def test_what_compiling_needs(toolchain, words):
    problem = toolchain.problem()
    assert problem is None if words is None else words in problem


@pytest.mark.parametrize(('found', 'wanted', 'this_python', 'action'), [
    (COMPLETE, STAMP, False, Action.NOTHING),
    (COMPLETE, STAMP, True, Action.NOTHING),
    (COMPLETE, replace(STAMP, key='new'), False, Action.COMPLETE),
    (COMPLETE, replace(STAMP, python='3.12'), False, Action.NOTHING),
    (COMPLETE, replace(STAMP, python='3.12'), True, Action.REBUILD),
    (COMPLETE, replace(STAMP, root='/moved'), False, Action.REBUILD),
    (COMPLETE, replace(STAMP, torch_index='cpu'), False, Action.REBUILD),
    (replace(COMPLETE, stamp=replace(STAMP, torch_index='cpu')), STAMP, False, Action.NOTHING),
    (replace(COMPLETE, unfinished=True), STAMP, False, Action.REBUILD),
    (replace(COMPLETE, usable=False), STAMP, False, Action.REBUILD),
    (replace(COMPLETE, stamp=replace(STAMP, key='')), STAMP, False, Action.COMPLETE),
    (Found(usable=True, unfinished=False, stamp=None), STAMP, False, Action.COMPLETE),
    (Found(usable=False, unfinished=False, stamp=None), STAMP, False, Action.REFUSE),
], ids=['second-run', 'second-run-named', 'new-pins', 'other-python-found', 'other-python-named',
        'moved', 'other-torch', 'torch-kept', 'interrupted', 'broken', 'step-failed',
        'made-by-hand', 'foreign'])
def test_what_happens_to_an_environment(found, wanted, this_python, action):
    assert setup_env.decide(found, wanted, this_python=this_python) is action


def test_the_pins_are_exact_and_hold_what_the_script_installs_first():
    text = (ROOT / 'requirements.txt').read_text()
    pinned = setup_env.pins(text)
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith('#')]
    assert sorted(pinned.values()) == sorted(lines)
    assert {'torch', 'onedl-mmcv', 'setuptools', 'wheel', 'ninja'} <= pinned.keys()


@pytest.mark.parametrize(('log', 'words'), [
    ('OSError: [Errno 28] No space left on device', 'the disk is full'),
    ('ERROR: No matching distribution found for torch==2.13.0', 'TORCH_INDEX_URL'),
    ('ImportError: libGL.so.1: cannot open shared object file', 'apt install libgl1'),
    ('error: something else', 'see the lines above'),
], ids=['disk', 'no-source', 'opencv', 'other'])
def test_a_failed_step_is_explained(log, words):
    assert words in setup_env.explain(log)


@pytest.fixture
def environment(tmp_path):
    environment = Environment(tmp_path)
    environment.folder.mkdir()
    return environment


def test_a_missing_environment_is_not_found(tmp_path):
    assert Environment(tmp_path).found() is None


def test_a_stamp_is_read_back(environment):
    environment.write(STAMP)
    assert environment.found() == Found(usable=False, unfinished=False, stamp=STAMP)


@pytest.mark.parametrize('text', ['', '{"key": "k"}', '{"other": 1}'])
def test_a_stamp_that_cannot_be_read_is_none(environment, text):
    (environment.folder / 'mmvod_setup.json').write_text(text)
    assert environment.found().stamp is None


def test_a_step_that_ends_leaves_no_mark(environment):
    environment.run('step', 'at once', [sys.executable, '-c', 'print("written")'])
    assert not environment.found().unfinished
    assert 'written' in environment.log.read_text()


def test_a_failing_step_shows_its_last_lines_and_leaves_no_mark(environment, capsys):
    with pytest.raises(SetupError, match='the disk is full'):
        environment.run('step', 'at once',
                        [sys.executable, '-c', 'raise SystemExit("No space left on device")'])
    assert 'No space left on device' in capsys.readouterr().out
    assert not environment.found().unfinished


def test_a_killed_step_leaves_its_mark(environment, monkeypatch):
    def killed(process, _):
        process.kill()
        process.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(setup_env, '_wait', killed)
    with pytest.raises(KeyboardInterrupt):
        environment.run('step', 'long', [sys.executable, '-c', 'import time; time.sleep(60)'])
    assert environment.found().unfinished


def test_ending_a_step_ends_what_it_started(environment, monkeypatch):
    """As pip starts compilers: they must not go on when the set-up is interrupted."""
    started = environment.root / 'started'
    code = ('import pathlib, subprocess, sys; '
            'child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]); '
            f'pathlib.Path({str(started)!r}).write_text(str(child.pid)); child.wait()')

    def interrupt(_):
        deadline = time.monotonic() + 30
        while not (started.exists() and started.read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(setup_env, 'HEARTBEAT_SEC', 0.01)
    monkeypatch.setattr(setup_env, 'say', lambda text: 'working' in text and interrupt(text))
    with pytest.raises(KeyboardInterrupt):
        environment.run('step', 'long', [sys.executable, '-c', code])
    child = Path('/proc', started.read_text(), 'stat')
    deadline = time.monotonic() + 10
    while child.exists() and ') Z ' not in child.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not child.exists() or ') Z ' in child.read_text()


def test_an_mmcv_without_operators_is_refused_with_the_command(environment, monkeypatch):
    monkeypatch.setattr(environment, 'succeeds',
                        lambda code: (False, "ModuleNotFoundError: No module named 'mmcv._ext'"))
    with pytest.raises(SetupError, match=r'mmcv\._ext.*--no-build-isolation') as refused:
        setup_env.check(environment, 'onedl-mmcv==2.3.6')
    assert '\n' not in str(refused.value)


def test_a_complete_environment_is_left_alone(tmp_path):
    """The second run, through the command itself, on a repository whose stamp fits."""
    (tmp_path / 'tools').mkdir()
    for name in setup_env.KEY_FILES:
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    environment = Environment(tmp_path)
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to(sys.executable)
    environment.write(setup_env.wanted_stamp(tmp_path, ''))
    done = subprocess.run([sys.executable, 'tools/setup_env.py'], cwd=tmp_path, check=False,
                          capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')


def test_the_stamp_is_plain_json(environment):
    environment.write(STAMP)
    written = json.loads((environment.folder / 'mmvod_setup.json').read_text())
    assert written == {'key': 'k', 'python': '3.11', 'root': '/repo', 'torch_index': ''}
