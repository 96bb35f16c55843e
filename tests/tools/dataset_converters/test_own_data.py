"""Labels of every format become the same COCO-VID, and bad input is named with its file."""

import importlib
import json
import re
import zipfile

import cv2
import numpy as np
import pytest
from coco2coco_vid import main as convert_coco
from coco_vid_rules import check_coco_vid

from mmvod_plugins.evaluation import Predictions
from mmvod_plugins.results import write_results
from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.visualization import write_video

HEIGHT, WIDTH, FRAMES = 48, 64, 4
#: Two objects, which move, in each of two videos; the bus is not in the last frame.
BOXES = {('car', 1): [(4 + 2 * t, 8, 24 + 2 * t, 24) for t in range(FRAMES)],
         ('bus', 2): [(30, 4 + t, 60, 28 + t) for t in range(FRAMES - 1)]}
VIDEOS = ('street', 'yard')
FORMATS = ('voc', 'yolo', 'labelme', 'cvat', 'ytvis', 'mot')


def objects(frame_id):
    return [(name, track, boxes[frame_id]) for (name, track), boxes in BOXES.items()
            if frame_id < len(boxes)]


def detections(name):
    rows = [(t, *item) for t in range(FRAMES) for item in objects(t)]
    return Predictions([VideoDetections(
        name, np.arange(FRAMES), np.array([len(objects(t)) for t in range(FRAMES)]),
        np.array([row[3] for row in rows], np.float32), np.full(len(rows), 0.5, np.float32),
        np.array([int(row[1] == 'car') for row in rows]),
        track_ids=np.array([row[2] for row in rows]), img_shape=(HEIGHT, WIDTH))], ('bus', 'car'))


def write_voc(folder, video, t):
    items = ''.join(
        f'<object><name>{name}</name><trackid>{track}</trackid><bndbox><xmin>{a}</xmin><ymin>{b}'
        f'</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>'
        for name, track, (a, b, c, d) in objects(t))
    (folder / video / f'{t}.xml').write_text(
        f'<annotation><size><width>{WIDTH}</width><height>{HEIGHT}</height></size>{items}'
        '</annotation>')


def write_yolo(folder, video, t):
    (folder / 'classes.txt').write_text('bus\ncar\n')
    (folder / video / f'{t}.txt').write_text(''.join(
        f'{int(name == "car")} {(a + c) / 2 / WIDTH:.8f} {(b + d) / 2 / HEIGHT:.8f} '
        f'{(c - a) / WIDTH:.8f} {(d - b) / HEIGHT:.8f} {track}\n'
        for name, track, (a, b, c, d) in objects(t)))


def write_labelme(folder, video, t):
    shapes = [dict(label=name, group_id=track, shape_type='rectangle', points=[[c, b], [a, d]])
              for name, track, (a, b, c, d) in objects(t)]
    (folder / video / f'{t}.json').write_text(json.dumps(
        dict(shapes=shapes, imageHeight=HEIGHT, imageWidth=WIDTH)))


def write_labels(kind, folder):
    """The labels of both videos; returns the first argument of the converter."""
    folder.mkdir()
    if kind in ('cvat', 'mot'):
        for video in VIDEOS:
            write_results(folder / f'{video}{".xml" if kind == "cvat" else ".txt"}',
                          detections(video))
    elif kind == 'ytvis':
        names = ['bus', 'car']
        annotations = [dict(
            video_id=i, id=10 * i + track, category_id=names.index(name) + 1,
            bboxes=[[a, b, c - a, d - b] for a, b, c, d in boxes] + [None] * (FRAMES - len(boxes)))
            for i in range(2) for (name, track), boxes in BOXES.items()]
        (folder / 'a.json').write_text(json.dumps(dict(
            videos=[dict(id=i, height=HEIGHT, width=WIDTH,
                         file_names=[f'{video}/{t}.png' for t in range(FRAMES)])
                    for i, video in enumerate(VIDEOS)],
            categories=[dict(id=i + 1, name=name) for i, name in enumerate(names)],
            annotations=annotations)))
        return folder / 'a.json'
    else:
        for video in VIDEOS:
            (folder / video).mkdir()
            for t in range(FRAMES):
                globals()[f'write_{kind}'](folder, video, t)
    return folder


@pytest.fixture
def root(tmp_path):
    """Frames of two videos in folders."""
    for number, video in enumerate(VIDEOS):
        (tmp_path / 'frames' / video).mkdir(parents=True)
        for t in range(FRAMES):
            cv2.imwrite(str(tmp_path / f'frames/{video}/{t}.png'),
                        np.full((HEIGHT, WIDTH, 3), 40 * t + number, np.uint8))
    return tmp_path


def convert(kind, *args):
    options = ['--names', 'bus', 'car'] if kind == 'mot' and '--names' not in args else []
    return importlib.import_module(f'{kind}2coco_vid').main([*map(str, args), *options])


@pytest.mark.parametrize('kind', FORMATS)
def test_every_format_gives_the_same_boxes_and_tracks(root, kind):
    source, out = write_labels(kind, root / 'labels'), root / 'out.json'
    assert convert(kind, source, out, '--img-root', root / 'frames') == 0
    content = json.loads(out.read_text())
    assert check_coco_vid(content, root / 'frames') == []
    assert [item['name'] for item in content['categories']] == ['bus', 'car']
    assert [item['name'] for item in content['videos']] == list(VIDEOS)
    images = {item['id']: item for item in content['images']}
    assert [image['file_name'] for image in images.values()] == [
        f'{video}/{t}.png' for video in VIDEOS for t in range(FRAMES)]
    found = {}
    for item in content['annotations']:
        image = images[item['image_id']]
        key = image['video_id'], item['instance_id'], item['category_id']
        found.setdefault(key, []).append(item['bbox'])
    expected = {(video, name): [[a, b, c - a, d - b] for a, b, c, d in boxes]
                for video in (1, 2) for (name, _), boxes in BOXES.items()}
    assert len(found) == len({key[1] for key in found}) == 4
    for (video, _, category), boxes in found.items():
        np.testing.assert_allclose(boxes, expected[video, ('bus', 'car')[category - 1]], atol=1e-3)


@pytest.mark.parametrize('kind', ['cvat', 'mot', 'coco'])
def test_frames_stay_in_video_files(root, kind):
    for video in VIDEOS:
        write_video(root / f'clips/{video}.mp4', [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * FRAMES)
    if kind == 'coco':
        names = [f'{video}_{t + 1:03d}.jpg' for video in VIDEOS for t in range(FRAMES)]
        (root / 'a.json').write_text(json.dumps(dict(
            categories=[dict(id=1, name='car')],
            images=[dict(id=i, file_name=name, height=HEIGHT, width=WIDTH)
                    for i, name in enumerate(names)],
            annotations=[dict(id=1, image_id=0, category_id=1, bbox=[1, 2, 10, 10], track_id=1)])))
        assert convert_coco([str(root / 'a.json'), str(root / 'out.json'), '--videos-from-names',
                             '--video-root', str(root / 'clips'), '--first-number', '1']) == 0
    else:
        source = write_labels(kind, root / 'labels')
        assert convert(kind, source, root / 'out.json', '--img-root', root / 'clips') == 0
    content = json.loads((root / 'out.json').read_text())
    assert [item['file_name'] for item in content['images']] == [
        f'{video}.mp4#{t}' for video in VIDEOS for t in range(FRAMES)]
    assert not [item for item in check_coco_vid(content, root / 'clips') if item.is_error]
    content['images'][-1]['file_name'] = 'yard.mp4#9'
    problems = [item.found for item in check_coco_vid(content, root / 'clips') if item.is_error]
    assert len(problems) == 1
    assert 'has 4 frames, asked for frame 9' in problems[0]


def test_cvat_interpolates_between_key_frames_and_ends_where_the_object_leaves(root):
    tasks = ('<annotations><meta><task><name>street.mp4</name><size>4</size></task></meta>'
             '<track id="0" label="car"><box frame="0" outside="0" xtl="0" ytl="0" xbr="10" '
             'ybr="10"/><box frame="2" outside="0" xtl="4" ytl="0" xbr="14" ybr="10"/>'
             '<box frame="3" outside="1" xtl="4" ytl="0" xbr="14" ybr="10"/></track></annotations>')
    with zipfile.ZipFile(root / 'a.zip', 'w') as archive:
        archive.writestr('annotations.xml', tasks)
    assert convert('cvat', root / 'a.zip', root / 'out.json', '--img-root', root / 'frames') == 0
    boxes = [item['bbox'] for item in json.loads((root / 'out.json').read_text())['annotations']]
    assert boxes == [[0, 0, 10, 10], [2, 0, 10, 10], [4, 0, 10, 10]]


def test_parts_of_a_set_have_the_same_classes(root, capsys):
    source = write_labels('yolo', root / 'labels')
    for t in range(FRAMES):  # no bus in the other video
        file = source / f'yard/{t}.txt'
        file.write_text('\n'.join(file.read_text().splitlines()[:1]))
    options = ['--img-root', root / 'frames', '--videos']
    for part in VIDEOS:
        assert convert('yolo', source, root / f'{part}.json', *options, part) == 0
    first, second = (json.loads((root / f'{part}.json').read_text()) for part in VIDEOS)
    assert first['categories'] == second['categories']
    assert [item['name'] for item in second['videos']] == ['yard']
    assert convert('yolo', source, root / 'c.json', *options, 'x*') == 1
    assert "fits ['x*']: there are street, yard" in capsys.readouterr().err


def test_classes_are_chosen_and_ordered(root, capsys):
    source = write_labels('labelme', root / 'labels')
    options = [source, root / 'out.json', '--img-root', root / 'frames', '--classes']
    assert convert('labelme', *options, 'car') == 0
    assert "6 of 'bus'" in capsys.readouterr().err
    content = json.loads((root / 'out.json').read_text())
    assert {item['category_id'] for item in content['annotations']} == {1}
    assert convert('labelme', *options, 'truck') == 1
    assert "classes ['truck']: there are bus, car" in capsys.readouterr().err


def test_flat_folders_and_polygons(root):
    (root / 'flat').mkdir()
    for i, name in enumerate(('a_1', 'a_2', 'b_1', 'b_2')):
        cv2.imwrite(str(root / f'flat/{name}.jpg'), np.full((HEIGHT, WIDTH, 3), i, np.uint8))
        (root / f'flat/{name}.txt').write_text('0 0.25 0.5 0.75 0.5 0.5 0.99\n')
    (root / 'data.yaml').write_text('names: {0: leaf}\n')
    assert convert('yolo', root / 'flat', root / 'out.json', '--img-root', root / 'flat',
                   '--videos-from-names') == 0
    content = json.loads((root / 'out.json').read_text())
    assert [item['name'] for item in content['videos']] == ['a', 'b']
    assert content['annotations'][0]['bbox'] == pytest.approx([16, 24, 32, 23.52])


def test_check_writes_nothing_and_looks_at_the_images(root, capsys):
    source = write_labels('voc', root / 'labels')
    (source / 'street/3.xml').unlink()
    options = [source, root / 'out.json', '--img-root', root / 'frames', '--check']
    assert convert('voc', *options) == 0
    captured = capsys.readouterr()
    assert '0 errors, 0 warnings' in captured.out
    assert '1 of 8 images have no .xml file' in captured.err
    cv2.imwrite(str(root / 'frames/street/2.png'), np.zeros((9, 9, 3), np.uint8))
    assert convert('voc', *options) == 1
    assert re.search(r"street.2.xml is of an image of \(48, 64\).* \(9, 9\)",
                     capsys.readouterr().err)
    assert not (root / 'out.json').exists()


def spoil(text, pattern='labels/street/1.*'):
    def change(root):
        [path] = root.glob(pattern)
        path.write_text(text)
    return change


@pytest.mark.parametrize(('kind', 'change', 'message'), [
    ('voc', spoil('<annotation>'), r'street.1\.xml cannot be read'),
    ('yolo', spoil('0 0.5 0.5 x 1'), r'street.1\.txt, line 1: .* neither'),
    ('yolo', spoil('7 .5 .5 .1 .1'), r'street.1\.txt, line 1: class 7 .* bus, car'),
    ('yolo', spoil('0 .5 .5 .1 .1 .87'), r'line 1: 0\.87 is no track'),
    ('yolo', spoil('0 .5 .5 .2 .2 .93 1'), r'line 1: .* prediction with score'),
    ('yolo', spoil('0 100 50 20 20'), r'line 1: .* not in shares of the image'),
    ('yolo', lambda root: (root / 'labels/classes.txt').unlink(), r'labels has none of classes'),
    ('labelme', spoil('{}'), r'street.1\.json is no file of labelme'),
    ('labelme', spoil('{"shapes": [{"label": "a"}]}'), r'street.1\.json: shape 0 has no label'),
    ('labelme', spoil('{'), r'street.1\.json'),
    ('voc', lambda root: (root / 'frames/yard/2.png').unlink(), r'yard.2\.xml belongs to no image'),
    ('voc', spoil('no', 'frames/yard/2.png'), r'yard.2\.png is no image'),
    ('cvat', spoil('<annotations><image/></annotations>', 'labels/yard.xml'),
     r'yard\.xml is CVAT for images'),
    ('cvat', spoil('x', 'labels/yard.xml'), r'yard\.xml is no XML'),
    ('mot', spoil('1,1,2,2,5,5,1,7', 'labels/yard.txt'), r'yard\.txt has the class 7.* --names'),
    ('mot', spoil('9,1,2,2,5,5,1,1', 'labels/yard.txt'), r'yard\.txt has boxes in frame 8'),
    ('mot', spoil('a,1,2,2,5,5,1,1', 'labels/yard.txt'), r'yard\.txt is no MOTChallenge'),
    ('mot', lambda root: (root / 'labels/yard.txt').rename(root / 'labels/x.txt'),
     r'neither a folder of images nor a video file called x'),
    ('ytvis', spoil('{}', 'labels/a.json'), r'a\.json has no annotations')])
def test_bad_input_is_named(root, capsys, kind, change, message):
    source = write_labels(kind, root / 'labels')
    change(root)
    assert convert(kind, source, root / 'out.json', '--img-root', root / 'frames') == 1
    assert re.search(message, capsys.readouterr().err)
    assert not (root / 'out.json').exists()


def test_the_source_is_never_overwritten(root, capsys):
    source = write_labels('ytvis', root / 'labels')
    before = {path: path.read_bytes() for path in (root / 'labels').rglob('*') if path.is_file()}
    file = source if source.is_file() else next(iter(before))
    assert convert('ytvis', file, file, '--img-root', root / 'frames') == 1
    assert 'would be overwritten' in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(('kind', 'empty'), [
    ('cvat', '<annotations><meta/></annotations>'), ('mot', '')])
def test_a_video_without_objects_is_kept_with_a_warning(root, capsys, kind, empty):
    source = write_labels(kind, root / 'labels')
    [file] = source.glob('yard.*')
    file.write_text(empty)
    assert convert(kind, source, root / 'out.json', '--img-root', root / 'frames') == 0
    assert 'its video has no objects' in capsys.readouterr().err
    content = json.loads((root / 'out.json').read_text())
    [yard] = [video['id'] for video in content['videos'] if video['name'] == 'yard']
    images = {image['id'] for image in content['images'] if image['video_id'] == yard}
    assert len(images) == FRAMES
    assert not images & {item['image_id'] for item in content['annotations']}
