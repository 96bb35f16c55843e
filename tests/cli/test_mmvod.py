"""The command ``mmvod``: thin over the inferencer and the tools."""

import json
import os
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from mmvod_plugins.cli import main, predict
from mmvod_plugins.evaluation import Predictions, save_predictions
from mmvod_plugins.models import VideoDetector
from mmvod_plugins.results import read_results
from mmvod_plugins.visualization import count_frames, write_video
from tests.apis.test_inference import as_images, model_file
from tests.apis.test_inferencer import interrupting
from tests.models.tiny import video
from tests.results.test_results import video as detections

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp('mmvod')
    model_file(folder, None)
    return ['--model', str(folder / 'config.py'), '--weights', str(folder / 'model.pth')]


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """Two videos in a folder; the working directory is above it."""
    for i in range(2):
        write_video(tmp_path / 'clips' / f'{i}.mp4', as_images(video(4, seed=i)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob('*') if p.is_file())


def test_the_console_command_is_this_function():
    config = ConfigParser()
    config.read(ROOT / 'setup.cfg')
    assert config['options.entry_points']['console_scripts'].strip() == (
        'mmvod = mmvod_plugins.cli:main')


@pytest.mark.usefixtures('clips')
def test_a_video_gives_a_video_and_a_table(model, capsys):
    assert main(['predict', 'clips/0.mp4', *model, '--out', 'out.mp4', '--pred-out', 'x.csv',
                 '--batch-size', '2', '--score-thr', '0.5', '--classes', 'a', 'b']) == 0
    assert count_frames('out.mp4') == 4
    found = read_results('x.csv').videos[0]
    assert set(found.labels.tolist()) <= {0, 1}
    assert f'out.mp4: 4 frames, {(found.scores >= 0.5).sum()} boxes with a score of 0.5' in (
        capsys.readouterr().out)


def test_a_folder_gives_a_folder(model, clips):
    main(['predict', 'clips', *model, '--out', 'out', '--no-save-vis', '--pred-out',
          '{video}.xml', '--post-processors', 'SeqBboxMatching(min_score=0.2)'])
    assert files(clips / 'out') == ['preds/0.json', 'preds/1.json']
    assert read_results('0.mp4.xml').videos[0].track_ids.max() > 0


@pytest.mark.usefixtures('clips')
def test_results_are_printed_as_json_alone(model, capsys):
    assert main(['predict', 'clips/0.mp4', 'clips/1.mp4', *model, '--print-result']) == 0
    printed = capsys.readouterr()
    assert [entry['video_id'] for entry in json.loads(printed.out)] == ['0.mp4', '1.mp4']
    assert '1.mp4: 4 frames' in printed.err


@pytest.mark.usefixtures('clips')
def test_an_interruption_is_said_with_what_is_there(model, monkeypatch, capsys):
    interrupting(monkeypatch, after=2)
    assert main(['predict', 'clips/0.mp4', *model, '--out', 'o.mp4', '--pred-out',
                 'x.jsonl']) == 130
    assert 'interrupted: 2 of 4 frames of 0.mp4 are detected; written: o.mp4, x.jsonl; ' in (
        capsys.readouterr().out)
    assert count_frames('o.mp4') == read_results('x.jsonl').videos[0].num_frames == 2


@pytest.mark.parametrize(('options', 'message'), [
    ([], 'name a source or --camera-id, one of them'),
    (['clips', '--camera-id', '0'], 'name a source or --camera-id, one of them'),
    (['clips'], 'nothing to do with the detections'),
    (['none.mp4', '--out', 'o.mp4'], r'none\.mp4 does not exist'),
    (['clips', '--out', 'o.mp4'], r'o\.mp4 is one video, but there are 2'),
    (['clips/0.mp4', '--out', 'o.avi'], r'ends in \.mp4'),
    (['clips/0.mp4', '--pred-out', 'x.doc'], 'must end with'),
    (['clips/0.mp4', '--pred-out', 'clips/0.mp4'], 'must end with'),
    (['clips/0.mp4', '--out', 'o.mp4', '--fps', '0'], 'positive fps'),
    (['clips/0.mp4', '--out', 'o.mp4', '--weights', 'none.pth'], r'none\.pth does not exist'),
    (['clips/0.mp4', '--out', 'o.mp4', '--post-processors', 'Seq-NMS'], 'not a post-processor'),
    (['clips/0.mp4', '--out', 'o.mp4', '--post-processors', 'Unknown'], 'Unknown'),
])
def test_what_is_not_possible_ends_with_one_sentence(model, clips, monkeypatch, options, message):
    before = files(clips)
    monkeypatch.setattr(VideoDetector, 'detect', None)
    with pytest.raises(SystemExit, match=message):
        main(['predict', *model, *options])
    assert files(clips) == before


@pytest.mark.usefixtures('clips')
def test_a_bad_output_is_refused_before_the_model_is_built(model, monkeypatch):
    monkeypatch.setattr(predict, 'VideoDetInferencer', None)
    with pytest.raises(SystemExit, match='positive fps'):
        main(['predict', 'clips', *model, '--out', 'o', '--fps', '-1'])


@pytest.mark.usefixtures('clips')
def test_tools_are_commands(capsys):
    """They get their arguments and give their exit code."""
    classes = ('cat', 'dog', 'cow')
    save_predictions('raw.npz', Predictions([detections('v')], classes))
    assert main(['link', 'raw.npz', '--out', 'linked.csv', '--post-processors',
                 'SeqBboxMatching']) == 0
    assert 'linked.csv: ' in capsys.readouterr().out
    assert read_results('linked.csv', classes).videos[0].track_ids is not None
    assert main(['link', 'none.npz', '--out', 'x.npz']) == 1
    assert 'none.npz does not exist' in capsys.readouterr().err
    for name in ('eval', 'convert'):
        assert main([name, '--help']) == 0
        assert 'usage: ' in capsys.readouterr().out


def test_the_module_is_the_command(tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'mmvod_plugins', 'predict', 'none.mp4', '--model', 'x', '--out',
         'y'],
        cwd=tmp_path, env=os.environ | dict(PYTHONPATH=str(ROOT)), capture_output=True, text=True,
        check=False)
    assert done.returncode == 1
    assert done.stderr.strip().endswith('none.mp4 does not exist')
    assert not list(tmp_path.iterdir())
