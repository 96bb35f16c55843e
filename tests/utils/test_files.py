"""Files are written whole or not at all, and never over what is read."""

import errno
import os

import pytest

from mmvod_plugins.utils import files
from mmvod_plugins.utils.files import check_output, replacing, write_text


def test_a_text_replaces_the_old_one_or_leaves_it(tmp_path):
    path = tmp_path / 'new' / 'a.json'
    write_text(path, 'old')
    with pytest.raises(UnicodeEncodeError):
        write_text(path, 'x\udc00')
    assert path.read_text() == 'old'

    def full(part):
        part.write_text('ha')
        raise OSError(errno.ENOSPC, 'No space left on device')
    with pytest.raises(OSError, match=r'No space left.*new/a\.json'), replacing(path) as part:
        full(part)
    assert path.read_text() == 'old'
    assert [p.name for p in path.parent.iterdir()] == ['a.json']


def test_links_are_followed_and_devices_are_written_to(tmp_path):
    (tmp_path / 'link').symlink_to(tmp_path / 'target')
    write_text(tmp_path / 'link', 'text')
    assert (tmp_path / 'link').is_symlink()
    assert (tmp_path / 'target').read_text() == 'text'
    check_output(os.devnull)
    write_text(os.devnull, 'text')
    with pytest.raises(OSError, match='not a regular file'), replacing(os.devnull):
        pass
    assert not os.path.isfile(os.devnull)


def test_outputs_are_checked_without_a_trace(tmp_path):
    read = tmp_path / 'read.json'
    read.write_text('{}')
    check_output(tmp_path / 'x/y/z.json', [read, tmp_path / 'none'], ('.json', ))
    assert os.listdir(tmp_path) == ['read.json']
    for name in (read, tmp_path / 'x' / '..' / 'read.json'):
        (tmp_path / 'x').mkdir(exist_ok=True)
        with pytest.raises(ValueError, match=r'read\.json is read and would be overwritten'):
            check_output(name, [read])
    with pytest.raises(ValueError, match=r'a\.txt must end with \.json or \.npz'):
        check_output(tmp_path / 'a.txt', suffixes=('.json', '.npz'))
    with pytest.raises(IsADirectoryError, match='is a folder'):
        check_output(tmp_path)
    with pytest.raises(NotADirectoryError, match=r'read\.json accepts no new file'):
        check_output(read / 'a.json')


def test_a_folder_that_takes_no_file_is_named(tmp_path, monkeypatch):
    def refuse(**_):
        raise OSError(errno.EROFS, 'Read-only file system')
    monkeypatch.setattr(files.tempfile, 'TemporaryFile', refuse)
    with pytest.raises(OSError, match=r'a\.json cannot be written: .*Read-only file system'):
        check_output(tmp_path / 'a.json')
