"""tools/analysis_tools/{eval,draw}_predictions.py and tools/postprocess.py as commands."""

import importlib.util
import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mmvod_plugins.datasets.coco_vid_file import CocoVIDFile
from mmvod_plugins.evaluation import load_predictions
from mmvod_plugins.evaluation.coco_json import from_coco_results, write_predictions
from tests.datasets.tiny_vid import make_tiny_vid

ROOT = Path(__file__).resolve().parents[2]
EVALUATE = ROOT / 'tools/analysis_tools/eval_predictions.py'
POSTPROCESS = ROOT / 'tools/postprocess.py'
FIT = ROOT / 'tools/analysis_tools/fit_repp.py'
DRAW = ROOT / 'tools/analysis_tools/draw_predictions.py'


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Ground truth, and its boxes with low scores in every other frame as detections."""
    folder = tmp_path_factory.mktemp('predictions')
    ann_file = make_tiny_vid(folder, (6, 4))
    content = json.loads(ann_file.read_text())
    results = [dict(image_id=a['image_id'], category_id=a['category_id'], bbox=a['bbox'],
                    score=0.9 if a['image_id'] % 2 else 0.002) for a in content['annotations']]
    (folder / 'p.json').write_text(json.dumps(results))
    source = CocoVIDFile(str(ann_file))
    predictions = from_coco_results(results, source)
    predictions.videos = [v.with_arrays(suppressed=False) for v in predictions.videos]
    write_predictions(folder / 'p.npz', predictions)
    return folder


@lru_cache
def tool(path):
    """A tool as a module: a process of its own would take seconds to start."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(capsys):
    """Run a tool with arguments; what it prints."""
    def call(path, *arguments, code=0):
        capsys.readouterr()
        found = tool(path).main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert found == code, printed.err
        return SimpleNamespace(stdout=printed.out, stderr=printed.err)
    return call


def test_it_is_a_command(files):
    done = subprocess.run(
        [sys.executable, EVALUATE, files / 'p.npz', files / 'tiny_vid.json'], cwd=files,
        env=os.environ | {'PYTHONPATH': str(ROOT)}, check=True, capture_output=True, text=True)
    assert 'mega_AP50' in done.stdout


@pytest.mark.parametrize('name', ['p.npz', 'p.json'])
def test_a_file_is_evaluated(run, files, name):
    done = run(EVALUATE, files / name, files / 'tiny_vid.json', '--per-video', '--sizes',
               '--stability', '0.5', '--proposals', '1', '--json', files / 'numbers.json')
    numbers = json.loads((files / 'numbers.json').read_text())
    assert numbers['mega_AP50'] == 1.0
    assert numbers['fragment_error'] == 1.0  # strong and weak frames take turns
    for line in ('AP50 of classes', 'AP50 of videos', 'temporal stability', 'area_small'):
        assert line in done.stdout


def test_post_processing_before_the_evaluation(run, files):
    run(EVALUATE, files / 'p.npz', files / 'tiny_vid.json', '--stability', '0.4', '--json',
        files / 'after.json', '--post-processors', 'SeqNMS', '--videos', 'video_0',
        '--protocols', 'voc')
    numbers = json.loads((files / 'after.json').read_text())
    assert numbers['fragment_error'] == 0.0
    assert numbers['voc_AP50'] == 1.0
    assert not any('mega' in key for key in numbers)


def test_a_file_is_post_processed_and_tracks_are_exported(run, files):
    run(POSTPROCESS, files / 'p.npz', '--post-processors', "SeqNMS(rescore='max')", '--out',
        files / 'linked.npz')
    run(POSTPROCESS, files / 'linked.npz', '--out', files / 'linked.json', '--annotations',
        files / 'tiny_vid.json')
    found = load_predictions(files / 'linked.npz')
    assert all(np.allclose(video.scores, 0.9) for video in found.videos)
    assert found.info['post_processors'] == [dict(type='SeqNMS', rescore='max')]
    rows = json.loads((files / 'linked.json').read_text())
    assert {row['track_id'] for row in rows} == {0, 1}


def test_two_files_are_pooled(run, files):
    run(POSTPROCESS, files / 'p.npz', files / 'p.npz', '--post-processors', 'PerFrameNMS',
        '--out', files / 'both.npz')
    assert [len(v) for v in load_predictions(files / 'both.npz').videos] == [12, 8]


@pytest.mark.parametrize(('command', 'said'), [
    ((EVALUATE, 'none.npz', '{f}/tiny_vid.json'), 'none.npz'),
    ((EVALUATE, '{f}/tiny_vid.json', '{f}/tiny_vid.json'), 'is not COCO results'),
    ((EVALUATE, '{f}/p.npz', '{f}/p.json'), 'p.json lists no images'),
    ((EVALUATE, '{f}/p.npz', '{f}/tiny_vid.json', '--videos', 'x'), "video 'x' is not in"),
    ((EVALUATE, '{f}/p.npz', '{f}/tiny_vid.json', '--post-processors', 'NoSuchThing'),
     'NoSuchThing'),
    ((EVALUATE, '{f}/p.npz', '{f}/tiny_vid.json', '--post-processors', 'REPP(link_model="x.json")'),
     'x.json'),
    ((EVALUATE, '{f}/p.npz', '{f}/tiny_vid.json', '--post-processors', 'SeqNMS(rescore)'),
     'is not a post-processor'),
    ((POSTPROCESS, '{f}/p.json', '--out', '{f}/x.npz'), 'pass the annotation file'),
    ((POSTPROCESS, '{f}/p.npz', '--out', '{f}/x.pkl'), 'must end with .json or .jsonl'),
    ((POSTPROCESS, '{f}/p.npz', '--out', '{f}/p.npz'), 'p.npz is read and would be overwritten'),
    ((EVALUATE, '{f}/p.npz', '{f}/tiny_vid.json', '--json', '{f}/tiny_vid.json'),
     'tiny_vid.json is read and would be overwritten'),
    ((FIT, '{f}/tiny_vid.json', '--out', '{f}/tiny_vid.json'), 'would be overwritten'),
    ((DRAW, '{f}/tiny_vid.json', '{f}', 'a={f}/p.npz', '--out', '{f}/x.gif'), 'must end with'),
], ids=['no file', 'no results', 'no annotations', 'no such video', 'no such post-processor',
        'no such model', 'no such option',
        'json without annotations', 'wrong name', 'over predictions', 'over annotations',
        'model over annotations', 'no picture'])
def test_errors_are_one_sentence(run, files, command, said):
    path, *words = command
    done = run(path, *(str(word).replace('{f}', str(files)) for word in words), code=1)
    assert said in done.stderr
    assert 'Traceback' not in done.stderr


def test_a_video_is_drawn_over_time(run, files):
    command = [ROOT / 'tools/analysis_tools/draw_predictions.py', files / 'tiny_vid.json', files,
               f'one={files / "p.npz"}', f'two={files / "p.json"}', '--out', files / 'strip.png']
    run(*command, '--zoom', '1', '--video', 'video_1', '--frames', '0', '2', '3')
    picture = cv2.imread(str(files / 'strip.png'))
    assert picture.shape == (3 * 48 + 2 * 4, 130 + 3 * 64 + 2 * 4, 3)
    run(*command, '--zoom', '1', '--video', 'video_1', '--frames', '0', '2', '3',
        '--score-thr', '2')  # no box of any file
    empty = cv2.imread(str(files / 'strip.png'))
    assert np.array_equal(empty[:48], picture[:48])  # the true boxes
    assert not np.array_equal(empty[52:], picture[52:])
    assert 'is not in the video' in run(*command, '--frames', '9', code=1).stderr
