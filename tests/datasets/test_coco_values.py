"""Values of a json that are not as the format says: refused, or read with a count."""

import copy
import json
import warnings

import numpy as np
import pytest

from mmvod_plugins.datasets import CocoVIDDataset
from mmvod_plugins.datasets.coco_values import read_json
from mmvod_plugins.datasets.coco_vid_file import CocoVIDFile
from mmvod_plugins.evaluation.functional import GroundTruth


def content():
    """A video of twelve frames with one object each."""
    images = [dict(id=i, video_id=1, frame_id=i - 1, file_name=f'{i - 1}.png', height=48, width=64)
              for i in range(1, 13)]
    annotations = [dict(id=i, image_id=i, category_id=1 + i % 2, instance_id=i, bbox=[i, 2, 20, 30],
                        area=600, iscrowd=0) for i in range(1, 13)]
    return dict(categories=[dict(id=1, name='cup'), dict(id=2, name='pen')],
                videos=[dict(id=1, name='clip')], images=images, annotations=annotations)


def changed(part, key, value):
    """The file with a key of every entry of a list set, or changed by a function."""
    data = content()
    for entry in data[part]:
        entry[key] = value(entry.get(key)) if callable(value) else value
    return data


def read(data):
    """Ground truth of the file and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        truth = GroundTruth.from_coco_vid(data)
    return truth, [str(item.message) for item in caught]


OBJECTS = ('boxes', 'labels', 'crowd', 'num_boxes')


def equal(first, second, names=(*OBJECTS, 'areas', 'img_shapes')):
    return first.image_ids == second.image_ids and all(
        np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


@pytest.mark.parametrize(('part', 'key', 'write', 'count'), [
    ('images', 'id', str, 12), ('images', 'frame_id', str, 12), ('images', 'width', str, 12),
    ('images', 'height', float, 12), ('images', 'video_id', str, 12), ('videos', 'id', str, 1),
    ('categories', 'id', str, 2), ('annotations', 'category_id', str, 12),
    ('annotations', 'category_id', '{:.1f}'.format, 12), ('annotations', 'image_id', str, 12),
    ('annotations', 'image_id', float, 12), ('annotations', 'instance_id', str, 12),
    ('annotations', 'bbox', lambda box: [str(v) for v in box], 12),
    ('annotations', 'area', str, 12), ('annotations', 'iscrowd', str, 12),
    ('annotations', 'iscrowd', lambda _: 'false', 12),
    ('annotations', 'area', lambda _: None, 12), ('annotations', 'area', lambda _: 0, 12),
    ('annotations', 'area', lambda _: -3, 12), ('annotations', 'area', lambda _: 'much', 12),
    ('annotations', 'area', lambda _: float('nan'), 12),
])
def test_values_are_read_as_meant_with_one_warning_and_a_count(part, key, write, count):
    plain, none = read(content())
    data = changed(part, key, write)
    before = copy.deepcopy(data)
    found, caught = read(data)
    assert not none
    assert equal(found, plain)
    assert len(caught) == 1
    assert caught[0].startswith(f'annotations: {count} {part} have ')
    assert 'the first one: ' in caught[0]
    assert repr(data) == repr(before)


@pytest.mark.parametrize(('part', 'key', 'value'), [
    ('images', 'id', None), ('images', 'id', True), ('images', 'id', 1.5), ('images', 'id', [1]),
    ('images', 'id', 2**63), ('images', 'file_name', None), ('images', 'file_name', 7),
    ('images', 'file_name', ''), ('images', 'video_id', {}), ('images', 'video_id', float('nan')),
    ('images', 'frame_id', 'first'), ('images', 'frame_id', 0.5), ('images', 'frame_id', True),
    ('images', 'height', 0), ('images', 'width', -4), ('images', 'width', 10**9),
    ('images', 'height', 'tall'), ('images', 'height', float('nan')),
    ('images', 'is_vid_train_frame', 'maybe'), ('videos', 'id', None),
    ('categories', 'id', None), ('categories', 'name', None), ('categories', 'name', 3),
    ('annotations', 'category_id', None), ('annotations', 'category_id', [1]),
    ('annotations', 'category_id', True), ('annotations', 'image_id', False),
    ('annotations', 'instance_id', {}), ('annotations', 'iscrowd', 2),
    ('annotations', 'ignore', 'some'),
])
def test_what_cannot_be_read_is_named_with_entry_key_value_and_remedy(part, key, value):
    one = {'categories': 'category'}.get(part, part[:-1])
    with pytest.raises(ValueError, match=rf'^annotations: ({one}|entry 0) .*{key} .*expected '):
        GroundTruth.from_coco_vid(changed(part, key, value))


@pytest.mark.parametrize(('part', 'value'), [
    ('images', {'1': {}}), ('annotations', {'1': {}}), ('annotations', 'none'), ('videos', 3)])
def test_lists_are_lists(part, value):
    with pytest.raises(ValueError, match=rf'{part} is a (dict|str|int), expected a list'):
        GroundTruth.from_coco_vid(content() | {part: value})


@pytest.mark.parametrize('part', ['images', 'annotations', 'videos', 'categories'])
def test_entries_are_objects(part):
    data = content()
    data[part].append(None)
    with pytest.raises(ValueError, match=rf'entry \d+ of {part} is None, expected an object'):
        GroundTruth.from_coco_vid(data)


def test_frame_ids_written_as_text_are_ordered_as_numbers():
    with pytest.warns(UserWarning, match='12 images have frame_id written as text'):
        video, = CocoVIDFile(changed('images', 'frame_id', str)).videos()
    assert [image['file_name'] for image in video['images']] == [f'{i}.png' for i in range(12)]


def test_time_stamps_are_frame_ids():
    data = changed('images', 'frame_id', lambda i: 1_690_000_000_000 + 40 * i)
    with pytest.warns(UserWarning, match='renumbered'):
        video, = CocoVIDFile(data).videos()
    assert [image['frame_id'] for image in video['images']] == list(range(12))


@pytest.mark.parametrize('ids', [(0, 1), (2, 3), ('a', 'b'), (99, 99)],
                         ids=['from 0', 'shifted', 'names', 'unlisted'])
def test_category_ids_of_another_numbering_are_refused(ids):
    data = changed('annotations', 'category_id', lambda i: ids[i - 1])
    with pytest.raises(ValueError, match=r'of 12 annotations have a category_id that no category '
                       r'has \(the first one: annotation \d+, .*the ids 1, 2\)'):
        GroundTruth.from_coco_vid(data)


def test_single_unknown_categories_are_counted():
    data = content()
    data['annotations'][3]['category_id'] = 7
    truth, caught = read(data)
    assert len(truth.boxes) == 11
    assert len(caught) == 1
    assert '1 of 12 annotations have a category_id that no category has' in caught[0]
    assert 'annotation 4, category_id 7' in caught[0]


def test_single_unknown_categories_of_text_are_counted():
    data = changed('annotations', 'category_id', lambda i: 'cp'[i - 1])
    for category, category_id in zip(data['categories'], 'cp', strict=True):
        category['id'] = category_id
    data['annotations'][3]['category_id'] = 'z'
    truth, caught = read(data)
    assert len(truth.boxes) == 11
    assert len(caught) == 1
    assert "category_id 'z'" in caught[0]


def test_boxes_without_area_are_dropped_as_too_small_without_another_warning():
    data = content()
    data['annotations'][5].update(bbox=[3, 4, 0, 9], area=0)
    truth, caught = read(data)
    assert len(truth.boxes) == 11
    assert [text.split(': ', 1)[1] for text in caught] == [
        'boxes were dropped: 1 of less than one pixel']


@pytest.mark.parametrize('key', ['id', 'name'])
def test_a_category_used_twice_is_refused(key):
    data = content()
    data['categories'][1][key] = data['categories'][0][key]
    with pytest.raises(ValueError, match=f'category {key} .* occurs more than once'):
        GroundTruth.from_coco_vid(data)


def test_without_categories_annotations_are_not_dropped_in_silence():
    with pytest.raises(ValueError, match='12 of 12 annotations have a category_id'):
        CocoVIDFile(content() | dict(categories=[]))


def test_ignored_objects_are_said():
    data = content()
    data['annotations'][2]['ignore'] = 1
    truth, caught = read(data)
    assert len(truth.boxes) == 11
    assert len(caught) == 1
    assert '1 marked "ignore"' in caught[0]
    assert 'iscrowd' in caught[0]


@pytest.mark.parametrize(('written', 'expected'), [
    (['dog', 'cat', 'dog'], [0, 1, 0]), ([2**40, 5, 2**40], [0, 1, 0]), ([3, None, 5], [3, 0, 5])],
    ids=['text', 'larger than int32', 'one is null'])
def test_instance_ids_become_numbers_that_mmdet_can_store(tmp_path, written, expected):
    data = content()
    for entry, instance_id in zip(data['annotations'], written, strict=False):
        entry['instance_id'] = instance_id
    data['annotations'] = data['annotations'][:3]
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(data))
    dataset = CocoVIDDataset(ann_file=str(path), pipeline=[], test_mode=True)
    frames = dataset.get_data_info(0)['images'][:3]
    assert [frame['instances'][0]['instance_id'] for frame in frames] == expected


@pytest.mark.parametrize('text', [b'{"images": [', b'\xff\xfe\x00', b'', b'[' * 100_000],
                         ids=['cut', 'no text', 'empty', 'deep'])
def test_a_file_that_is_no_json_is_named(tmp_path, text):
    (tmp_path / 'a.json').write_bytes(text)
    with pytest.raises(ValueError, match=r'a\.json is not a valid json .*convert'):
        read_json(str(tmp_path / 'a.json'))


# Images without videos


def stills(marked=False):
    data = content()
    data.pop('videos')
    for image in data['images']:
        del image['video_id'], image['frame_id']
        if marked:
            image['is_vid_train_frame'] = True
    return data


def test_images_without_videos_are_said_in_data_set_and_metric():
    for reader in (lambda data: CocoVIDFile(data).videos(), GroundTruth.from_coco_vid):
        with pytest.warns(UserWarning, match=r'12 of 12 images have no video_id.*without time.*'
                          'coco2coco_vid.py'):
            reader(stills())


def test_single_images_without_video_are_counted():
    data = content()
    del data['images'][4]['video_id']
    assert any('1 of 12 images have no video_id' in text for text in read(data)[1])


def test_still_images_that_a_converter_marked_are_meant():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert len(CocoVIDFile(stills(marked=True)).videos()) == 12


ODD = [None, True, False, 0, -1, 1.5, 2**70, 10**400, float('nan'), float('inf'), '', ' ', 'x',
       '1', '1.0', '-0', '\u0661', [], [1], {}, {'a': 1}, [None] * 4, ['a'] * 4]
KEYS = [(part, key) for part, entry in (
    ('categories', ('id', 'name')), ('videos', ('id', 'name')),
    ('images', ('id', 'video_id', 'frame_id', 'file_name', 'height', 'width',
                'is_vid_train_frame')),
    ('annotations', ('image_id', 'category_id', 'instance_id', 'bbox', 'area', 'iscrowd',
                     'ignore', 'video_id'))) for key in entry]


@pytest.mark.parametrize(('part', 'key'), KEYS)
def test_no_odd_value_changes_objects_in_silence(part, key):
    """Each is an error with the key, a warning, or changes nothing."""
    plain, _ = read(content())
    for position in (0, -1):
        for value in ODD:
            data = content()
            data[part][position][key] = value
            try:
                found, caught = read(data)
            except ValueError as error:
                assert str(error).startswith('annotations: ')  # noqa: PT017 warned or raised
                continue
            meant = key == 'iscrowd' and value is True
            assert caught or meant or equal(found, plain, OBJECTS), (position, value)
