"""The base configs of data sets: they parse, they feed batches, what they name is registered."""

import shutil
from pathlib import Path

import pytest
from mmdet.registry import DATA_SAMPLERS, DATASETS, METRICS
from mmengine.config import Config
from mmengine.runner import Runner

from mmvod_plugins.engine import complete_config

from .tiny_vid import make_tiny_vid

FOLDER = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'datasets'


@pytest.fixture(params=sorted(path.name for path in FOLDER.glob('*.py')))
def base(request):
    return Config.fromfile(FOLDER / request.param)


def scales(loader):
    return {tuple(inner['scale']) for transform in loader.dataset.pipeline
            for inner in transform.get('transforms', [])
            if inner['type'] in ('Resize', 'TruncatingResize')}


def test_training_and_testing_are_at_the_scale_that_the_file_names(base):
    loaders = base.train_dataloader, base.val_dataloader, base.test_dataloader
    assert [scales(loader) for loader in loaders] == [{tuple(base.scale)}] * 3


def test_the_toy_config_feeds_training_and_testing(tmp_path):
    cfg = Config.fromfile(FOLDER / 'toy_vid.py')
    cfg.model = dict(type='VideoDetector', references=dict(type='LocalWindow', radius=1))
    cfg = complete_config(cfg)
    root = tmp_path / 'toy'
    annotations = make_tiny_vid(root / 'Data' / 'VID')
    (root / 'annotations').mkdir()
    for part in ('train', 'val'):
        shutil.copy(annotations, root / 'annotations' / f'toy_vid_{part}.json')
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = str(root)
        loader.num_workers, loader.persistent_workers = 0, False
    train = next(iter(Runner.build_dataloader(cfg.train_dataloader, seed=0)))
    assert [tuple(clip.shape) for clip in train['inputs']] == [(3, 3, 120, 160)] * 2
    test = list(Runner.build_dataloader(cfg.test_dataloader, seed=0))
    frames = [(s.video_data_samples[0].video_id, s.video_data_samples[0].frame_id)
              for batch in test for s in batch['data_samples']]
    assert frames == [(1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1), (2, 2)]
    assert test[0]['data_samples'][0].video_data_samples[0].ori_shape == (48, 64)


def test_everything_named_is_registered(base):
    for loader in (base.train_dataloader, base.test_dataloader):
        assert loader.dataset.type in DATASETS
        assert loader.sampler.type in DATA_SAMPLERS
    assert base.test_evaluator.type in METRICS
