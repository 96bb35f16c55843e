"""A large annotation file, of which a window is held, is read as a small one is as a whole."""

import json
import tracemalloc
import warnings

import numpy as np
import pytest

from mmvod_plugins.datasets import annotation_cache, coco_vid_file, large_json
from mmvod_plugins.datasets.coco_entries import CocoEntries
from mmvod_plugins.datasets.large_json import PackedGroups, json_blocks
from mmvod_plugins.evaluation.functional import GroundTruth

from .conftest import build

WHOLE = 10**9


def content():
    """Two videos of frames in turn, and two objects in each of them, in another order."""
    images = [dict(id=2 * t + v, video_id=v, frame_id=t, file_name=f'{v}/{t}.png', height=48,
                   width=64, is_vid_train_frame=True) for t in range(6) for v in (1, 2)]
    annotations = [dict(id=2 * n + j, image_id=image['id'], category_id=1 + j, instance_id=j,
                        bbox=[n + .5, 2, 20, 30], area=600, iscrowd=False)
                   for n, image in enumerate(images) for j in range(2)]
    annotations = [annotations[7 * n % 24] for n in range(24)]
    return dict(info=dict(year=2015, version={'a': [1]}), licenses=[],
                categories=[dict(id=1, name='cup'), dict(id=2, name='pen')],
                videos=[dict(id=2, name='second'), dict(id=1, name='first')],
                images=images, annotations=annotations)


def all_of(part, key, value):
    def change(data):
        for entry in data[part]:
            entry[key] = value(entry.get(key)) if callable(value) else value
    return change


def one_of(part, number, **values):
    return lambda data: data[part][number].update(values)


def without(part, key):
    def change(data):
        for entry in data[part]:
            del entry[key]
    return change


def with_text_ids(data):
    for part, keys in dict(images=('id', 'video_id', 'frame_id', 'width'), videos=('id', ),
                           annotations=('image_id', 'instance_id', 'area')).items():
        for entry in data[part][::2]:
            entry.update({key: str(entry[key]) for key in keys})


def with_stills(data):
    del data['videos']
    for image in data['images'][2:]:
        del image['video_id']


def with_odd_names(data):
    for n, image in enumerate(data['images']):
        image['file_name'] = f'}}], "\\/{n}\u00e9\u4e2d\U0001f600.png'
    data['videos'][0]['name'] = '{"\u00fc": [}'


def with_masks(data):
    for entry in data['annotations']:
        entry['segmentation'] = dict(size=[48, 64], counts='a}b', of=[dict(a={}), dict(b=[[1]])])


ODD = {
    'plain': lambda data: None,
    'texts': with_text_ids,
    'text instances': all_of('annotations', 'instance_id', 'dog{}'.format),
    'frames not named': without('images', 'frame_id'),
    'frames from 5': all_of('images', 'frame_id', lambda i: i + 5),
    'no objects named': without('annotations', 'id'),
    'no instances': without('annotations', 'instance_id'),
    'one without instance': one_of('annotations', 17, instance_id=None),
    'no marks': without('images', 'is_vid_train_frame'),
    'no areas': without('annotations', 'area'),
    'odd areas': one_of('annotations', 21, area=-1),
    'infinite area': one_of('annotations', 20, area=float('inf')),
    'small box': one_of('annotations', 9, bbox=[1, 2, .5, 3]),
    'no box': one_of('annotations', 19, bbox=[1]),
    'region': one_of('annotations', 3, iscrowd=1, instance_id=None),
    'orphans': one_of('annotations', 14, image_id=99),
    'no image': one_of('annotations', 15, image_id=None),
    'unknown category': one_of('annotations', 13, category_id=7),
    'stills': with_stills,
    'names': with_odd_names,
    'masks': with_masks,
    'empty videos': lambda data: data['videos'].append(dict(id=9, name='none')),
    'no videos': lambda data: data.pop('videos'),
    'null videos': lambda data: data.update(videos=None),
    'no annotations': lambda data: data.update(annotations=[]),
    'unlisted annotations': lambda data: data.pop('annotations'),
    'categories last': lambda data: data.update(categories=data.pop('categories')),
    'more lists': lambda data: data.update(more=[[1, 2], 'a', {}, None], last=1.5e3),
}
WRONG = {
    'image twice': one_of('images', 5, id=1),
    'frame twice': one_of('images', 5, frame_id=1),
    'sizes': one_of('images', 7, width=10),
    'bad id': one_of('annotations', 16, category_id=1.5),
    'missing name': one_of('images', 8, file_name=None),
    'other categories': all_of('annotations', 'category_id', 8),
    'no images': lambda data: data.update(images=[]),
    'not a list': lambda data: data.update(annotations={'1': {}}),
    'not an object': lambda data: data['images'].insert(7, 4),
}
#: Texts that are read as a whole: another order, or no such json.
TEXTS = {
    'annotations first': lambda data: json.dumps(dict(sorted(data.items()))),
    'key twice': lambda data: json.dumps(data)[:-1] + ', "annotations": []}',
    'cut': lambda data: json.dumps(data)[:-3],
    'cut in a text': lambda data: json.dumps(data)[:700],
    'comma': lambda data: json.dumps(data)[:-2] + ',]}',
    'more': lambda data: json.dumps(data) + ' {}',
    'bytes of order': lambda data: '\ufeff' + json.dumps(data),
    'a list': lambda data: json.dumps([data]),
    'nothing': lambda data: '',
    'empty': lambda data: '{}',
    'key': lambda data: '{1: 2}',
    'comma in object': lambda data: json.dumps(data)[:-1] + ', }',
}


def outcome(path):
    """What is read, with warnings; of both users of the file, or their errors."""
    found = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        for read in (build, GroundTruth.from_coco_vid):
            try:
                found.append(read(path))
            except ValueError as error:
                found.append(str(error))
    dataset, truth = found
    if not isinstance(dataset, str):
        dataset = [dataset.metainfo, [(dataset.get_data_info(v), dataset.key_frame_ids(v))
                                      for v in range(len(dataset))]]
    if not isinstance(truth, str):
        truth = {key: value.tolist() if isinstance(value, np.ndarray) else value
                 for key, value in vars(truth).items()}
    return dataset, truth, sorted(str(warning.message) for warning in caught)


def set_window(monkeypatch, window):
    monkeypatch.setattr(annotation_cache, 'LARGE', 0)
    monkeypatch.setattr(large_json, 'WINDOW', window)


def forbid_the_whole(monkeypatch):
    monkeypatch.setattr(coco_vid_file, 'read_json', None)


@pytest.mark.parametrize('window', [1, 90, 1500, WHOLE])
@pytest.mark.parametrize('name', ODD)
def test_blocks_are_the_file(tmp_path, monkeypatch, name, window):
    data, path = content(), tmp_path / 'a.json'
    ODD[name](data)
    path.write_text(json.dumps(data))
    expected = outcome(path)
    assert isinstance(expected[1], dict)
    set_window(monkeypatch, window)
    forbid_the_whole(monkeypatch)
    assert outcome(path) == expected


@pytest.mark.parametrize('name', WRONG)
def test_errors_are_those_of_the_whole_file(tmp_path, monkeypatch, name):
    data, path = content(), tmp_path / 'a.json'
    WRONG[name](data)
    path.write_text(json.dumps(data))
    expected = outcome(path)
    assert isinstance(expected[0], str)
    set_window(monkeypatch, 300)
    assert outcome(path) == expected


@pytest.mark.parametrize('window', [1, 300])
@pytest.mark.parametrize('name', TEXTS)
def test_other_files_are_read_as_a_whole(tmp_path, monkeypatch, name, window):
    path = tmp_path / 'a.json'
    path.write_text(TEXTS[name](content()), encoding='utf-8')
    expected = outcome(path)
    set_window(monkeypatch, window)
    assert CocoEntries.from_blocks(str(path)) is None
    assert outcome(path) == expected


def test_another_encoding_is_an_error_of_the_whole_file(tmp_path, monkeypatch):
    path = tmp_path / 'a.json'
    path.write_bytes(json.dumps(content()).replace('first', 'f\u00fcr').encode('latin-1'))
    expected = outcome(path)
    set_window(monkeypatch, 300)
    assert 'is not a valid json' in expected[0]
    assert outcome(path) == expected


@pytest.mark.parametrize('layout', [dict(indent=2), dict(separators=(',', ':')),
                                    dict(ensure_ascii=False), dict(indent='\t')])
@pytest.mark.parametrize('window', [1, 17, 512])
def test_space_and_escapes_do_not_matter(tmp_path, monkeypatch, layout, window):
    data, path = content(), tmp_path / 'a.json'
    with_odd_names(data)
    with_masks(data)
    path.write_bytes(json.dumps(data, **layout).replace('\n', '\r\n').encode() + b' \r\n')
    expected = outcome(path)
    set_window(monkeypatch, window)
    forbid_the_whole(monkeypatch)
    assert outcome(path) == expected


def test_blocks_of_a_file_are_its_values(tmp_path, monkeypatch):
    data, path = content(), tmp_path / 'a.json'
    path.write_text(json.dumps(data))
    monkeypatch.setattr(large_json, 'WINDOW', 400)
    found, counts = {}, {}
    for key, value in json_blocks(path):
        found[key] = found.get(key, []) + value if isinstance(value, list) else value
        counts[key] = counts.get(key, 0) + 1
    assert found == data
    assert counts['annotations'] > 5


def test_packed_groups_are_a_dictionary_of_lists_in_any_order():
    groups, plain = PackedGroups({key: key % 3 for key in range(9)}), {}
    for block in ({0: [1], 4: [2, 3]}, {4: [4], 3: [5]}, {8: [{'a': None}]}):
        groups.add(block)
        for key, entries in block.items():
            plain.setdefault(key, []).extend(entries)
    assert dict(groups) == plain
    assert len(groups) == len(plain)
    for key in (4, 0, 8, 3, 7, 99, 4):
        assert groups.get(key, []) == plain.get(key, [])
    for key in (0, 3, 4, 8):  # groups in a row
        assert groups.pop(key) == plain.pop(key)
        assert groups.pop(key, 5) == 5
    assert not dict(groups)


def test_a_block_holds_a_part_of_the_memory(tmp_path, monkeypatch):
    data, path = content(), tmp_path / 'a.json'
    data['annotations'] *= 60
    path.write_text(json.dumps(data))
    monkeypatch.setattr(large_json, 'WINDOW', 2**12)
    peaks = []
    for read in (CocoEntries.from_blocks,
                 lambda path: CocoEntries.from_content(coco_vid_file.read_json(path), path)):
        tracemalloc.start()
        read(str(path))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] < peaks[1] / 3
