"""``tools/setup_env.sh`` with an interpreter that writes down what it is asked to do."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PINS = ('requirements.txt', 'requirements/common.txt', 'requirements/official.txt',
        'docs/requirements.txt')
FILES = (*PINS, 'setup.cfg', 'setup.py', 'tools/setup_env.sh')
#: Stands for Python: prints its version, creates environments, and fails where FAIL fits.
FAKE = '''#!/bin/sh
case "$*" in
    "-c import sys"*) echo "${FAKE_VERSION:-3.11}"; exit ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
esac
echo "$*" >>calls
[ -z "$FAIL" ] || case "$*" in *"$FAIL"*) exit 1 ;; esac
'''


@pytest.fixture
def setup(tmp_path):
    """A copy of what the set-up reads; runs it and returns the exit code, text and calls."""
    for folder in ('tools', 'docs', 'requirements'):
        (tmp_path / 'repo dir' / folder).mkdir(parents=True)
    (tmp_path / 'bin').mkdir()
    for name in FILES:
        shutil.copy2(ROOT / name, tmp_path / 'repo dir' / name)
    for name in ('python3', 'python3.12'):
        (tmp_path / 'bin' / name).write_text(FAKE)
        (tmp_path / 'bin' / name).chmod(0o755)

    def run(folder='repo dir', *stack, **environment):
        calls = tmp_path / folder / 'calls'
        calls.unlink(missing_ok=True)
        done = subprocess.run(
            [tmp_path / folder / 'tools' / 'setup_env.sh', *stack], check=False,
            capture_output=True, text=True, timeout=60,
            env=dict(PATH=f'{tmp_path}/bin:{os.environ["PATH"]}', **environment))
        return (done.returncode, done.stdout + done.stderr,
                calls.read_text().splitlines() if calls.exists() else [])

    run.root = tmp_path
    return run


def steps(calls):
    """The first pinned or named thing of each installation."""
    found = (re.search(r'install.* ([\w.-]+(?===)|-r|-e)', call) for call in calls)
    return [step[1] for step in found if step]


def test_a_new_environment_is_installed_in_the_order_in_which_it_can_be_built(setup):
    code, text, calls = setup()
    assert code == 0, text
    assert calls[0] == '-m venv .venv'
    assert steps(calls) == ['ninja', 'torch', 'onedl-mmcv', '-r', '-e']
    assert any('--no-build-isolation onedl-mmcv==' in call for call in calls)


def test_the_official_stack_has_an_environment_and_an_mmcv_of_its_own(setup):
    setup()
    code, text, calls = setup('repo dir', 'official')
    assert code == 0, text
    assert calls[0] == '-m venv .venv-official'
    assert steps(calls) == ['ninja', 'torch', 'mmcv', '-r', '-e']
    assert setup() == setup('repo dir', 'official') == (0, '', [])


def test_a_stack_without_pins_is_refused(setup):
    code, text, _ = setup('repo dir', 'unknown')
    assert code != 0
    assert 'requirements/unknown.txt' in text


def test_the_second_run_does_nothing(setup):
    setup()
    assert setup() == (0, '', [])
    assert setup(PYTHON='python3') == (0, '', [])


def test_new_pins_are_installed_into_the_same_environment(setup):
    setup()
    with (setup.root / 'repo dir' / 'requirements.txt').open('a') as file:
        file.write('another==1.0\n')
    _, _, calls = setup()
    assert '-m venv .venv' not in calls
    assert '-r' in steps(calls)
    assert setup()[2] == []


@pytest.mark.parametrize('step', ['-m venv', 'torch==', 'onedl-mmcv==', '-r requirements', '-e .'])
def test_an_environment_whose_set_up_ended_early_is_made_anew(setup, step):
    assert setup(FAIL=step)[0] != 0
    code, _, calls = setup()
    assert code == 0
    assert calls[0] == '-m venv .venv'


def test_the_index_of_torch_is_used_for_torch_alone_and_kept(setup):
    _, _, calls = setup(TORCH_INDEX_URL='https://example.org/cpu')
    assert [call for call in calls if '--index-url' in call] == [
        call for call in calls if 'install torch==' in call]
    assert setup()[2] == []
    assert setup(TORCH_INDEX_URL='https://example.org/gpu')[2][0] == '-m venv .venv'


def test_another_python_rebuilds_only_when_it_is_named(setup):
    setup()
    assert setup(FAKE_VERSION='3.12')[2] == []
    assert setup(FAKE_VERSION='3.12', PYTHON='python3.12')[2][0] == '-m venv .venv'


def test_a_moved_repository_gets_a_new_environment(setup):
    setup()
    (setup.root / 'repo dir').rename(setup.root / 'moved')
    assert setup('moved')[2][0] == '-m venv .venv'


def test_an_environment_made_by_hand_is_completed(setup):
    folder = setup.root / 'repo dir' / '.venv' / 'bin'
    folder.mkdir(parents=True)
    shutil.copy2(setup.root / 'bin' / 'python3', folder / 'python')
    _, _, calls = setup()
    assert '-m venv .venv' not in calls
    assert '-e' in steps(calls)


@pytest.mark.parametrize(('environment', 'words'), [
    (dict(FAKE_VERSION='3.9'), 'Python 3.9 cannot be used, it must be 3.10 to 3.12'),
    (dict(FAKE_VERSION='3.13'), 'make setup PYTHON='),
    (dict(PYTHON='python-that-is-missing'), 'cannot be started'),
    (dict(FAIL='mmcv._ext'), 'docs/troubleshooting.md'),
], ids=['old', 'new', 'missing', 'no-operators'])
def test_a_machine_that_will_not_do_is_named_with_the_remedy(setup, environment, words):
    code, text, _ = setup(**environment)
    assert code != 0
    assert words in text


def test_an_mmcv_that_does_not_fit_torch_is_built_again_without_the_cache(setup):
    _, _, calls = setup(FAIL='mmcv._ext')
    assert any('--force-reinstall --no-cache-dir' in call and 'onedl-mmcv==' in call
               for call in calls)


@pytest.mark.parametrize(('stack', 'names'), [
    ('requirements.txt', {'onedl-mmcv', 'onedl-mmengine', 'onedl-mmdetection'}),
    ('requirements/official.txt', {'mmcv', 'mmengine', 'mmdet'}),
], ids=['onedl', 'official'])
def test_the_pins_are_exact_and_hold_what_is_installed_first(stack, names):
    lines = [line for name in (stack, 'requirements/common.txt')
             for line in (ROOT / name).read_text().splitlines()
             if line.strip() and not line.startswith(('#', '-r'))]
    found = [re.fullmatch(r'([\w.-]+)==[\w.]+', line)[1] for line in lines]
    assert names | {'torch', 'setuptools', 'wheel', 'ninja'} <= set(found)
    assert len(found) == len(set(found))
