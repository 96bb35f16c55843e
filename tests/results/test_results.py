"""Results as files: every format gives back what it can hold."""

import csv
import json
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from mmvod_plugins.evaluation import Predictions
from mmvod_plugins.results import check_results, read_results, write_results
from mmvod_plugins.structures import VideoDetections

CLASSES = ('cat', 'dog, "big"', 'löwe 狮\n<&>')
NAMES = ('a clip, "one".mp4', '視頻/二.mp4')


def video(video_id=NAMES[0], counts=(2, 0, 1, 2), linked=True, seed=0):
    """A video with frames 0, 1, ... that have some detections."""
    rng = np.random.default_rng(seed)
    number = sum(counts)
    corner = rng.random((number, 2)) * 50
    tracks = np.concatenate([np.arange(count) for count in counts] or [[]]).astype(np.int64)
    return VideoDetections(
        video_id, np.arange(len(counts)), np.array(counts, np.int64),
        np.concatenate([corner, corner + 1 + rng.random((number, 2)) * 20], 1).astype(np.float32),
        rng.random(number).astype(np.float32), tracks % 3, img_shape=(72, 96),
        track_ids=tracks if linked else None)


def write_and_read(path, predictions, **options):
    [written] = write_results(path, predictions, **options)
    assert written == path
    return read_results(path, predictions.classes, **options)


def known(kind):
    """Skip formats whose package is not installed."""
    if kind == '.parquet':
        pytest.importorskip('pyarrow', reason='parquet needs pyarrow')


def same_rows(found, expected, tolerance=0.0):
    """Compare detections frame by frame; frames without any may be missing."""
    assert found.video_id == expected.video_id
    frames = dict(zip(expected.frame_ids.tolist(), range(expected.num_frames), strict=True))
    assert {t for t in frames if expected.num_boxes[frames[t]]} <= set(found.frame_ids.tolist())
    for t, frame_id in enumerate(found.frame_ids.tolist()):
        ours, theirs = found.rows(t), expected.rows(frames[frame_id])
        a, b = np.argsort(found.scores[ours]), np.argsort(expected.scores[theirs])
        for name in ('boxes', 'scores', 'labels', 'track_ids'):
            if getattr(expected, name) is not None:
                np.testing.assert_allclose(getattr(found, name)[ours][a],
                                           getattr(expected, name)[theirs][b], atol=tolerance)


@pytest.mark.parametrize('kind', ['.json', '.jsonl', '.npz'])
@pytest.mark.parametrize('linked', [True, False])
def test_files_with_all_frames_give_back_everything(tmp_path, kind, linked):
    videos = [video(linked=linked), video(NAMES[1], (1,), linked, 1), video(7, (0, 0), linked, 2)]
    found = write_and_read(tmp_path / f'r{kind}', Predictions(videos, CLASSES))
    assert found.classes == CLASSES
    for ours, theirs in zip(found.videos, videos, strict=True):
        if kind == '.jsonl':  # a line has no size
            theirs = theirs.with_arrays(img_shape=None)
        assert ours.equals(theirs)


@pytest.mark.parametrize('kind', ['.csv', '.parquet', 'coco'])
@pytest.mark.parametrize('linked', [True, False])
def test_tables_give_back_every_detection(tmp_path, kind, linked):
    known(kind)
    videos = [video(linked=linked), video(NAMES[1], (1,), linked, 1)]
    path = tmp_path / ('r.json' if kind == 'coco' else f'r{kind}')
    found = write_and_read(path, Predictions(videos, CLASSES),
                           **(dict(format='coco') if kind == 'coco' else {}))
    tolerance = 1e-5 if kind == 'coco' else 0  # width and height are written
    for ours, theirs in zip(found.videos, videos, strict=True):
        same_rows(ours, theirs, tolerance)
    assert found.videos[0].frame_ids.tolist() == [0, 2, 3]


@pytest.mark.parametrize(('kind', 'tolerance'), [('.txt', 1e-5), ('.xml', 0)])
@pytest.mark.parametrize('counts', [(2, 0, 1, 2), (1,)], ids=str)
def test_files_of_one_video_give_back_its_tracks(tmp_path, kind, tolerance, counts):
    name = 'clip one, "狮"'
    source = video(name, counts)
    found = write_and_read(tmp_path / f'{name}{kind}', Predictions([source], CLASSES))
    same_rows(found.videos[0], source, tolerance)


@pytest.mark.parametrize('suffix', ['.json', '.jsonl', '.csv', '.txt', '.xml', '.npz'])
def test_no_detections_are_a_file_too(tmp_path, suffix):
    empty = Predictions([video('clip', (0, 0))], CLASSES)
    found = write_and_read(tmp_path / f'clip{suffix}', empty)
    assert sum(map(len, found.videos)) == 0
    assert found.classes == CLASSES
    none = write_and_read(tmp_path / 'none.json', Predictions([], CLASSES))
    assert none.videos == []


@pytest.mark.parametrize('suffix', ['.csv', '.jsonl'])
def test_names_of_classes_come_from_the_file(tmp_path, suffix):
    write_results(tmp_path / f'r{suffix}', Predictions([video()], CLASSES))
    found = read_results(tmp_path / f'r{suffix}')
    assert found.classes == CLASSES[:2]  # the third one has no detection


def test_the_columns_are_those_of_other_programs(tmp_path):
    write_results(tmp_path / 'r.csv', Predictions([video()], CLASSES))
    with (tmp_path / 'r.csv').open(encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    assert rows[1]['video_id'] == NAMES[0]
    assert rows[1]['class_name'] == CLASSES[1]
    assert [row['frame_id'] for row in rows] == ['0', '0', '2', '3', '3']
    assert float(rows[0]['x_min']) == pytest.approx(video().boxes[0, 0])
    assert rows[0]['x_min'] == str(video().boxes[0, 0])  # no digits that float32 does not have


def test_unlinked_detections_have_no_track_in_a_table(tmp_path):
    half = video().with_arrays(track_ids=np.array([4, -1, 4, -1, 4]))
    found = write_and_read(tmp_path / 'r.csv', Predictions([half], CLASSES))
    assert found.videos[0].track_ids.tolist() == [4, -1, 4, -1, 4]
    with (tmp_path / 'r.csv').open(encoding='utf-8', newline='') as file:
        assert [row['tracker_id'] for row in csv.DictReader(file)] == ['4', '', '4', '', '4']


def test_motchallenge_counts_from_one(tmp_path):
    write_results(tmp_path / 'r.txt', Predictions([video()], CLASSES))
    lines = (tmp_path / 'r.txt').read_text().splitlines()
    assert [line.split(',')[0] for line in lines] == ['1', '1', '3', '4', '4']
    assert {len(line.split(',')) for line in lines} == {10}
    assert [line.split(',')[7] for line in lines] == ['1', '2', '1', '1', '2']


# CVAT and Label Studio -------------------------------------------------------------------------


def cvat(tmp_path, source):
    write_results(tmp_path / 'r.xml', Predictions([source], CLASSES))
    root = ElementTree.parse(tmp_path / 'r.xml').getroot()
    return {int(track.get('id')): [(int(box.get('frame')), int(box.get('outside')))
                                   for box in track] for track in root.iter('track')}


def test_cvat_ends_every_run_of_boxes_outside(tmp_path):
    """Track 0 is in frames 0, 2, 3 of six, track 1 in 0 and 3."""
    tracks = cvat(tmp_path, video(counts=(2, 0, 1, 2, 0, 0)))
    assert tracks == {0: [(0, 0), (1, 1), (2, 0), (3, 0), (4, 1)],
                      1: [(0, 0), (1, 1), (3, 0), (4, 1)]}


def test_cvat_needs_no_outside_box_after_the_last_frame(tmp_path):
    assert cvat(tmp_path, video(counts=(1, 1))) == {0: [(0, 0), (1, 0)]}


def test_unlinked_boxes_are_tracks_of_one_frame_in_cvat(tmp_path):
    tracks = cvat(tmp_path, video(counts=(2, 1), linked=False))
    assert tracks == {0: [(0, 0), (1, 1)], 1: [(0, 0), (1, 1)], 2: [(1, 0)]}
    half = video(counts=(2, 1)).with_arrays(track_ids=np.array([5, -1, 5]), labels=np.zeros(3, int))
    assert cvat(tmp_path, half) == {5: [(0, 0), (1, 0)], 6: [(0, 0), (1, 1)]}


def test_a_track_of_two_classes_is_two_tracks_in_cvat(tmp_path):
    """REPP gives a box a detection for each class, all of one track."""
    both = video(counts=(2, 2)).with_arrays(track_ids=np.zeros(4, int),
                                            labels=np.array([0, 1, 0, 1]))
    assert cvat(tmp_path, both) == {0: [(0, 0), (1, 0)], 1: [(0, 0), (1, 0)]}
    twice = both.with_arrays(labels=np.zeros(4, int))  # one class, two boxes in each frame
    assert cvat(tmp_path, twice) == {0: [(0, 0), (1, 0)], 1: [(0, 0), (1, 1)], 2: [(1, 0)]}


def test_characters_that_xml_cannot_hold_do_not_spoil_a_file(tmp_path):
    classes = ('a\x00b\x1b', 'c')
    write_results(tmp_path / 'r.xml', Predictions([video('v\x07', (2, ))], classes))
    found = read_results(tmp_path / 'r.xml')
    assert found.classes == ('a\ufffdb\ufffd', 'c')
    assert read_results(tmp_path / 'r.xml', classes).videos[0].labels.tolist() == [0, 1]


def test_label_studio_has_per_cents_and_ends_runs(tmp_path):
    source = video(counts=(2, 0, 1, 2, 0))
    write_results(tmp_path / 'r.json', Predictions([source], CLASSES), format='label_studio',
                  fps={NAMES[0]: 10.0})
    [task] = json.loads((tmp_path / 'r.json').read_text(encoding='utf-8'))
    assert task['data'] == {'video': NAMES[0]}
    first, second = task['predictions'][0]['result']
    assert second['value']['labels'] == [CLASSES[1]]
    assert first['value']['framesCount'] == 5
    assert first['value']['duration'] == 0.5
    sequence = first['value']['sequence']
    assert [(key['frame'], key['enabled']) for key in sequence] == [
        (1, False), (3, True), (4, False)]
    assert [key['time'] for key in sequence] == [0, 0.2, 0.3]
    corners = [[key['x'] * 0.96, key['y'] * 0.72] for key in sequence]
    sizes = [[key['width'] * 0.96, key['height'] * 0.72] for key in sequence]
    boxes = source.boxes[source.track_ids == 0]
    np.testing.assert_allclose(corners, boxes[:, :2], atol=1e-4)
    np.testing.assert_allclose(sizes, boxes[:, 2:] - boxes[:, :2], atol=1e-4)
    with pytest.raises(ValueError, match='no img_shape'):
        write_results(tmp_path / 'r.json', Predictions([source.with_arrays(img_shape=None)],
                                                       CLASSES), format='label_studio')


# Names and refusals ----------------------------------------------------------------------------


def test_several_videos_have_a_file_each_inside_of_the_folder(tmp_path):
    names = ['../../out.mp4', '视频 1', 'a/b', 'a_b', '..']
    predictions = Predictions([video(name, (1,)) for name in names], CLASSES)
    files = write_results(tmp_path / 'r' / '{video}.xml', predictions)
    assert [file.name for file in files] == [
        '_.._out.mp4.xml', '视频 1.xml', 'a_b.xml', 'a_b_2.xml', 'video.xml']
    assert sorted(file.name for file in (tmp_path / 'r').iterdir()) == sorted(
        file.name for file in files)
    assert list(tmp_path.iterdir()) == [tmp_path / 'r']
    with pytest.raises(ValueError, match=r'holds one video, there are 5: .*r/\{video\}\.txt'):
        write_results(tmp_path / 'r' / 'all.txt', predictions)


@pytest.mark.parametrize(('name', 'kind', 'message'), [
    ('x.doc', None, 'must end with'),
    ('x.csv', 'coco', 'results for coco end with .json'),
    ('x.json', 'yolo', "no format 'yolo'"),
    ('{video}/x.csv', None, 'in the name of the file alone'),
])
def test_what_cannot_be_written_is_refused_before(tmp_path, name, kind, message):
    with pytest.raises(ValueError, match=message):
        check_results(tmp_path / name, format=kind)
    assert not list(tmp_path.iterdir())


def test_results_do_not_replace_what_is_read(tmp_path):
    (tmp_path / 'in.csv').write_text('x')
    with pytest.raises(ValueError, match='is read and would be overwritten'):
        check_results(tmp_path / 'in.csv', [tmp_path / 'in.csv'])


def test_without_pyarrow_parquet_is_refused_before_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pyarrow', None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install pyarrow, or choose \.csv'):
        check_results(tmp_path / 'x.parquet')


@pytest.mark.parametrize(('name', 'text', 'message'), [
    ('x.csv', 'a,b\n1,2\n', r"x\.csv: the columns \['video_id'"),
    ('x.csv', 'video_id,frame_id\nv\n', 'row 1 has 1 values, the header has 2'),
    ('x.json', '{', r'x\.json is not json'),
    ('x.json', '{}', 'not a file of results'),
    ('x.json', '[{"image_id": 1}]', 'result 0 lacks .* --annotations'),
    ('x.json', '{"format": "mmvod_results", "version": 9}', 'version 9'),
    ('x.json', '{"format": "mmvod_results", "version": 1}', "damaged: KeyError 'videos'"),
    ('x.jsonl', '{"video_id": 1}\n', 'line 1 is no frame'),
    ('x.txt', '1,2\n', 'line 1 has 2 values'),
    ('x.txt', '1,2,a,4,5,6,7\n', 'no MOTChallenge text'),
    ('x.xml', '<a', 'no XML text'),
    ('x.xml', '<a/>', 'expected <annotations>, found <a>'),
])
def test_what_is_no_file_of_results_is_said(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_results(tmp_path / name)


def test_a_bad_number_is_named_with_its_row(tmp_path):
    write_results(tmp_path / 'r.csv', Predictions([video()], CLASSES))
    lines = (tmp_path / 'r.csv').read_text(encoding='utf-8').split('\n')
    lines[-2] = lines[-2].replace(',3,', ',three,', 1)
    (tmp_path / 'r.csv').write_text('\n'.join(lines), encoding='utf-8')
    with pytest.raises(ValueError, match="frame_id of row 5 is 'three', expected a finite number"):
        read_results(tmp_path / 'r.csv')
