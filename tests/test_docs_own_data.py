"""The commands of docs/own_data.md, in their order, with tiny videos and a tiny model."""

import json
import re
import runpy
import shlex
import sys

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.hub import get_config

from mmvod_plugins.cli import main as mmvod
from mmvod_plugins.engine import complete_config
from mmvod_plugins.visualization import read_frames, write_video
from mmvod_plugins.where import find_config
from tests.test_docs import ROOT, blocks

PAGE = 'own_data.md'
LABELS = ('cat', 'dog')
SMALL = 'toy/mega_faster-rcnn_r18-fpn_250i_toyvid.py'


def run(command):
    """Run a command of the page as a user does."""
    program, *words = shlex.split(command)
    if program == 'mmvod':
        assert mmvod(words) == 0
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
    lines = ''.join(blocks(PAGE, 'bash')).replace('\\\n', ' ').splitlines()
    return [line for line in lines if 'coco2coco_vid' not in line]


def film(folder):
    """Two videos of a bright square each, 48 x 64."""
    for name in ('train_1', 'val_1'):
        frames = np.full((3, 48, 64, 3), 30, np.uint8)
        for t, frame in enumerate(frames):
            frame[8:32, 8 + 4 * t:32 + 4 * t] = 200
        write_video(folder / f'videos/{name}.mp4', frames)


def label(folder):
    """What somebody does with labelme."""
    for image in (folder / 'frames').rglob('*.jpg'):
        t = int(image.stem)
        shapes = [dict(label=name, group_id=i, shape_type='rectangle',
                       points=[[8 + 4 * t, 8 + i], [32 + 4 * t, 32]])
                  for i, name in enumerate(LABELS)]
        path = folder / 'labels' / image.relative_to(folder / 'frames').with_suffix('.json')
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict(shapes=shapes, imageHeight=48, imageWidth=64)))


def write_config(folder):
    """The page's config with a small model, without weights to start from, four iterations."""
    [text] = blocks(PAGE, 'python config')
    text = re.sub('::.*.py', f'::{SMALL}', text)
    text = re.sub('^load_from.*', 'load_from = None', text, flags=re.MULTILINE)
    (folder / 'my_mega.py').write_text(text.replace('5000', '4').replace('1000', '4'))


def test_the_tutorial(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    film(tmp_path)
    first, *rest = (line.replace('iter_5000', 'iter_4') for line in commands())
    run(first)
    label(tmp_path)
    write_config(tmp_path)
    for command in rest:
        run(command)
    content = json.loads((tmp_path / 'val.json').read_text())
    assert [item['name'] for item in content['categories']] == list(LABELS)
    assert len(content['annotations']) == 6
    assert (tmp_path / 'predictions.npz').is_file()
    assert list((tmp_path / 'work').glob('best_vid_coco_AP50_iter_4.pth'))
    assert len(list(read_frames(tmp_path / 'val_1.mp4'))) == 3
    assert 'vid/coco_AP50' in capsys.readouterr().out + ''.join(
        path.read_text() for path in (tmp_path / 'work').rglob('*.log'))
    [code] = blocks(PAGE, 'python api')
    exec(compile(code.replace('iter_5000', 'iter_4'), PAGE, 'exec'), {})
    assert capsys.readouterr().out.endswith("('cat', 'dog')\n3\n")


def test_the_config_of_the_page_inherits_from_the_installed_one(tmp_path):
    [text] = blocks(PAGE, 'python config')
    assert len(text.splitlines()) <= 5
    (tmp_path / 'my_mega.py').write_text(text)
    found = complete_config(Config.fromfile(tmp_path / 'my_mega.py'))
    assert found.model.detector.roi_head.bbox_head.num_classes == 2
    assert found.train_cfg.max_iters == 5000
    for part in ('train', 'val', 'test'):
        dataset = found[f'{part}_dataloader'].dataset
        assert dataset.metainfo.classes == LABELS
        assert dataset.ann_file == ('train.json' if part == 'train' else 'val.json')
        assert (dataset.type, dataset.data_prefix.img_path) == ('CocoVIDDataset', 'frames')
        assert dataset.test_mode == (part != 'train')
    assert found.test_evaluator.ann_file == 'val.json'
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
