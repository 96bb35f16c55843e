"""The commands of docs/own_data.md, in their order, with tiny videos and few iterations."""

import json
import re
import runpy
import shlex
import subprocess
import sys

import pytest
from mmengine.config import Config
from mmengine.hub import get_config

from mmvod_plugins.cli import main as mmvod
from mmvod_plugins.engine import complete_config
from mmvod_plugins.references import build_references
from mmvod_plugins.visualization import read_frames
from mmvod_plugins.where import find_config
from tests.test_docs import ROOT, blocks

PAGE = 'own_data.md'
LABELS = ('checked', 'striped')
FEW = ' --cfg-options train_cfg.max_iters=4 train_cfg.val_interval=4'
TINY = ' --train-videos 2 --val-videos 1 --frames 3 --size 48 64 --workers 1'


def run(command):
    """Run a command of the page as a user does."""
    program, *words = shlex.split(command)
    if program == 'mmvod':
        assert mmvod(words) == 0
        return
    if program != 'python':
        subprocess.run(command, shell=True, check=True)
        return
    script = ROOT / words[0]
    before, sys.path[0] = (sys.argv, list(sys.path)), str(script.parent)
    sys.argv = [str(script), *words[1:]]
    code = 0
    try:
        runpy.run_path(str(script), run_name='__main__')
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.argv, sys.path[:] = before
    assert not code, command


def commands():
    """The page's commands with few videos and iterations."""
    lines = ''.join(blocks(PAGE, 'bash')).replace('\\\n', ' ').splitlines()
    shorter = [re.sub(r'iter_\d+', 'iter_4', line) for line in lines if 'coco2coco_vid' not in line]
    return [line + TINY * ('labelled_videos' in line) + FEW * ('tools/train' in line)
            for line in shorter]


@pytest.mark.filterwarnings('ignore:the checkpoint has another number of classes')
def test_the_tutorial(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    [text] = blocks(PAGE, 'python config')
    assert len(text.splitlines()) <= 5
    (tmp_path / 'my_mega.py').write_text(text.replace("'tools/demo", f"'{ROOT}/tools/demo"))
    for command in commands():
        run(command)
    content = json.loads((tmp_path / 'data/val.json').read_text())
    assert [item['name'] for item in content['categories']] == list(LABELS)
    assert len(content['images']) == 3
    assert not (tmp_path / 'data/all.json').exists()
    results = tmp_path / 'work_dirs'
    assert len(list(read_frames(results / 'val_1.mp4'))) == 3
    assert (results / 'page/index.html').is_file()
    assert 'vid/coco_AP50' in capsys.readouterr().out
    [code] = blocks(PAGE, 'python api')
    exec(compile(code.replace('iter_400', 'iter_4'), PAGE, 'exec'), {})
    assert capsys.readouterr().out.endswith("('checked', 'striped')\n3\n")


def test_the_control_sees_as_many_frames(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'my_mega.py').write_text(blocks(PAGE, 'python config')[0])
    run(next(line for line in commands() if line.startswith('sed')))
    mega, control = (complete_config(Config.fromfile(f'my_{name}.py'))
                     for name in ('mega', 'control'))
    clip = sum(build_references(mega.model.references).draws.values())  # the key is one of them
    assert (mega.train_cfg.max_iters * mega.train_dataloader.batch_size * clip
            == control.train_cfg.max_iters * control.train_dataloader.batch_size == 9600)
    assert control.load_from == mega.load_from
    assert control.own_data == mega.own_data


def test_the_config_of_real_size_inherits_from_the_installed_one(tmp_path):
    [text] = blocks(PAGE, 'python real config')
    assert len(text.splitlines()) <= 5
    (tmp_path / 'my_mega.py').write_text(text)
    found = complete_config(Config.fromfile(tmp_path / 'my_mega.py'))
    assert found.model.detector.roi_head.bbox_head.num_classes == 2
    assert found.train_cfg.max_iters == 5000
    for part in ('train', 'val', 'test'):
        dataset = found[f'{part}_dataloader'].dataset
        assert dataset.metainfo.classes == ('cat', 'dog')
        assert dataset.ann_file == f'data/{"train" if part == "train" else "val"}.json'
        assert (dataset.type, dataset.data_prefix.img_path) == ('CocoVIDDataset', 'data/frames')
        assert dataset.test_mode == (part != 'train')
    assert found.test_evaluator.ann_file == 'data/val.json'
    name = 'mega/mega_faster-rcnn_r50-conv4-dc5_4xb1-120k_imagenetvid'
    assert get_config(f'mmvod_plugins::{name}.py').model == Config.fromfile(find_config(name)).model


@pytest.mark.parametrize('path', [
    *(sorted(folder.glob('*.py'))[0] for folder in sorted((ROOT / 'configs').iterdir())
      if folder.name != '_base_'), *sorted((ROOT / 'configs/mixed').glob('*.py'))[1:]],
    ids=lambda path: path.stem)
def test_own_classes_reach_every_method(path):
    config = Config.fromfile(path)
    config.own_data = dict(classes=('a', ), train='t.json', val='v.json', images='i')
    assert set(re.findall(r"'num_classes': (\d+)", str(complete_config(config).model))) == {'1'}


@pytest.mark.parametrize('own', [
    dict(classes=('a', )), dict(classes='a', train='t', val='v', images='i'),
    dict(classes=('a', ), train='t', val='v', images='i', palette=1)])
def test_what_own_data_lacks_is_named(own):
    with pytest.raises(ValueError, match=r'own_data .*classes=\(.cat., .dog.\)'):
        complete_config(Config(dict(own_data=own, model=dict(num_classes=1))))
