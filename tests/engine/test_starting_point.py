"""What a run starts from is checked before anything is built."""

import os
import sys
from argparse import Namespace

import pytest
import torch

from mmvod_plugins.checkpoints import CheckpointError
from mmvod_plugins.engine import launch
from mmvod_plugins.engine.starting_point import check_starting_point

AUTO = Namespace(resume='auto')


def save(path, **content):
    path.parent.mkdir(exist_ok=True)
    torch.save(dict(state_dict=dict(w=torch.zeros(100)), **content), path)
    return path


@pytest.fixture
def work(tmp_path):
    """A work folder after two checkpoints."""
    for i in (2, 4):
        save(tmp_path / f'work/iter_{i}.pth')
    (tmp_path / 'work/last_checkpoint').write_text(str(tmp_path / 'work/iter_4.pth'))
    return tmp_path / 'work'


def test_an_empty_folder_starts_from_load_from(tmp_path):
    start = save(tmp_path / 'pretrained.pth')
    config = dict(work_dir=str(tmp_path / 'new'), load_from=str(start))
    assert f'the training starts from {start}' in check_starting_point(AUTO, config)
    config['load_from'] = None
    assert 'starts from the beginning' in check_starting_point(AUTO, config)
    config['load_from'] = str(tmp_path / 'missing.pth')
    with pytest.raises(CheckpointError, match=r'missing\.pth does not exist'):
        check_starting_point(AUTO, config)


def test_a_folder_with_checkpoints_is_resumed(work):
    assert check_starting_point(AUTO, dict(work_dir=str(work))) is None


@pytest.mark.parametrize(('damage', 'message'), [
    (lambda work: (work / 'last_checkpoint').write_text(''), 'last_checkpoint: it is empty'),
    (lambda work: (work / 'last_checkpoint').unlink(), r'found no \S+last_checkpoint'),
    (lambda work: (work / 'iter_4.pth').write_bytes(b'PK'), r'iter_4\.pth is cut off'),
    (lambda work: (work / 'iter_4.pth').write_bytes(b''), r'iter_4\.pth is empty'),
    (lambda work: (work / 'iter_4.pth').unlink(), r'iter_4\.pth does not exist'),
])
def test_a_damaged_pointer_or_checkpoint_names_the_newest_intact_one(work, damage, message):
    damage(work)
    with pytest.raises(CheckpointError, match=message) as error:
        check_starting_point(AUTO, dict(work_dir=str(work)))
    assert 'The newest intact checkpoint is' in str(error.value)
    expected = 'iter_4' if message.startswith(('last', 'found')) else 'iter_2'
    assert str(error.value).endswith(f'--resume {work / expected}.pth')


def test_of_two_that_were_written_at_once_the_later_iteration_counts(work):
    (work / 'iter_10.pth').write_bytes((work / 'iter_4.pth').read_bytes())
    for path in work.glob('*.pth'):
        os.utime(path, (1, 1))
    (work / 'last_checkpoint').unlink()
    with pytest.raises(CheckpointError, match=r'--resume \S+iter_10\.pth'):
        check_starting_point(AUTO, dict(work_dir=str(work)))


def test_without_an_intact_one_the_remedy_is_another(work):
    for path in work.glob('*.pth'):
        path.write_bytes(b'')
    with pytest.raises(CheckpointError, match='No intact checkpoint'):
        check_starting_point(AUTO, dict(work_dir=str(work)))


@pytest.mark.parametrize('args', [
    Namespace(checkpoint='none.pth'), Namespace(resume='none.pth'), Namespace(resume=None)])
def test_a_named_checkpoint_must_exist(args):
    with pytest.raises(CheckpointError, match=r'none\.pth does not exist'):
        check_starting_point(args, dict(work_dir='w', load_from='none.pth'))


def test_addresses_are_left_to_the_download():
    assert check_starting_point(Namespace(checkpoint='https://x/y.pth'), dict(work_dir='w')) is None


@pytest.mark.parametrize(('argv', 'expected'), [
    (['c.py', '--resume', '--work-dir', 'w'], ['c.py', '--work-dir', 'w']),
    (['c.py', '--res', 'auto', '--amp'], ['c.py', '--amp']),
    (['--resume=auto', 'c.py'], ['c.py']),
])
def test_resume_leaves_the_command_line(argv, expected):
    assert launch.without_resume(argv) == expected


def test_a_missing_checkpoint_ends_a_test_before_the_run(monkeypatch, tmp_path):
    config = tmp_path / 'c.py'
    config.write_text("work_dir = 'x'")
    monkeypatch.setattr(sys, 'argv', ['test.py', str(config), 'none.pth', '--trust'])
    monkeypatch.setattr(launch, 'guard_mmengine', lambda *, trust: None)
    with pytest.raises(SystemExit, match=r'none\.pth does not exist'):
        launch.run_stock_script('test.py')
