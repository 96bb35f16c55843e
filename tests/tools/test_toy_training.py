"""Small models of the shipped configs learn ToyVID by the stock scripts, fifty iterations each."""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from tests.models.tiny import shrink

ROOT = Path(__file__).resolve().parents[2]
ENVIRON = os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1',
                        'CUDA_VISIBLE_DEVICES': '-1'}
#: Leaf configs whose detectors are of different kinds.
NAMES = ['fgfa/fgfa_faster-rcnn_r50-fpn_4xb1-120k_imagenetvid',
         'fgfa/fgfa_retinanet_r50-fpn_4xb1-120k_imagenetvid',
         'fgfa/fgfa_atss_r50-fpn_4xb1-120k_imagenetvid',
         'fgfa/fgfa_yolox-s_4xb1-120k_imagenetvid',
         'dff/dff_faster-rcnn_r50-dc5_8xb1-7e_imagenetvid',
         'stmn/stmn_faster-rcnn_r50-fpn_4xb1-40k_imagenetvid',
         'mst/mst_faster-rcnn_r50-fpn_4xb1-120k_imagenetvid',
         'mst/mst_retinanet_r50-fpn_4xb1-120k_imagenetvid',
         'ogemn/ogemn_faster-rcnn_r50-fpn_4xb1-40k_imagenetvid',
         'ogemn/ogemn_faster-rcnn_r50-fpn-instance_4xb1-40k_imagenetvid',
         'ogemn/ogemn_retinanet_r50-fpn_4xb1-40k_imagenetvid',
         'ogemn/ogemn_rfcn_r101_1xb1-10k_imagenetvid']
pytestmark = pytest.mark.slow


def run(folder, script, *command):
    done = subprocess.run([sys.executable, str(ROOT / 'tools' / script), *map(str, command)],
                          cwd=folder, env=ENVIRON, text=True, timeout=1200,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope='module')
def toy_vid(tmp_path_factory):
    folder = tmp_path_factory.mktemp('toy')
    run(folder, 'dataset_converters/make_toy_vid.py', folder / 'toy_vid', '--train-videos', 6,
        '--val-videos', 1, '--frames', 8)
    return folder


def toy_config(name, folder):
    """A shipped config's model, narrow, on the rendered videos for fifty iterations."""
    config = Config.fromfile(ROOT / 'configs/toy/faster-rcnn_r18-fpn_1200i_toyvid.py')
    shipped = Config.fromfile(ROOT / f'configs/{name}.py')
    model = shrink(copy.deepcopy(shipped.model), num_classes=12)
    config.model = model
    config.train_dataloader.batch_size = 4
    root = f'{folder}/toy_vid/'
    for part in ('train', 'val', 'test'):
        loader = config[f'{part}_dataloader']
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.data_root = root
        if part != 'train':
            config[f'{part}_evaluator'].ann_file = f'{root}annotations/toy_vid_val.json'
    config.train_cfg.update(max_iters=50, val_interval=50)
    config.param_scheduler = []
    # the objectness of YOLOX is a sum over all cells, which starts high
    lr = 0.005 if 'yolox' in name else 0.001
    config.optim_wrapper.optimizer = dict(type='AdamW', lr=lr)
    config.default_hooks.logger.interval = 1
    return config


@pytest.mark.parametrize('name', NAMES, ids=lambda name: name.partition('/')[2])
def test_the_loss_falls_and_the_stock_test_runs(name, toy_vid, tmp_path):
    toy_config(name, toy_vid).dump(tmp_path / 'config.py')
    text = run(tmp_path, 'train.py', 'config.py', '--work-dir', 'work')
    losses = [float(value) for value in re.findall(r'Iter\(train\).*? loss: (\S+)', text)]
    assert len(losses) == 50
    assert np.mean(losses[-10:]) < 0.85 * np.mean(losses[:10])
    run(tmp_path, 'test.py', 'config.py', 'work/iter_50.pth', '--work-dir', 'test')
    metrics = json.loads(next((tmp_path / 'test').glob('*/*.json')).read_text())
    assert 0 <= metrics['vid/coco_AP50'] <= 1
