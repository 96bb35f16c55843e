"""The compact form of an annotation file: the same data set, made anew when the file changes."""

import json
import os
import pickle
import warnings

import numpy as np
import pytest

from mmvod_plugins.datasets import CocoVIDDataset
from mmvod_plugins.datasets.annotation_cache import load_plain

from . import conftest
from .test_coco_vid import build, frames_of


def caches(path):
    return sorted(path.parent.glob(f'.{path.name}.*.cache.npy'))


@pytest.mark.parametrize('test_mode', [False, True])
def test_a_cached_data_set_is_the_data_set(tiny_json, test_mode):
    plain, first, second = (build(tiny_json, test_mode=test_mode, cache_above=above)
                            for above in (None, 0, 0))
    assert not first._mapped
    assert second._mapped
    assert len(caches(tiny_json)) == 1
    assert (second.metainfo, second.cat2label) == (plain.metainfo, plain.cat2label)
    assert len(second) == len(plain) == 2
    for video in (0, 1, -1):
        assert second.get_data_info(video) == plain.get_data_info(video)
    for video in range(2):
        assert second.key_frame_ids(video) == plain.key_frame_ids(video)
        assert second.video_id(video) == plain.video_id(video)
        assert second.get_len_per_video(video) == plain.get_len_per_video(video)


def test_other_settings_have_another_cache(tiny_json):
    for classes in (('class_0', ), ('class_1', )):
        build(tiny_json, metainfo=dict(classes=classes), test_mode=True, cache_above=0)
        dataset = build(tiny_json, metainfo=dict(classes=classes), test_mode=True, cache_above=0)
        assert dataset.metainfo['classes'] == classes
    assert len(caches(tiny_json)) == 2


def test_a_changed_file_is_read_anew(tiny_json):
    build(tiny_json, cache_above=0)
    content = json.loads(tiny_json.read_text())
    content['images'] = content['images'][:-1]
    tiny_json.write_text(json.dumps(content))
    os.utime(tiny_json, ns=(0, 1))
    assert not build(tiny_json, cache_above=0)._mapped
    dataset = build(tiny_json, cache_above=0)
    assert dataset._mapped
    assert dataset.num_all_imgs == len(content['images'])
    assert len(caches(tiny_json)) == 1


@pytest.mark.parametrize('damage', [b'', b'no array', None])
def test_a_damaged_cache_is_made_anew(tiny_json, damage):
    build(tiny_json, cache_above=0)
    [path] = caches(tiny_json)
    path.write_bytes(path.read_bytes()[:-1] if damage is None else damage)
    dataset = build(tiny_json, cache_above=0)
    assert not dataset._mapped
    assert frames_of(dataset)
    assert build(tiny_json, cache_above=0)._mapped


def test_warnings_come_every_time(tiny_json):
    content = json.loads(tiny_json.read_text())
    for image in content['images']:
        image['frame_id'] += 5
    tiny_json.write_text(json.dumps(content))
    for mapped in (False, True):
        with pytest.warns(UserWarning, match='are not 0'):
            assert build(tiny_json, cache_above=0)._mapped is mapped


def test_small_files_have_no_cache(tiny_json):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        build(tiny_json)
    assert not caches(tiny_json)


def test_a_cache_cannot_run_code():
    with pytest.raises(pickle.UnpicklingError, match=r'os\.|posix'):
        load_plain(np.frombuffer(pickle.dumps(os.system), np.uint8))
    assert load_plain(np.frombuffer(pickle.dumps({'a': [1, 'b']}), np.uint8)) == {'a': [1, 'b']}


def test_a_file_that_is_replaced_while_it_is_read_gets_no_stale_cache(tiny_json, monkeypatch):
    content = json.loads(tiny_json.read_text())
    content['images'] = content['images'][:-1]
    load = CocoVIDDataset.load_data_list

    def replaced_meanwhile(self):
        found = load(self)
        tiny_json.write_text(json.dumps(content))
        os.utime(tiny_json, ns=(0, 1))
        return found

    monkeypatch.setattr(CocoVIDDataset, 'load_data_list', replaced_meanwhile)
    build(tiny_json, cache_above=0)
    monkeypatch.undo()
    assert build(tiny_json, cache_above=0).num_all_imgs == len(content['images'])


def test_a_subclass_has_a_cache_of_its_own(tiny_json, monkeypatch):
    class Mine(CocoVIDDataset):
        pass

    build(tiny_json, cache_above=0)
    monkeypatch.setattr(conftest, 'CocoVIDDataset', Mine)
    assert not build(tiny_json, cache_above=0)._mapped
    assert len(caches(tiny_json)) == 2
