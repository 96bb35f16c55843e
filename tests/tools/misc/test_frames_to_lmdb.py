"""Frames in an LMDB database: written by the tool, read by the data set."""

import pickle
import sys

import pytest
import torch
from frames_to_lmdb import copy_frames, file_names, main

from mmvod_plugins.datasets import CocoVIDDataset, LoadVideoFrame
from tests.datasets.conftest import build, stream_pipeline
from tests.datasets.tiny_vid import make_tiny_vid

lmdb = pytest.importorskip('lmdb', reason='the extra lmdb is not installed')


@pytest.fixture
def base(tmp_path):
    path = make_tiny_vid(tmp_path / 'ä folder')
    out = tmp_path / 'out' / 'frames.lmdb'
    assert main([str(path), str(path.parent), str(out)]) == 0
    return path, out


def test_a_dataset_reads_the_same_frames(base):
    path, out = base
    pipeline = stream_pipeline()
    pipeline[0]['transforms'][0]['backend_args'] = dict(backend='lmdb', db_path=str(out))
    files = build(path, test_mode=True)
    stored = CocoVIDDataset(ann_file=str(path), test_mode=True, pipeline=pipeline)
    stored = pickle.loads(pickle.dumps(stored))  # as a worker gets it
    for video, length in ((0, 4), (1, 3)):
        for frame in range(length):
            assert torch.equal(files[video, frame]['inputs'], stored[video, frame]['inputs'])


def test_an_interrupted_copy_goes_on_and_a_second_set_fits(base, tmp_path):
    path, out = base
    with lmdb.open(str(out), map_size=1 << 20) as opened, opened.begin(write=True) as change:
        change.delete(b'video_1/000002.jpg')
        change.put(b'video_0/000001.jpg', b'kept')
    assert copy_frames(file_names(path), path.parent, out) == []
    (tmp_path / 'more').mkdir()
    (tmp_path / 'more' / 'large.jpg').write_bytes(bytes(3 << 20))
    assert copy_frames(['large.jpg'], tmp_path / 'more', out) == []
    with lmdb.open(str(out)) as opened, opened.begin() as read:
        assert read.stat()['entries'] == 8
        assert read.get(b'video_0/000001.jpg') == b'kept'
        assert read.get(b'video_1/000002.jpg') == (path.parent / 'video_1/000002.jpg').read_bytes()


def test_frames_that_are_missing_are_named(base, tmp_path, capsys):
    path, _ = base
    (path.parent / 'video_0/000003.jpg').unlink()
    out = tmp_path / 'second.lmdb'
    assert main([str(path), str(path.parent), str(out)]) == 1
    captured = capsys.readouterr()
    assert '6 of 7 frames' in captured.out
    assert 'video_0/000003.jpg: No such file' in captured.err
    load = LoadVideoFrame(backend_args=dict(backend='lmdb', db_path=str(out)))
    with pytest.raises(OSError, match='the storage does not have it'):
        load(dict(img_path='video_0/000003.jpg'))


def test_names_that_are_no_keys_and_a_missing_package(base, tmp_path, capsys, monkeypatch):
    path, out = base
    other = tmp_path / 'other.json'
    other.write_text(path.read_text().replace('video_0/', 'vidéo/'))
    assert main([str(other), str(path.parent), str(out)]) == 1
    assert 'ASCII' in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, 'lmdb', None)
    assert main([str(path), str(path.parent), str(out)]) == 1
    assert "'mmvod_plugins[lmdb]'" in capsys.readouterr().err
