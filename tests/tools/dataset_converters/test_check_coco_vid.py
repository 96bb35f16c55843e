"""Every rule of the validator, one fault at a time."""

import copy
import json

import pytest
from check_coco_vid import check_coco_vid, main
from PIL import Image
from problems import Problem, report


def image(image_id, video_id, frame_id):
    return dict(id=image_id, video_id=video_id, frame_id=frame_id, height=40, width=60,
                file_name=f'{video_id}/{frame_id}.jpg', is_vid_train_frame=True)


def annotation(number, image_id, video_id, instance_id):
    return dict(id=number, image_id=image_id, video_id=video_id, category_id=1,
                instance_id=instance_id, bbox=[1, 2, 10, 10], area=100, iscrowd=False)


GOOD = dict(
    categories=[dict(id=1, name='car'), dict(id=2, name='dog')],
    videos=[dict(id=1, name='a'), dict(id=2, name='b')],
    images=[image(1, 1, 0), image(2, 1, 1), image(3, 1, 2), image(4, 2, 0)],
    annotations=[annotation(1, 1, 1, 1), annotation(2, 2, 1, 1), annotation(3, 4, 2, 2)])


def broken(change):
    content = copy.deepcopy(GOOD)
    change(content)
    return content


def put(part, index, **values):
    """A change that sets fields of an entry; the value ``...`` removes the field."""
    def change(content):
        entry = content[part][index]
        for key, value in values.items():
            if value is ...:
                del entry[key]
            else:
                entry[key] = value
    return change


ERRORS = [
    ('outline', lambda c: c.pop('images'), '"images"'),
    ('outline', lambda c: c.update(annotations={}), '"annotations"'),
    ('outline', lambda c: c.update(videos=None), '"videos"'),
    ('categories', lambda c: c.update(categories=[], annotations=[]), '"categories"'),
    ('category name', put('categories', 0, name=...), 'category 1'),
    ('category name', put('categories', 0, name='dog'), 'category 1'),
    ('duplicate categories id', put('categories', 1, id=1), 'entry 1'),
    ('duplicate images id', put('images', 3, id=1), 'entry 3'),
    ('images id', put('images', 2, id='3'), 'entry 2'),
    ('images id', lambda c: c['images'].append(None), 'entry 4'),
    ('duplicate annotations id', put('annotations', 1, id=1), 'entry 1'),
    ('annotations id', put('annotations', 1, id=...), 'entry 1'),
    ('file_name', put('images', 0, file_name=...), 'image 1'),
    ('image size', put('images', 0, height=0), 'image 1'),
    ('image size', put('images', 3, width=...), 'image 4'),
    ('unknown video', put('images', 0, video_id=7), 'image 1'),
    ('frame_id', put('images', 1, frame_id=...), 'image 2 of video 1'),
    ('frame_id', put('images', 1, frame_id=-1), 'image 2 of video 1'),
    ('duplicate frame_id', put('images', 1, frame_id=0), 'video 1'),
    ('frame_id gap', put('images', 2, frame_id=9), 'video 1'),
    ('frame_id gap', put('images', 3, frame_id=1), 'video 2'),
    ('frame size', put('images', 1, height=41), 'video 1'),
    ('unknown image', put('annotations', 0, image_id=99), 'annotation 1'),
    ('unknown image', put('annotations', 0, image_id=...), 'annotation 1'),
    ('unknown category', put('annotations', 0, category_id=3), 'annotation 1'),
    ('unknown category', put('annotations', 0, category_id=...), 'annotation 1'),
    ('video mismatch', put('annotations', 0, video_id=2), 'annotation 1'),
    ('bbox', put('annotations', 0, bbox=...), 'annotation 1'),
    ('bbox', put('annotations', 0, bbox=[1, 2, 3]), 'annotation 1'),
    ('bbox', put('annotations', 0, bbox=[1, 2, float('nan'), 3]), 'annotation 1'),
    ('loading', put('annotations', 0, iscrowd=2), 'file'),
    ('frame_id gap', put('images', 2, frame_id=1_690_000_000_000), 'video 1'),
    ('duplicate instance', put('annotations', 1, image_id=1), 'annotation 2'),
]
WARNINGS = [
    ('empty video', lambda c: c['videos'].append(dict(id=3, name='c')), 'video 3'),
    ('video name', put('videos', 0, name=...), 'video 1'),
    ('duplicate file_name', put('images', 0, file_name='1/1.jpg'), 'image 1'),
    ('no video_id', put('images', 3, video_id=..., frame_id=...), 'image 4'),
    ('name order', put('images', 1, file_name='1/10.jpg'), 'video 1'),
    ('frame order', lambda c: c['images'].reverse(), 'video 1'),
    ('is_vid_train_frame', put('images', 1, is_vid_train_frame=...), '"images"'),
    ('empty box', put('annotations', 0, bbox=[1, 2, 0, 4]), 'annotation 1'),
    ('area', put('annotations', 0, area=0), 'annotation 1'),
    ('area', put('annotations', 0, area=None), 'annotation 1'),
    ('ignore', put('annotations', 0, ignore=1), 'annotation 1'),
    ('loading', put('images', 0, is_vid_train_frame='1'), 'file'),
    ('box outside', put('annotations', 0, bbox=[60, 2, 4, 4]), 'annotation 1'),
    ('box outside', put('annotations', 0, bbox=[-9, 2, 9, 4]), 'annotation 1'),
    ('box beyond image', put('annotations', 0, bbox=[55, 2, 9, 4]), 'annotation 1'),
    ('instance_id', put('annotations', 0, instance_id=...), 'annotation 1'),
    ('instance_id', put('annotations', 0, instance_id=0), 'annotation 1'),
    ('shared instance', put('annotations', 2, instance_id=1), 'instance 1'),
]


def test_good_file_has_no_problem():
    assert check_coco_vid(GOOD) == []


def test_regions_are_no_objects_and_need_no_instance():
    change = put('annotations', 0, iscrowd=True, instance_id=...)
    assert check_coco_vid(broken(change)) == []


@pytest.mark.parametrize(
    ('kind', 'change', 'where', 'is_error'),
    [(*row, True) for row in ERRORS] + [(*row, False) for row in WARNINGS])
def test_fault_is_found_and_named(kind, change, where, is_error):
    problems = check_coco_vid(broken(change))
    found = [item for item in problems if item.kind == kind]
    assert found, [item.kind for item in problems]
    assert any(where in item.where for item in found)
    assert all(item.is_error == is_error and item.found and item.remedy for item in found)


def test_a_file_without_videos_has_the_warning_of_the_data_sets():
    content = copy.deepcopy(GOOD)
    del content['videos']
    for item in content['images']:
        del item['video_id'], item['frame_id'], item['is_vid_train_frame']
    for item in content['annotations']:
        del item['video_id'], item['instance_id']
    found, = check_coco_vid(content)
    assert (found.kind, found.is_error) == ('loading', False)
    assert '4 of 4 images have no video_id' in found.found
    for item in content['images']:
        item['is_vid_train_frame'] = True  # stills that a converter marked
    assert check_coco_vid(content) == []


@pytest.mark.parametrize('content', [[], 'text', None, 3])
def test_other_json_is_an_error(content):
    assert [item.kind for item in check_coco_vid(content)] == ['outline']


@pytest.mark.parametrize('field', [
    ('images', 'video_id'), ('images', 'frame_id'), ('images', 'width'), ('images', 'file_name'),
    ('annotations', 'image_id'), ('annotations', 'category_id'), ('annotations', 'bbox'),
    ('annotations', 'area'), ('annotations', 'instance_id'), ('categories', 'name'),
    ('videos', 'name')])
def test_no_value_makes_the_validator_itself_fail(field):
    part, key = field
    for value in (None, 'x', 1.5, [1], {}, True, -1):
        assert check_coco_vid(broken(put(part, 0, **{key: value}))) or value in (True, 'x', 1.5)


def write_images(root, size=(60, 40), orientation=None):
    for image in GOOD['images']:
        exif = Image.Exif()
        if orientation:
            exif[0x0112] = orientation
        (root / image['file_name']).parent.mkdir(exist_ok=True)
        Image.new('RGB', size).save(root / image['file_name'], exif=exif.tobytes())


def test_images_are_opened_when_the_folder_is_given(tmp_path):
    write_images(tmp_path)
    assert check_coco_vid(GOOD, tmp_path) == []
    (tmp_path / '1/0.jpg').unlink()
    (tmp_path / '1/1.jpg').write_bytes(b'no image')
    Image.new('RGB', (61, 40)).save(tmp_path / '1/2.jpg')
    assert [(item.kind, item.where) for item in check_coco_vid(GOOD, tmp_path)] == [
        ('file missing', 'image 1'), ('file unreadable', 'image 2'), ('file size', 'image 3')]


@pytest.mark.parametrize(('size', 'orientation', 'kind'), [
    ((60, 40), 1, None), ((60, 40), 3, 'orientation'), ((60, 40), 6, 'file size'),
    ((40, 60), 6, 'orientation'), ((40, 60), 1, 'file size')])
def test_images_that_loading_turns_are_said(tmp_path, size, orientation, kind):
    write_images(tmp_path, size, orientation)
    found = check_coco_vid(GOOD, tmp_path)
    assert [item.kind for item in found] == ([kind] * 4 if kind else [])
    assert all(f'EXIF orientation {orientation}' in item.found or orientation == 1
               for item in found)


def test_many_problems_are_summarised():
    problems = [Problem('old', f'image {i}', 'is old', 'renew it') for i in range(25)]
    problems.insert(0, Problem('odd', 'image 3', 'is odd', 'look', is_error=False))
    lines = report(problems, limit=2)
    assert lines == [
        'error [old] image 0: is old; renew it', 'error [old] image 1: is old; renew it',
        'error [old] and 23 more of this kind', 'warning [odd] image 3: is odd; look',
        '25 errors, 1 warnings']


@pytest.mark.parametrize(('change', 'options', 'code'), [
    (lambda c: None, [], 0), (lambda c: None, ['--strict'], 0),
    (WARNINGS[0][1], [], 0), (WARNINGS[0][1], ['--strict'], 1), (ERRORS[0][1], [], 1)])
def test_exit_code(tmp_path, change, options, code):
    (tmp_path / 'a.json').write_text(json.dumps(broken(change)))
    assert main([str(tmp_path / 'a.json'), *options]) == code


def test_unreadable_file_is_named(tmp_path, capsys):
    (tmp_path / 'a.json').write_text('{')
    assert main([str(tmp_path / 'a.json')]) == 1
    assert 'a.json is not a valid json' in capsys.readouterr().err


def test_script_runs(tmp_path, run_tool):
    (tmp_path / 'a.json').write_text(json.dumps(broken(ERRORS[5][1])))
    done = run_tool('check_coco_vid.py', tmp_path / 'a.json')
    assert done.returncode == 1
    assert 'error [category name] category 1' in done.stdout
