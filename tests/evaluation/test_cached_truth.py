"""Ground truth from the compact form of an annotation file is that of the file."""

import json
import os
import warnings
from dataclasses import fields

import numpy as np
import pytest

from mmvod_plugins.evaluation.cached_truth import read_truth
from mmvod_plugins.evaluation.functional import GroundTruth

CLASSES = ('car', 'bus')


@pytest.fixture
def path(tmp_path):
    images = [dict(id=name, file_name=f'{name}.jpg', video_id=video, frame_id=frame_id, width=64,
                   height=48, dim=bool(frame_id))
              for video, name, frame_id in ((1, 'a', 0), (1, 'b', 1), (2, 'c', 0), (2, 'd', 1))]
    annotations = [
        dict(id=n, image_id=image, category_id=n % 2 + 1, bbox=[n, 2.5, 20, 10], instance_id=n % 3,
             area=150.25, iscrowd=n == 4) for n, image in enumerate('aabdd')]
    annotations.append(dict(id=9, image_id='a', category_id=1, bbox=[1, 1, 0, 5], instance_id=3))
    found = tmp_path / 'ann.json'
    found.write_text(json.dumps(dict(
        images=images, annotations=annotations, videos=[dict(id=1, name='x'), dict(id=2, name='y')],
        categories=[dict(id=1, name='car'), dict(id=2, name='bus')])))
    return found


def caches(path):
    return sorted(path.parent.glob(f'.{path.name}.*.cache.npy'))


def count_readings(monkeypatch):
    calls, original = [], GroundTruth.from_coco_vid
    monkeypatch.setattr(GroundTruth, 'from_coco_vid', staticmethod(
        lambda *args, **kwargs: (calls.append(1), original(*args, **kwargs))[1]))
    return calls


@pytest.mark.parametrize('degraded', [None, 'dim'])
@pytest.mark.parametrize('instances', [True, False])
def test_kept_truth_is_the_truth(path, degraded, instances, monkeypatch):
    if not instances:
        content = json.loads(path.read_text())
        del content['annotations'][1]['instance_id']
        path.write_text(json.dumps(content))
    calls = count_readings(monkeypatch)
    found = []
    for above in (None, 0, 0):
        with pytest.warns(UserWarning, match='boxes were dropped: 1 of less than one pixel'):
            found.append(read_truth(str(path), CLASSES, degraded=degraded, cache_above=above))
    assert len(calls) == 2
    plain, *others = found
    for other in others:
        for field in fields(GroundTruth):
            expected, value = getattr(plain, field.name), getattr(other, field.name)
            assert type(value) is type(expected), field.name
            np.testing.assert_array_equal(value, expected)
            assert getattr(value, 'dtype', None) == getattr(expected, 'dtype', None)


@pytest.mark.filterwarnings('ignore:.*boxes were dropped')
def test_classes_and_changed_files_are_told_apart(path, monkeypatch):
    calls = count_readings(monkeypatch)
    read_truth(str(path), CLASSES, cache_above=0)
    assert read_truth(str(path), ('bus', ), cache_above=0).num_classes == 1
    assert len(calls) == len(caches(path)) == 2
    content = json.loads(path.read_text())
    content['annotations'].pop()
    content['annotations'].pop()
    path.write_text(json.dumps(content))
    os.utime(path, ns=(0, 1))
    assert len(read_truth(str(path), CLASSES, cache_above=0).boxes) == 4
    assert len(calls) == 3


@pytest.mark.filterwarnings('ignore:.*boxes were dropped')
def test_small_files_and_contents_in_memory_keep_nothing(path):
    read_truth(str(path), CLASSES)
    read_truth(json.loads(path.read_text()), CLASSES, cache_above=0)
    assert not caches(path)


@pytest.mark.filterwarnings('ignore:.*boxes were dropped')
def test_a_folder_that_cannot_be_written_to_is_no_error(path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError('no')

    monkeypatch.setattr('mmvod_plugins.datasets.annotation_cache.replacing', refuse)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        warnings.filterwarnings('ignore', message='.*boxes were dropped')
        assert read_truth(str(path), CLASSES, cache_above=0).num_frames == 4
    assert not caches(path)
