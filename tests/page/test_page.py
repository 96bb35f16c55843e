"""The prediction page: what it says of detections, and the files that it consists of."""

import json
import os

import cv2
import numpy as np
import pytest

from mmvod_plugins.cli import main
from mmvod_plugins.evaluation import Predictions, save_predictions
from mmvod_plugins.evaluation.functional import (
    COCO,
    PROTOCOLS,
    VOC,
    Detections,
    GroundTruth,
    evaluate,
)
from mmvod_plugins.evaluation.functional.scene import Scene
from mmvod_plugins.page import VERDICTS, judge, load_references, save_references
from mmvod_plugins.page.failures import broken_tracks, false_detections, missed_objects
from mmvod_plugins.page.frames import copy_frames
from mmvod_plugins.results import read_results, write_results
from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.visualization import write_video
from tests.datasets.tiny_vid import make_tiny_vid

BOX = [10, 10, 30, 30]
AWAY = [40, 10, 60, 30]
CLASSES = ('class_0', 'class_1', 'class_2')


def truth_of(frames, crowd=()):
    """Ground truth of one video; every frame is a list of (box, label, instance)."""
    rows = [row for frame in frames for row in frame]
    boxes = np.array([row[0] for row in rows], float).reshape(-1, 4)
    return GroundTruth(
        image_ids=list(range(len(frames))), video_ids=['v'] * len(frames),
        frame_ids=np.arange(len(frames)), num_boxes=np.array([len(f) for f in frames]),
        boxes=boxes, labels=np.array([row[1] for row in rows], int),
        instance_ids=np.array([row[2] for row in rows], int),
        crowd=np.isin(np.arange(len(rows)), crowd), areas=np.full(len(rows), 400.0),
        img_shapes=np.full((len(frames), 2), 64), classes=('a', 'b'))


def scene_of(truth, rows):
    """A scene of detections (frame, box, label, score)."""
    frame, boxes, labels, scores = zip(*rows, strict=True) if rows else ([], [], [], [])
    return Scene(Detections(np.array(frame, int), np.array(boxes, float).reshape(-1, 4),
                            np.array(scores, float), np.array(labels, int)), truth)


@pytest.mark.parametrize('protocol', PROTOCOLS.values(), ids=lambda protocol: protocol.name)
def test_each_detection_gets_its_verdict(protocol):
    truth = truth_of([[(BOX, 0, 1), (AWAY, 1, 2), ([10, 40, 60, 60], 0, 3)]], crowd=[2])
    scene = scene_of(truth, [(0, BOX, 0, 0.9), (0, BOX, 0, 0.8), (0, AWAY, 0, 0.7),
                             (0, [0, 0, 5, 5], 0, 0.6), (0, [20, 42, 30, 52], 0, 0.5)])
    verdicts = judge(scene, protocol)
    assert [VERDICTS[i] for i in verdicts.of_detection] == [
        'correct', 'duplicate', 'wrong class', 'false', 'ignored']
    assert verdicts.detection_of.tolist() == [0, -1, -1]


def test_what_coco_does_not_count_is_ignored():
    truth = truth_of([[(BOX, 0, 1)]])
    rows = [(0, AWAY, 0, 0.9 - 0.001 * i) for i in range(100)] + [(0, BOX, 0, 0.1)]
    verdicts = judge(scene_of(truth, rows), COCO)
    assert VERDICTS[verdicts.of_detection[-1]] == 'ignored'
    assert verdicts.detection_of.tolist() == [-1]


@pytest.mark.parametrize('protocol', [*PROTOCOLS.values()], ids=lambda protocol: protocol.name)
def test_verdicts_are_those_of_the_metric_at_every_threshold(protocol):
    rng = np.random.default_rng(0)

    def boxes(count):
        corner = rng.uniform(0, 20, (count, 2))
        return np.concatenate([corner, corner + rng.uniform(10, 30, (count, 2))], 1)

    truth = truth_of([[(box, int(rng.integers(2)), i) for i, box in enumerate(boxes(4))]
                      for _ in range(6)])
    rows = [(f, box, int(rng.integers(2)), float(rng.uniform()))
            for f in range(6) for box in boxes(12)]
    whole = judge(scene_of(truth, rows), protocol)
    for threshold in (0.0, 0.4, 0.8):
        kept = [i for i, row in enumerate(rows) if row[3] >= threshold]
        scene = scene_of(truth, [rows[i] for i in kept])
        part = judge(scene, protocol)
        assert part.of_detection.tolist() == whole.of_detection[kept].tolist()
        recall = evaluate(scene.detections, truth, [protocol])[protocol.name]['all'].recall
        if protocol is not COCO:  # whose recall is a mean over thresholds
            found = [np.mean(part.detection_of[truth.labels == k] >= 0) for k in range(2)]
            np.testing.assert_allclose(found, recall)


def test_missed_runs_and_flicker():
    truth = truth_of([[(BOX, 0, 7)]] * 8)
    seen = {0: 0.9, 1: 0.2, 2: 0.9, 5: 0.9}
    scene = scene_of(truth, [(t, BOX, 0, score) for t, score in seen.items()])
    found = list(missed_objects(scene, judge(scene, VOC), truth.tracks, 0.5))
    missed = [(f['frame'], f['last'], f['value']) for f in found if f['kind'] == 'missed']
    assert missed == [(1, 1, 1), (3, 4, 2), (6, 7, 2)]
    [flicker] = [f for f in found if f['kind'] == 'flicker']
    assert (flicker['frame'], flicker['value']) == (1, 5)


def test_an_object_that_is_lost_once_does_not_flicker():
    truth = truth_of([[(BOX, 0, 7)]] * 4)
    scene = scene_of(truth, [(0, BOX, 0, 0.9)])
    found = list(missed_objects(scene, judge(scene, VOC), truth.tracks, 0.5))
    assert [f['kind'] for f in found] == ['missed']


def test_a_false_detection_that_stays_is_one_failure():
    truth = truth_of([[]] * 5)
    rows = [(0, BOX, 0, 0.6), (1, BOX, 0, 0.9), (1, AWAY, 0, 0.7), (2, BOX, 1, 0.8),
            (3, BOX, 0, 0.65), (4, BOX, 0, 0.1)]
    scene = scene_of(truth, rows)
    found = list(false_detections(scene, judge(scene, VOC), 0.5))
    assert [(f['frame'], f['value']) for f in found] == [(1, 0.9), (1, 0.7), (2, 0.8), (3, 0.65)]


def test_gaps_and_short_tracks():
    scene = scene_of(truth_of([[]] * 6), [(t, BOX, 0, 0.9) for t in (0, 3, 4)] + [
        (5, BOX, 0, 0.9), (2, BOX, 0, 0.9), (1, BOX, 0, 0.9)])
    order = scene.detections.frame_index  # 0 1 2 3 4 5
    tracks = np.array([4, -1, 9, 4, 4, -1])[order]
    found = [(f['kind'], f['frame'], f['last'], f['value'])
             for f in broken_tracks(scene, tracks, 0.5)]
    assert found == [('gap', 1, 2, 2), ('short', 2, 2, 1)]


def script(path):
    """The content of a data file."""
    text = path.read_text()
    return json.loads(text[text.index('{'):text.rindex('}') + 1])


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    """A tiny annotated set, and two runs: the truth, and every other frame of it."""
    folder = tmp_path_factory.mktemp('page')
    content = json.loads(make_tiny_vid(folder, (6, 4)).read_text())
    content['videos'][0]['name'], content['videos'][1]['name'] = '../é "1"', '..'
    (folder / 'val.json').write_text(json.dumps(content))
    for name, rule in (('all', lambda t: True), ('half', lambda t: t % 2 == 0)):
        frames = {image['id']: image['frame_id'] for image in content['images']}
        results = [dict(image_id=a['image_id'], category_id=a['category_id'], bbox=a['bbox'],
                        score=0.9) for a in content['annotations'] if rule(frames[a['image_id']])]
        (folder / f'{name}.json').write_text(json.dumps(results))
    return folder


def annotated(tiny, out, *options):
    return main(['page', str(tiny / 'all.json'), f'other={tiny / "half.json"}', '--annotations',
                 str(tiny / 'val.json'), '--images', str(tiny), '--out', str(out), *options])


def test_a_page_of_two_runs(tiny, tmp_path):
    out = tmp_path / 'page'
    assert annotated(tiny, out) == 0
    index = script(out / 'data' / 'index.js')
    assert [run['title'] for run in index['runs']] == ['all', 'other']
    assert index['runs'][0]['ap'] == 1.0 > index['runs'][1]['ap']
    assert [video['name'] for video in index['videos']] == ['../é "1"', '..']
    assert all((out / 'frames' / video['stem'] / f'{t:06d}.jpg').is_file()
               for video in index['videos'] for t in range(video['frames']))
    assert {f['run'] for f in index['failures']} == {1}
    assert {f['kind'] for f in index['failures']} == {'missed', 'flicker'}
    video = script(out / 'data' / f'{index["videos"][0]["stem"]}.js')
    assert video['runs'][0]['counts'] == [2] * 6
    assert video['runs'][1]['counts'] == [2, 0] * 3
    assert video['truth']['found'][0] == list(range(12))
    assert [row >= 0 for row in video['truth']['found'][1]] == [True, True, False, False] * 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ['page']  # no name led elsewhere


def test_weak_detections_are_left_out_after_matching(tiny, tmp_path):
    assert annotated(tiny, tmp_path, '--least-score', '0.95', '--videos', '..') == 0
    index = script(tmp_path / 'data' / 'index.js')
    [video] = index['videos']
    boxes = script(tmp_path / 'data' / f'{video["stem"]}.js')
    assert index['runs'][0]['ap'] == 1.0
    assert sum(boxes['runs'][0]['counts']) == 0
    assert set(boxes['truth']['found'][0]) == {-1}


def test_frames_are_written_once(tiny, tmp_path):
    assert annotated(tiny, tmp_path) == 0
    frames = sorted(tmp_path.glob('frames/*/*.jpg'))
    before = [os.stat(f).st_ino for f in frames]
    assert annotated(tiny, tmp_path) == 0
    assert [os.stat(f).st_ino for f in frames] == before


def grey(folder, values):
    folder.mkdir(parents=True, exist_ok=True)
    for t, value in enumerate(values, 1):
        cv2.imwrite(str(folder / f'{t:06d}.jpg'), np.full((8, 8, 3), value, np.uint8))
        os.utime(folder / f'{t:06d}.jpg', (1000, 1000))
    return sorted(folder.iterdir())


def shown(folder):
    return [round(cv2.imread(str(path)).mean()) for path in sorted(folder.glob('*.jpg'))]


def test_frames_are_never_written_over_themselves(tmp_path):
    images = grey(tmp_path / 'frames/clip', (40, 80, 120))
    with pytest.raises(ValueError, match='name another folder'):
        copy_frames(images, tmp_path / 'frames/clip')
    assert shown(tmp_path / 'frames/clip') == [40, 80, 120]


def test_other_frames_of_the_same_age_are_copied_anew(tmp_path):
    images = grey(tmp_path / 'in', (40, 80, 120, 160))
    copy_frames(images[:2], tmp_path / 'out')
    copy_frames(images[2:], tmp_path / 'out')
    assert shown(tmp_path / 'out') == [120, 160]


def test_frames_in_a_video_file_are_shown(tmp_path):
    write_video(tmp_path / 'clip.mp4', [np.full((32, 32, 3), value, np.uint8)
                                        for value in (40, 160)])
    assert copy_frames([tmp_path / 'clip.mp4#1', tmp_path / 'clip.mp4#0'],
                       tmp_path / 'out') == (32, 32)
    np.testing.assert_allclose(shown(tmp_path / 'out'), [160, 40], atol=4)


@pytest.fixture
def own(tmp_path):
    """A video without annotations and results with tracks, from another model with none."""
    frames = [np.full((48, 64, 3), 20 * t, np.uint8) for t in range(5)]
    source = tmp_path / 'my clip é #1.mp4'
    write_video(source, frames)
    rows = [dict(boxes=np.array([BOX], np.float32), scores=np.array([0.9], np.float32),
                 labels=np.array([0]), track_ids=np.array([3])) for _ in range(4)]
    found = VideoDetections.from_frames('elsewhere', [0, 1, 3, 4], rows)
    for name in ('r.json', 'r.csv', 'r.npz'):
        write_results(tmp_path / name, Predictions([found], CLASSES))
    return source


@pytest.mark.parametrize('name', ['r.json', 'r.csv', 'r.npz'])
def test_a_page_of_an_own_video(own, name):
    out = own.parent / 'out'
    run = ['page', str(own.parent / name), '--source', str(own), '--out', str(out)]
    assert main(run) == 0
    index = script(out / 'data' / 'index.js')
    assert not index['judged']
    [gap] = index['failures']
    assert (gap['kind'], gap['frame'], gap['value']) == ('gap', 2, 1)
    [video] = index['videos']
    boxes = script(out / 'data' / f'{video["stem"]}.js')
    assert boxes['runs'][0]['counts'] == [1, 1, 0, 1, 1]
    assert boxes['truth'] is None
    assert boxes['runs'][0]['missing'] == [2]
    frame = cv2.imread(str(out / 'frames' / video['stem'] / '000002.jpg'))
    assert abs(int(frame.mean()) - 40) < 8
    before = sorted(p.stat().st_ino for p in (out / 'frames').rglob('*.jpg'))
    assert main(run) == 0
    assert sorted(p.stat().st_ino for p in (out / 'frames').rglob('*.jpg')) == before


def test_the_results_of_a_folder_of_videos(own, tmp_path):
    (tmp_path / 'clips').mkdir()
    (tmp_path / 'preds').mkdir()
    for name in ('a.mp4', 'b.mp4'):
        (tmp_path / 'clips' / name).write_bytes(own.read_bytes())
        [video] = read_results(own.parent / 'r.json').videos
        write_results(tmp_path / 'preds' / f'{name}.json',
                      Predictions([video.with_arrays(video_id=name)], CLASSES))
    assert main(['page', str(tmp_path / 'preds'), '--source', str(tmp_path / 'clips'), '--out',
                 str(tmp_path / 'out')]) == 0
    assert len(script(tmp_path / 'out' / 'data' / 'index.js')['videos']) == 2


def test_references_with_weights_and_from_a_config(tiny, tmp_path):
    table = {1: {2: [(0, 'local', 0.25), (1, '', None)]}}
    save_references(tmp_path / 'r.json', table)
    assert load_references(tmp_path / 'r.json') == table
    (tmp_path / 'c.py').write_text(
        "model = dict(references=dict(type='CausalWindow', num_frames=2))")
    assert annotated(tiny, tmp_path, '--references', f'all={tmp_path / "r.json"}',
                     f'other={tmp_path / "c.py"}') == 0
    index = script(tmp_path / 'data' / 'index.js')
    first, second = script(tmp_path / 'data' / f'{index["videos"][0]["stem"]}.js')['runs']
    assert first['references'] == {'2': [[0, 'local', 0.25], [1, '', None]]}
    assert {t for t, _, _ in second['references']['4']} == {3, 4}


@pytest.mark.parametrize(('options', 'message'), [
    (['x.npz', '--annotations', 'v.json'], 'needs --images'),
    (['x.npz'], 'name --annotations and --images'),
    (['a=1', 'b=2', 'c=3', 'd=4', '--source', 's'], 'up to 3'),
    (['a=1', 'a=2', '--source', 's'], "title 'a'"),
    (['nowhere.npz', '--source', 's'], 'nowhere.npz does not exist'),
])
def test_bad_arguments(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message):
        main(['page', *options, '--out', 'out'])
    assert not list(tmp_path.iterdir())


def test_bad_input(tiny, own, tmp_path):
    def refused(message, *arguments):
        with pytest.raises(SystemExit, match=message):
            main(['page', *map(str, arguments)])

    data = ['--annotations', tiny / 'val.json', '--images']
    refused('does not exist: check the folder', tiny / 'all.json', *data, tmp_path, '--out',
            tmp_path / 'out')
    refused('is not in the annotations', tiny / 'all.json', *data, tiny, '--out', tmp_path / 'out',
            '--videos', 'other')
    refused('is a file', tiny / 'all.json', *data, tiny, '--out', tiny / 'val.json')
    refused("video 'elsewhere', which", own.parent / 'r.npz', *data, tiny, '--out',
            tmp_path / 'out')
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'index.html').write_text('<p>precious</p>')
    refused('is another page', tiny / 'all.json', *data, tiny, '--out', tmp_path / 'mine')
    save_references(tmp_path / 'r.json', {'x': {}})
    refused('of other videos', tiny / 'all.json', *data, tiny, '--out', tmp_path / 'out',
            '--references', tmp_path / 'r.json')
    save_predictions(tmp_path / 'two.npz', Predictions(
        [VideoDetections.from_frames(name, [], []) for name in 'ab'], ('a', )))
    refused('pass the videos that were predicted', tmp_path / 'two.npz', '--source', own, '--out',
            tmp_path / 'out')
    (tmp_path / 'bad.json').write_text('{"format": "x"}')
    with pytest.raises(ValueError, match='no file of references'):
        load_references(tmp_path / 'bad.json')
