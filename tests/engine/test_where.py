import subprocess
import sys
from pathlib import Path

import pytest

from mmvod_plugins.engine import where

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def configs(tmp_path):
    for name in ('mega/mega_r50.py', '_base_/twice.py', 'mega/twice.py'):
        path = tmp_path / 'configs' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / 'configs'


@pytest.mark.parametrize('name', [
    'mega_r50', 'mega_r50.py', 'mega/mega_r50', 'mega/mega_r50.py', 'configs/mega/mega_r50.py',
])
def test_a_config_is_found_by_name_and_by_path(configs, name):
    assert where.find_config(name, configs) == configs / 'mega/mega_r50.py'


@pytest.mark.parametrize(('name', 'words'), [
    ('mega_r101', "no config 'mega_r101' in"),
    ('twice', "several configs are called 'twice', name one of: _base_/twice.py, mega/twice.py"),
])
def test_a_name_that_does_not_say_which_is_refused(configs, name, words):
    with pytest.raises(FileNotFoundError, match=words):
        where.find_config(name, configs)


def test_the_installed_folder_comes_before_the_checkout(tmp_path):
    package = tmp_path / 'package'
    (tmp_path / 'configs').mkdir()
    assert where.installed_folder('configs', package) == tmp_path / 'configs'
    (package / '.mim' / 'configs').mkdir(parents=True)
    assert where.installed_folder('configs', package) == package / '.mim' / 'configs'
    with pytest.raises(FileNotFoundError, match='installed without its tools'):
        where.installed_folder('tools', package)


@pytest.mark.parametrize(('name', 'expected'), [
    ('configs', 'configs'), ('tools', 'tools'), ('configs/_base_/', 'configs/_base_'),
    ('cpu_distributed', 'configs/_base_/cpu_distributed.py'),
])
def test_the_printed_path_exists(name, expected, capsys):
    where.main([name])
    assert Path(capsys.readouterr().out.strip()).samefile(ROOT / expected)


@pytest.mark.parametrize(('arguments', 'words'), [
    (['nothing_of_ours'], "no config 'nothing_of_ours'"), ([], 'python -m mmvod_plugins.where'),
    (['--help'], 'python -m mmvod_plugins.where'),
])
def test_a_wrong_call_ends_with_words(arguments, words):
    with pytest.raises(SystemExit, match=words):
        where.main(arguments)


def test_the_command_runs():
    done = subprocess.run([sys.executable, '-m', 'mmvod_plugins.where', 'configs'], cwd=ROOT,
                          capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).samefile(ROOT / 'configs')
