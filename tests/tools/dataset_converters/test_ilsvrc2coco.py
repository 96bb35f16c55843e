"""The converters write what MMTracking's converters write."""

import json

import pytest
from ilsvrc import (
    VID_CATEGORIES,
    IlsvrcError,
    VideoEntry,
    find_list,
    key_frames,
    read_image_list,
    read_video_list,
    read_xml,
    train_frame_numbers,
)
from ilsvrc2coco_det import main as main_det
from ilsvrc2coco_vid import main as main_vid

CAR, DOG, DET_ONLY = 'n02958343', 'n02084071', 'n07739125'
TRAIN = 'train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000'
VAL = 'val/ILSVRC2015_val_00000000'


def obj(wnid, box, track=None, occluded=0, generated=0):
    x1, y1, x2, y2 = box
    state = '' if track is None else (
        f'<occluded>{occluded}</occluded><generated>{generated}</generated>')
    return (f'<object><trackid>{track}</trackid>' if track is not None else '<object>') + (
        f'<name>{wnid}</name><bndbox><xmax>{x2}</xmax><xmin>{x1}</xmin><ymax>{y2}</ymax>'
        f'<ymin>{y1}</ymin></bndbox>{state}</object>')


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_xml(root, name, *objects, size=(40, 60)):
    write(root / 'Annotations' / f'{name}.xml', f'<annotation><size><width>{size[1]}</width>'
          f'<height>{size[0]}</height></size>{"".join(objects)}</annotation>')


@pytest.fixture
def tree(tmp_path):
    """A tree of one training video, two validation videos, and three still images."""
    write_xml(tmp_path, f'VID/{TRAIN}/000000', obj(CAR, (1, 2, 11, 22), 7),
              obj(DOG, (0, 0, 5, 5), 3, generated=1))
    write_xml(tmp_path, f'VID/{TRAIN}/000001')
    write_xml(tmp_path, f'VID/{TRAIN}/000002', obj(DOG, (1, 0, 6, 5), 3, occluded=1),
              obj(DET_ONLY, (0, 0, 9, 9), 4), obj(CAR, (2, 2, 2, 9), 7))
    write_xml(tmp_path, f'VID/{VAL}/000000', obj(CAR, (3, 3, 9, 9), 0))
    write_xml(tmp_path, 'VID/val/ILSVRC2015_val_00000001/000000', obj(CAR, (3, 3, 9, 9), 0),
              size=(30, 30))
    write_xml(tmp_path, 'DET/train/ILSVRC2013_train/n1/a', obj(DET_ONLY, (0, 0, 4, 4)))
    write_xml(tmp_path, 'DET/train/ILSVRC2014_train_0001/b', obj(DOG, (0, 0, 4, 6)))
    write_xml(tmp_path, 'DET/train/ILSVRC2014_train_0000/c', obj(DET_ONLY, (1, 1, 4, 4)),
              obj(CAR, (0, 0, 8, 6)))
    return tmp_path


def converted(root, name):
    return json.loads((root / f'annotations/{name}.json').read_text())


CATEGORIES = [
    dict(id=7, name='car', encode_name=CAR), dict(id=9, name='dog', encode_name=DOG)]


def image(video, frame_id, ids, key=False, size=(40, 60)):
    image_id, video_id = ids
    return dict(file_name=f'{video}/{frame_id:06d}.JPEG', height=size[0], width=size[1],
                id=image_id, frame_id=frame_id, video_id=video_id, is_vid_train_frame=key)


def annotation(number, links, bbox, occluded=False, generated=False):
    video_id, image_id, category_id, instance_id = links
    return dict(id=number, video_id=video_id, image_id=image_id, category_id=category_id,
                bbox=bbox, area=bbox[2] * bbox[3], iscrowd=False, instance_id=instance_id,
                occluded=occluded, generated=generated)


def test_vid_json_is_exactly_that_of_mmtracking(tree):
    write(tree / 'Lists/VID_train_15frames.txt', f'{TRAIN} 1 1 3\n{TRAIN} 1 3 3\n')
    write(tree / 'Lists/VID_val_videos.txt',
          f'val/ILSVRC2015_val_00000001 1 0 1\n{VAL} 2 0 1\n')
    assert main_vid([str(tree)]) == 0
    train, val = (converted(tree, f'imagenet_vid_{split}') for split in ('train', 'val'))
    assert list(train) == ['categories', 'videos', 'images', 'annotations']
    assert train['categories'] == list(VID_CATEGORIES)
    assert [item for item in CATEGORIES if item in train['categories']] == CATEGORIES
    assert train['videos'] == [dict(id=1, name=TRAIN, vid_train_frames=[0, 2])]
    assert train['images'] == [image(TRAIN, 0, (1, 1), key=True), image(TRAIN, 1, (2, 1)),
                               image(TRAIN, 2, (3, 1), key=True)]
    assert train['annotations'] == [
        annotation(1, (1, 1, 7, 1), [1, 2, 10, 20]),
        annotation(2, (1, 1, 9, 2), [0, 0, 5, 5], generated=True),
        annotation(3, (1, 3, 9, 2), [1, 0, 5, 5], occluded=True),
        annotation(4, (1, 3, 7, 1), [2, 2, 0, 7])]
    second = 'val/ILSVRC2015_val_00000001'
    assert val['videos'] == [dict(id=1, name=second, vid_train_frames=[]),
                             dict(id=2, name=VAL, vid_train_frames=[])]
    assert val['images'] == [image(second, 0, (1, 1), size=(30, 30)), image(VAL, 0, (2, 2))]
    assert [item['instance_id'] for item in val['annotations']] == [1, 2]


def test_det_json_is_exactly_that_of_mmtracking(tree):
    write(tree / 'Lists/DET_train_30classes.txt', 'train/ILSVRC2014_train_0001/b 1\n')
    assert main_det([str(tree)]) == 0
    content = converted(tree, 'imagenet_det_30plus1cls')
    assert list(content) == ['categories', 'images', 'annotations']
    assert content['categories'][:30] == list(VID_CATEGORIES)
    assert content['categories'][30:] == [dict(id=31, name='other_categeries', encode_name=None)]
    names = ('ILSVRC2014_train_0001/b', 'ILSVRC2013_train/n1/a', 'ILSVRC2014_train_0000/c')
    assert content['images'] == [
        dict(file_name=f'train/{name}.JPEG', height=40, width=60, id=i + 1,
             is_vid_train_frame=i == 0) for i, name in enumerate(names)]
    expected = [(1, 9, [0, 0, 4, 6]), (2, 31, [0, 0, 4, 4]), (3, 31, [1, 1, 3, 3]),
                (3, 7, [0, 0, 8, 6])]
    assert content['annotations'] == [
        dict(id=i + 1, image_id=image_id, category_id=category_id, bbox=bbox,
             area=bbox[2] * bbox[3], iscrowd=False)
        for i, (image_id, category_id, bbox) in enumerate(expected)]


def test_lists_are_made_from_the_tree_when_absent(tree):
    assert main_vid([str(tree)]) == 0
    assert main_det([str(tree)]) == 0
    assert converted(tree, 'imagenet_vid_train')['videos'][0]['vid_train_frames'] == [0, 1]
    assert len(converted(tree, 'imagenet_vid_val')['videos']) == 2
    stills = converted(tree, 'imagenet_det_30plus1cls')['images']
    assert [item['is_vid_train_frame'] for item in stills] == [True, True, False]


@pytest.mark.parametrize(('name', 'text', 'expected'), [
    ('VID_train_15frames', f'{TRAIN} 1 10 300\n{TRAIN} 1 30 300\n',
     [VideoEntry(TRAIN, 300, (10, 30))]),
    ('VID_train_every10frames', f'{TRAIN} 1 1 20\n{TRAIN} 1 11 20\n\n',
     [VideoEntry(TRAIN, 20, (1, 11))]),
    ('VID_val_videos', f'{VAL} 1 0 464\nval/b 2 0 7\n',
     [VideoEntry(VAL, 464, (0,)), VideoEntry('val/b', 7, (0,))]),
    ('VID_val_frames', f'{VAL} 1 0 2\n{VAL} 2 1 2\nval/b 3 0 1\n',
     [VideoEntry(VAL, 2, (0, 1)), VideoEntry('val/b', 1, (0,))]),
])
@pytest.mark.parametrize('folder', ['ImageSets/VID', 'ImageSets', 'Lists'])
def test_list_files_of_the_field_are_found_and_read(tmp_path, folder, name, text, expected):
    write(tmp_path / folder / f'{name}.txt', text)
    path = find_list(tmp_path, 'train' if 'train' in name else 'val')
    assert read_video_list(path) == expected


def test_image_list_of_the_field_is_read(tmp_path):
    write(tmp_path / 'list.txt', 'train/a/x 1\ntrain/a/y 2\n\n')
    assert read_image_list(tmp_path / 'list.txt') == ['train/a/x', 'train/a/y']


@pytest.mark.parametrize(('text', 'message'), [
    ('val/a/000000 1\n', 'line 1: .* is not of the form'),
    ('val/a 1 0 5\nval/a 1 x 5\n', 'line 2'),
    ('val/a 1 0 5\nval/a 2 1 6\n', 'val/a has 6 frames here and 5'),
])
def test_bad_list_names_its_line(tmp_path, text, message):
    write(tmp_path / 'list.txt', text)
    with pytest.raises(IlsvrcError, match=message):
        read_video_list(tmp_path / 'list.txt')


@pytest.mark.parametrize(('rule', 'frames', 'outside'), [
    ('mmtracking', [9, 29], []), ('fgfa', [10, 30], [30])])
def test_rule_of_frame_numbers(rule, frames, outside):
    assert key_frames(VideoEntry('v', 30, (10, 30)), rule) == (frames, outside)


def test_key_frame_outside_of_its_video_warns(tree):
    write(tree / 'Lists/VID_train_15frames.txt', f'{TRAIN} 1 3 3\n')
    with pytest.warns(UserWarning, match=r'key frames \[3\]'):
        main_vid([str(tree), '--splits', 'train', '--frame-numbers', 'fgfa'])
    assert not any(item['is_vid_train_frame']
                   for item in converted(tree, 'imagenet_vid_train')['images'])


@pytest.mark.parametrize(('length', 'expected'), [
    (1, [1]), (2, [1]), (4, [1, 2, 3]), (16, list(range(1, 16))),
    (300, [10, 30, 50, 70, 90, 110, 130, 150, 170, 190, 210, 230, 250, 270, 289])])
def test_made_key_frames_are_evenly_spread(length, expected):
    found = train_frame_numbers(length)
    assert found[:2] == expected[:2]
    assert len(found) == len(expected)
    assert all(1 <= number <= max(length - 1, 1) for number in found)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(('text', 'message'), [
    (None, 'is missing'), ('<annotation>', 'cannot be read'), ('', 'cannot be read'),
    ('<annotation/>', 'has no size/height'),
    ('<annotation><size><width>4</width><height>4</height></size><object><name>a</name>'
     '</object></annotation>', 'has no bndbox/xmin'),
    ('<annotation><size><width>4</width><height>four</height></size></annotation>', 'four'),
])
def test_bad_xml_is_named(tmp_path, text, message):
    if text is not None:
        write(tmp_path / 'a.xml', text)
    with pytest.raises(IlsvrcError, match=message) as error:
        read_xml(tmp_path / 'a.xml')
    assert 'a.xml' in str(error.value)


def test_failing_conversion_keeps_the_old_file(tree, capsys):
    write(tree / 'annotations/imagenet_vid_val.json', 'old')
    write(tree / 'Annotations/VID' / VAL / '000000.xml', '<broken')
    assert main_vid([str(tree), '--splits', 'val']) == 1
    assert (tree / 'annotations/imagenet_vid_val.json').read_text() == 'old'
    assert '000000.xml cannot be read' in capsys.readouterr().err


# Trees of users


def convert_own(root, *objects, categories=None, split='val', images='.JPEG'):
    """Convert a validation video of two frames; returns exit code and content."""
    for frame in range(2):
        write_xml(root, f'VID/val/street/{frame:06d}', *objects)
        path = root / f'Data/VID/val/street/{frame:06d}{images}'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    options = ['--splits', split]
    if categories:
        write(root / 'categories.json', json.dumps(dict(categories=categories)))
        options += ['--categories', str(root / 'categories.json')]
    code = main_vid([str(root), *options])
    path = root / f'annotations/imagenet_vid_{split}.json'
    return code, json.loads(path.read_text()) if path.exists() else None


OWN = [dict(id=1, name='van', encode_name='van')]


def test_objects_without_track_are_different_objects(tmp_path):
    with pytest.warns(UserWarning, match='4 of 4 objects of videos have no trackid'):
        code, content = convert_own(tmp_path, obj('van', (1, 2, 11, 22)),
                                    obj('van', (20, 2, 31, 22)), categories=OWN)
    assert code == 0
    assert len(content['annotations']) == 4
    assert not any('instance_id' in item for item in content['annotations'])


def test_names_that_no_category_has_are_refused_if_there_are_no_others(tmp_path, capsys):
    assert convert_own(tmp_path, obj('van', (1, 2, 11, 22), 0)) == (1, None)
    error = capsys.readouterr().err
    assert "2 objects are of 1 names that no category has (2 of 'van'" in error
    assert '--categories' in error


def test_names_that_no_category_has_are_counted(tmp_path):
    with pytest.warns(UserWarning, match=r"2 objects are of 1 names .*2 of 'bus'.*skipped"):
        code, content = convert_own(tmp_path, obj('van', (1, 2, 11, 22), 0),
                                    obj('bus', (1, 2, 11, 22), 1), categories=OWN)
    assert (code, len(content['annotations'])) == (0, 2)


def test_decimals_are_read(tmp_path):
    code, content = convert_own(tmp_path, obj('van', ('1.5', '2.0', '11.25', '22'), 0),
                                categories=OWN)
    assert code == 0
    assert content['annotations'][0]['bbox'] == [1.5, 2, 9.75, 20]


@pytest.mark.parametrize('value', ['nan', 'inf', 'left', ''])
def test_what_is_no_number_is_named(tmp_path, capsys, value):
    assert convert_own(tmp_path, obj('van', (value, 2, 11, 22), 0), categories=OWN) == (1, None)
    assert f"bndbox/xmin is {value!r}, expected a number" in capsys.readouterr().err


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.JPEG'])
def test_images_keep_their_suffix_and_hidden_files_are_no_frames(tmp_path, suffix):
    write(tmp_path / f'Data/VID/val/street/._000000{suffix}', 'Mac OS X')
    code, content = convert_own(tmp_path, obj('van', (1, 2, 11, 22), 0), categories=OWN,
                                images=suffix)
    assert code == 0
    assert [item['file_name'] for item in content['images']] == [
        f'val/street/{i:06d}{suffix}' for i in range(2)]


def test_stills_keep_their_suffix_and_hidden_files_are_no_stills(tree):
    write(tree / 'Data/DET/train/ILSVRC2014_train_0001/b.jpg', '')
    write(tree / 'Annotations/DET/train/ILSVRC2014_train_0001/._b.xml', 'Mac OS X')
    assert main_det([str(tree)]) == 0
    names = [item['file_name'] for item in converted(tree, 'imagenet_det_30plus1cls')['images']]
    assert sorted(names) == [
        'train/ILSVRC2013_train/n1/a.JPEG', 'train/ILSVRC2014_train_0000/c.JPEG',
        'train/ILSVRC2014_train_0001/b.jpg']


def test_what_the_validator_refuses_is_written_only_if_asked(tmp_path, capsys):
    objects = obj('van', (1, 2, 11, 22), 0), obj('van', (20, 2, 31, 22), 0)  # one identity twice
    assert convert_own(tmp_path, *objects, categories=OWN) == (1, None)
    error = capsys.readouterr().err
    assert 'duplicate instance' in error
    assert '--write-faulty' in error
    options = [str(tmp_path), '--splits', 'val', '--categories', str(tmp_path / 'categories.json')]
    assert main_vid([*options, '--write-faulty']) == 1
    assert len(converted(tmp_path, 'imagenet_vid_val')['annotations']) == 4


@pytest.mark.parametrize('text', [
    '[]', '{}', '{"categories": []}', '{"categories": [{"id": 1, "name": "van"}]}',
    '{"categories": [{"name": "van", "encode_name": "van"}]}'])
def test_categories_that_are_none_are_refused(tmp_path, capsys, text):
    write(tmp_path / 'c.json', text)
    convert_own(tmp_path, obj('van', (1, 2, 11, 22), 0))
    assert main_vid([str(tmp_path), '--splits', 'val', '--categories',
                     str(tmp_path / 'c.json')]) == 1
    assert 'c.json' in capsys.readouterr().err


def test_wrong_folder_is_explained(tmp_path, capsys):
    assert main_vid([str(tmp_path)]) == 1
    assert main_det([str(tmp_path)]) == 1
    assert 'neither Data/VID/train nor' in capsys.readouterr().err


def test_scripts_run(tree, run_tool):
    done = run_tool('ilsvrc2coco_vid.py', tree, '--out', tree / 'json', '--splits', 'val')
    assert done.returncode == 0, done.stderr
    assert '2 videos, 2 images, 2 annotations' in done.stdout
    done = run_tool('ilsvrc2coco_det.py', tree, '--out', tree / 'json')
    assert done.returncode == 0, done.stderr
    assert '3 images, 4 annotations' in done.stdout
    assert run_tool('ilsvrc2coco_vid.py').returncode == 2
