"""The predictions file: what is written is read, and nothing else is."""

import json
import os
import tracemalloc
import warnings

import numpy as np
import pytest

from mmvod_plugins.evaluation import Predictions, load_predictions, save_predictions
from mmvod_plugins.evaluation.coco_json import read_predictions
from mmvod_plugins.structures import VideoDetections, npz_file
from tests.structures.test_video_detections import video

CLASSES = ('cat', 'dog', 'bird')


def single(array):
    return np.asarray(array, dtype=np.float32)


def full(video_id):
    """A video with everything that a file can hold, in the file's precision."""
    plain = video()
    tables = [np.eye(2, 2), np.zeros((0, 3))]
    return video(
        video_id=video_id, boxes=single(plain.boxes), scores=single(plain.scores),
        class_scores=np.float16([[0.5, 0.25, 0.125]] * 5), proposal_ids=np.arange(5),
        track_ids=np.array([0, -1, 0, 1, -1]), image_ids=np.arange(3),
        relations=[table.astype(np.float16) for table in tables], img_shape=(48, 64),
        suppressed=False)


def test_what_is_written_is_read(tmp_path):
    videos = [full(3), full('a name'), full((1, 'x'))]
    save_predictions(tmp_path / 'deep/p.npz', Predictions(videos, CLASSES, dict(checkpoint='w')))
    found = load_predictions(tmp_path / 'deep/p.npz')
    assert found.classes == CLASSES
    assert found.info == dict(checkpoint='w')
    assert all(a.equals(b) for a, b in zip(videos, found.videos, strict=True))
    assert [p.name for p in (tmp_path / 'deep').iterdir()] == ['p.npz']


def test_the_names_of_the_arrays_are_those_of_the_documented_format(tmp_path):
    save_predictions(tmp_path / 'p.npz', Predictions([full(3)], CLASSES))
    with np.load(tmp_path / 'p.npz') as data:
        assert set(data) == {
            'meta', 'frame_ids', 'num_boxes', 'image_ids', 'boxes', 'scores', 'labels',
            'class_scores', 'objects', 'track_ids', 'relation_shapes', 'relations'}
        assert data['objects'].tolist() == list(range(5))


def test_videos_without_details_and_without_boxes(tmp_path):
    videos = [video((0, 0)), VideoDetections.from_frames('empty', [], [])]
    videos[0] = videos[0].with_arrays(boxes=single(videos[0].boxes),
                                      scores=single(videos[0].scores))
    save_predictions(tmp_path / 'p.npz', Predictions(videos, CLASSES))
    found = load_predictions(tmp_path / 'p.npz')
    assert all(a.equals(b) for a, b in zip(videos, found.videos, strict=True))
    save_predictions(tmp_path / 'none.npz', Predictions([], CLASSES))
    assert load_predictions(tmp_path / 'none.npz').videos == []


def test_what_only_some_videos_have_is_left_out(tmp_path):
    with pytest.warns(UserWarning, match='1 of 2 videos have no class_scores'):
        save_predictions(tmp_path / 'p.npz', Predictions([full(0), video()], CLASSES))
    found = load_predictions(tmp_path / 'p.npz').videos[0]
    assert found.class_scores is None
    assert found.relations is None


def test_a_video_without_detections_costs_the_others_nothing(tmp_path):
    empty = video((0, 0, 0), image_ids=np.arange(3))
    save_predictions(tmp_path / 'p.npz', Predictions([empty, full(1)], CLASSES))
    found = load_predictions(tmp_path / 'p.npz').videos
    assert found[1].equals(full(1))
    assert [len(table) for table in found[0].relations] == [0, 0]
    assert found[0].track_ids.shape == (0, )


def test_a_folder_of_files_is_read_as_one(tmp_path):
    for i in (1, 0):
        save_predictions(tmp_path / f'video_{i}.npz', Predictions([full(i)], CLASSES))
    (tmp_path / 'run.json').write_text('{}')
    found = load_predictions(tmp_path)
    assert [v.video_id for v in found.videos] == [0, 1]


def test_a_folder_without_files_or_of_different_classes(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'contains no \.npz file'):
        load_predictions(tmp_path)
    save_predictions(tmp_path / 'a.npz', Predictions([full(0)], CLASSES))
    save_predictions(tmp_path / 'b.npz', Predictions([full(1)], ('x', 'y', 'z')))
    with pytest.raises(ValueError, match='classes'):
        load_predictions(tmp_path)


def test_some_videos():
    predictions = Predictions([full(0), full(1)], CLASSES)
    assert [v.video_id for v in predictions.select([1]).videos] == [1]
    with pytest.raises(KeyError, match='no predictions for the videos'):
        predictions.select([1, 5])


def test_labels_beyond_the_classes_are_refused():
    with pytest.raises(ValueError, match='label 1, but there are 1 classes'):
        Predictions([video()], ('cat', ))


@pytest.mark.parametrize('content', [b'', b'no zip', b'PK\x03\x04 cut'])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / 'p.npz'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'p\.npz is not a file of predictions'):
        load_predictions(path)


def test_other_arrays_newer_versions_and_incomplete_files_are_refused(tmp_path):
    path = tmp_path / 'p.npz'
    np.savez(path, boxes=np.zeros(3))
    with pytest.raises(ValueError, match='is not a file of predictions'):
        load_predictions(path)
    meta = dict(format='mmvod_predictions', version=99, classes=[], videos=[], info={})
    np.savez(path, meta=np.array(json.dumps(meta)))
    with pytest.raises(ValueError, match='version 99'):
        load_predictions(path)
    np.savez(path, meta=np.array(json.dumps(meta | dict(version=1))))
    with pytest.raises(ValueError, match='lacks the arrays'):
        load_predictions(path)


def written(path, change_meta=None, **arrays):
    """A file of two videos, with another header or other arrays."""
    save_predictions(path, Predictions([full(0), full(1)], CLASSES))
    with np.load(path) as data:
        content = dict(data)
    meta = json.loads(str(content['meta']))
    if change_meta:
        change_meta(meta)
    content.update(arrays, meta=np.array(json.dumps(meta)))
    np.savez_compressed(path, **{k: v for k, v in content.items() if v is not None})
    return path


@pytest.mark.parametrize(('change', 'message'), [
    (lambda meta: meta.pop('classes'), 'its header has classes=None, expected a list'),
    (lambda meta: meta.pop('info'), 'its header has info=None, expected a dict'),
    (lambda meta: meta.update(videos=3), 'its header has videos=3, expected a list'),
    (lambda meta: meta.update(videos=['x']), "has the video 'x', expected id, num_frames"),
    (lambda meta: meta['videos'][0].pop('suppressed'), 'expected id, num_frames'),
    (lambda meta: meta['videos'][0].update(num_frames=-1), 'expected id, num_frames'),
    (lambda meta: meta['videos'][0].update(num_frames=10**15),
     r'num_boxes has the shape \(6,\), expected \(10{14}3,\)'),
    (lambda meta: meta['videos'].pop(), r'num_boxes has the shape \(6,\), expected \(3,\)'),
    (lambda meta: meta['videos'][1].update(id=0), 'has the video 0 more than once'),
    (lambda meta: meta['videos'][1].update(id={}), 'is damaged: .*unhashable'),
    (lambda meta: meta['videos'][1].update(img_shape=5), 'is damaged'),
    (lambda meta: meta.update(version='x'), "version x, expected 'mmvod_predictions'"),
])
def test_a_header_that_lies_is_named(tmp_path, change, message):
    path = written(tmp_path / 'p.npz', change)
    with pytest.raises(ValueError, match=rf'p\.npz.*{message}'):
        load_predictions(path)


@pytest.mark.parametrize(('name', 'array', 'message'), [
    ('labels', np.full(10, -1, np.int16), 'is damaged: video 0 has the label -1'),
    ('labels', np.full(10, 3, np.int16), 'is damaged: video 0 has the label 3'),
    ('labels', np.zeros(11, np.int16), r'labels has the shape \(11,\), expected \(10,\)'),
    ('num_boxes', np.array([2, 1, 3, -1, 2, 3]), 'num_boxes has negative numbers'),
    ('boxes', np.zeros((10, 5)), r'boxes has the shape \(10, 5\), expected \(10, 4\)'),
    ('scores', np.array(['x'] * 10, object), 'scores holds object'),
    ('relations', np.zeros(3), r'relations has the shape \(3,\)'),
    ('track_ids', np.zeros((10, 2)), r'track_ids has the shape \(10, 2\)'),
    ('frame_ids', np.arange(6)[::-1].copy(), 'is damaged: video 0: frame_ids'),
])
def test_arrays_that_do_not_fit_are_named(tmp_path, name, array, message):
    path = written(tmp_path / 'p.npz', **{name: array})
    with pytest.raises(ValueError, match=rf'p\.npz.*{message}'):
        load_predictions(path)


def test_every_flipped_byte_is_named_or_harmless(tmp_path):
    path = written(tmp_path / 'p.npz')
    whole = path.read_bytes()
    faults = []
    for place in range(0, len(whole), 11):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # a damaged name is that of an unknown array
            try:
                load_predictions(path)
            except ValueError as error:
                faults.append(str(error))
    assert len(faults) > len(whole) / 11 / 2
    assert all('p.npz' in fault for fault in faults)


def test_arrays_of_other_names_are_not_read(tmp_path):
    path = written(tmp_path / 'p.npz', bomb=np.zeros(1 << 22))
    tracemalloc.start()
    with pytest.warns(UserWarning, match=r"1 arrays are not read, .*\['bomb'\]"):
        load_predictions(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    path = written(path, boxes=np.zeros((1 << 20, 4)))
    tracemalloc.reset_peak()
    with pytest.raises(ValueError, match='boxes has the shape'):
        load_predictions(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()


def test_a_huge_header_is_refused(tmp_path, monkeypatch):
    path = written(tmp_path / 'p.npz')
    monkeypatch.setattr(npz_file, 'META_LIMIT', 100)
    with pytest.raises(ValueError, match='its header takes more than'):
        load_predictions(path)


def test_pipes_are_refused(tmp_path):
    for name in ('p.npz', 'p.json'):
        os.mkfifo(tmp_path / name)
        with pytest.raises(ValueError, match='is not a file'):
            read_predictions(tmp_path / name, source=object())


def test_a_video_in_two_files_of_a_folder_is_named(tmp_path):
    for name in 'ab':
        save_predictions(tmp_path / f'{name}.npz', Predictions([full(0)], CLASSES))
    with pytest.raises(ValueError, match='has the video 0 more than once'):
        load_predictions(tmp_path)


def test_a_pickle_is_not_loaded(tmp_path):
    path = tmp_path / 'p.npz'
    np.savez(path, meta=np.array([dict(a=1)], dtype=object))
    with pytest.raises(ValueError, match='is not a file of predictions'):
        load_predictions(path)


def test_a_missing_file_and_a_wrong_name(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_predictions(tmp_path / 'none.npz')
    with pytest.raises(ValueError, match=r'written as \.npz'):
        save_predictions(tmp_path / 'p.pkl', Predictions([], CLASSES))


def test_an_interrupted_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'p.npz'
    save_predictions(path, Predictions([full(0)], CLASSES))

    def interrupt(file, **_):
        file.write_bytes(b'half')
        raise KeyboardInterrupt
    monkeypatch.setattr(np, 'savez_compressed', interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_predictions(path, Predictions([], CLASSES))
    assert len(load_predictions(path).videos) == 1
    assert [p.name for p in tmp_path.iterdir()] == ['p.npz']
