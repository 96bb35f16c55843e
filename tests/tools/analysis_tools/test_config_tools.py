"""The tools that look at a config, a log or a checkpoint, as commands on a tiny data set."""

import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config

from mmvod_plugins.datasets.coco_vid_file import CocoVIDFile
from mmvod_plugins.evaluation.coco_json import from_coco_results, write_predictions
from mmvod_plugins.page import load_references
from mmvod_plugins.visualization import write_video
from tests.datasets.tiny_vid import make_tiny_vid
from tests.tools.test_predictions_tools import tool
from tests.tools.tiny_video import settings_of

ROOT = Path(__file__).resolve().parents[3]
TOOLS = {path.stem: path for path in (ROOT / 'tools').rglob('*.py')}
NAMES = ('browse_references', 'browse_dataset', 'get_flops', 'benchmark', 'print_config',
         'publish_model', 'analyze_results', 'analyze_logs', 'confusion_matrix', 'prediction_page')


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """A config, its data, and predictions: the truth, in one frame as a class that is not there."""
    folder = tmp_path_factory.mktemp('config_tools')
    ann_file = make_tiny_vid(folder, (6, 4))
    Config(settings_of(ann_file, folder, 3)).dump(folder / 'tiny.py')
    content = json.loads(ann_file.read_text())
    first = {a['category_id'] for a in content['annotations'] if a['image_id'] == 1}
    absent = min({1, 2, 3} - first)
    results = [dict(image_id=a['image_id'], bbox=a['bbox'], score=0.9,
                    category_id=absent if a['image_id'] == 1 else a['category_id'])
               for a in content['annotations']]
    source = CocoVIDFile(str(ann_file))
    write_predictions(folder / 'p.npz', from_coco_results(results, source))
    return folder


@pytest.fixture
def run(capsys):
    """Run a tool with arguments; what it prints."""
    def call(name, *arguments, code=0):
        capsys.readouterr()
        found = tool(TOOLS[name]).main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert found == code, printed.err
        return printed.err if code else printed.out
    return call


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_it_is_a_command(name):
    done = subprocess.run([sys.executable, TOOLS[name], '--help'], check=True, text=True,
                          capture_output=True)
    assert 'usage:' in done.stdout


@pytest.mark.parametrize('name', NAMES)
def test_mim_finds_one_script_of_this_name(name):
    assert len(list((ROOT / 'tools').rglob(f'{name}.py'))) == 1


def test_references_as_text_picture_and_table(run, files, tmp_path):
    text = run('browse_references', files / 'tiny.py', '--length', '12', '--keys', '5', '--out',
               tmp_path / 'r.png', '--draws', '2')
    policy = MODELS.build(Config.fromfile(files / 'tiny.py').model).policy
    roles = policy.frames(5, 12, '0')
    for role, ids in roles.items():
        assert re.search(rf'testing +{role} +{" ".join(map(str, ids))}\n', text)
    assert text.count('training') == 2 * len(policy.draws)
    assert cv2.imread(str(tmp_path / 'r.png')).std() > 10
    run('browse_references', files / 'tiny.py', '--length', '12', '--out', tmp_path / 'r.json')
    table = load_references(tmp_path / 'r.json')['0']
    assert [(t, role) for t, role, _ in table[5]] == [
        (t, role) for role, ids in roles.items() for t in ids]


def test_weights_of_references_add_up(run, files, tmp_path):
    """All of the first relation's attention goes to the window and the memory."""
    config = Config.fromfile(files / 'tiny.py')
    torch.save(dict(state_dict=MODELS.build(config.model).state_dict()), tmp_path / 'm.pth')
    rng = np.random.default_rng(0)
    write_video(tmp_path / 'c.mp4',
                [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(8)])
    run('browse_references', files / 'tiny.py', '--checkpoint', tmp_path / 'm.pth', '--input',
        tmp_path / 'c.mp4', '--out', tmp_path / 'r.json')
    [(name, table)] = load_references(tmp_path / 'r.json').items()
    assert (name, list(table)) == ('c.mp4', list(range(8)))
    for references in table.values():
        assert sum(weight or 0 for _, _, weight in references) == pytest.approx(1, abs=1e-4)
    assert any(role == 'memory' for _, role, _ in table[7])


def test_clips_of_training_are_drawn(run, files, tmp_path):
    text = run('browse_dataset', files / 'tiny.py', '--not-show', '--output-dir', tmp_path,
               '--num-clips', '3')
    assert text.startswith('3 clips')
    pictures = [cv2.imread(str(path)) for path in sorted(tmp_path.glob('*.jpg'))]
    # The key frame and its references, four in a row: without the model's policy it is one frame.
    assert len(pictures) == 3
    assert all(picture.shape[1] > 4 * 60 for picture in pictures)


def test_flops_grow_with_the_area_and_with_references(run, files):
    def flops(*options):
        text = run('get_flops', files / 'tiny.py', '--num-images', '6', *options)
        number, unit = re.search(r'Flops per frame: ([\d.]+)([KMG])', text).groups()
        return float(number) * dict(K=1, M=1e3, G=1e6)[unit]

    plain = ('--cfg-options', 'model.references=None', 'train_cfg=None',
             'model.detector.roi_head.aggregator.memory_size=0')
    alone = flops('--shape', '48', '64', *plain)
    assert flops('--shape', '48', '64') > 1.05 * alone
    # tests' pipeline resizes to 64 x 48: another shape changes nothing
    assert flops('--shape', '96', '128', *plain) == pytest.approx(alone, rel=0.02)


@pytest.mark.parametrize(('task', 'kind', 'warmup', 'frames'), [
    ('inference', 'test', 2, 4), ('dataloader', 'train', 2, None), ('dataset', 'test', 0, 26)])
def test_the_speed_of_a_config_on_its_data(run, files, task, kind, warmup, frames):
    """A sample of the test set is one of two videos, of 6 and 4 frames; they begin again."""
    text = run('benchmark', files / 'tiny.py', '--task', task, '--dataset-type', kind,
               '--max-iter', 6 if frames == 4 else 5, '--num-warmup', warmup, '--repeat-num', 2,
               '--device', 'cpu')
    lines = text.splitlines()
    assert len(lines) == 2
    for line in lines:
        speed, time, count = map(float, re.search(
            r'([\d.]+) frames per second, ([\d.]+) ms per frame \((\d+) fr', line).groups())
        assert speed * time == pytest.approx(1000, rel=0.1)
        assert count == (frames or count) > 0


@pytest.mark.parametrize('options', [('--max-iter', 5), ('--repeat-num', 0), (
    '--task', 'inference', '--dataset-type', 'train')])
def test_a_measurement_of_nothing_is_refused(run, files, options):
    assert run('benchmark', files / 'tiny.py', *options, code=1).startswith('error: ')


def test_a_config_is_printed_whole(run, files, tmp_path):
    text = run('print_config', files / 'tiny.py', '--save-path', tmp_path / 'w.py',
               '--cfg-options', 'train_cfg.max_iters=7')
    assert 'max_iters=7' in text
    whole = Config.fromfile(tmp_path / 'w.py')
    assert whole.train_dataloader.dataset.pipeline[0].references == whole.model.references
    assert 'must end with' in run('print_config', files / 'tiny.py', '--save-path',
                                  tmp_path / 'w.txt', code=1)
    assert 'no config' in run('print_config', 'nowhere', code=1)


def test_a_checkpoint_is_published(run, tmp_path):
    torch.save(dict(meta={}, state_dict=dict(a=torch.ones(3)), optimizer=dict(b=1)),
               tmp_path / 'in.pth')
    text = run('publish_model', tmp_path / 'in.pth', tmp_path / 'out.pth')
    [file] = tmp_path.glob('out-????????.pth')
    assert str(file) in text
    assert 'optimizer' in text
    assert set(torch.load(file, weights_only=True)) == {'meta', 'state_dict'}
    assert "has no 'ema'" in run('publish_model', tmp_path / 'in.pth', tmp_path / 'out.pth',
                                 '--save-keys', 'ema', code=1)


def test_logs_become_curves(run, tmp_path):
    log = tmp_path / 'scalars.json'
    log.write_text('\n'.join(json.dumps(entry) for entry in (
        dict(loss=2.0, time=9.0, step=10), dict(loss=1.0, time=0.5, step=20),
        {'vid/voc_AP50': 0.3, 'step': 20}, dict(loss=0.5, time=0.7, step=30))))
    assert '2 curves' in run('analyze_logs', 'plot_curve', log, '--keys', 'loss', 'voc_AP50',
                             '--out', tmp_path / 'c.png')
    assert cv2.imread(str(tmp_path / 'c.png')).std() > 5
    assert tool(TOOLS['analyze_logs']).curve(log, 'voc_AP50') == ([20], [0.3])
    assert '0.6000 s an iteration' in run('analyze_logs', 'cal_train_time', log)
    assert "no 'los'; it has" in run('analyze_logs', 'plot_curve', log, '--keys', 'los', '--out',
                                     tmp_path / 'c.png', code=1)
    log.write_text('epoch 1')
    assert 'line 1 is no JSON' in run('analyze_logs', 'cal_train_time', log, code=1)


def test_classes_that_are_taken_for_others(run, files, tmp_path):
    text = run('confusion_matrix', files / 'tiny.py', files / 'p.npz', tmp_path)
    assert '18 of 20 objects' in text
    assert cv2.imread(str(tmp_path / 'confusion_matrix.png')).std() > 10
    assert 'as many frames as there are videos' in run(
        'confusion_matrix', files / 'tiny.py', 'x.pkl', tmp_path, code=1)


def test_best_and_worst_frames(run, files, tmp_path):
    run('analyze_results', files / 'tiny.py', files / 'p.npz', tmp_path, '--topk', '1')
    assert [path.name for path in (tmp_path / 'bad').iterdir()] == ['1_000000_0.000.jpg']
    [good] = (tmp_path / 'good').iterdir()
    assert good.name.endswith('_1.000.jpg')
