"""The base configs of data sets: they parse, a leaf changes the policy, they feed batches."""

import shutil
from pathlib import Path

import pytest
from mmdet.registry import DATA_SAMPLERS, DATASETS, METRICS
from mmengine.config import Config
from mmengine.runner import Runner

from .tiny_vid import make_tiny_vid

FOLDER = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'datasets'
LEAF = """_base_ = '{base}'
references = _base_.references = dict(type='LocalWindow', radius=3)
_base_.train_dataloader.dataset.pipeline[0].references = references
_base_.val_dataloader.sampler.references = references
_base_.test_dataloader.sampler.references = references
model = dict(references=references)
"""


@pytest.fixture(params=sorted(path.name for path in FOLDER.glob('*.py')))
def leaf(request, tmp_path):
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    path = tmp_path / 'leaf_config.py'
    path.write_text(LEAF.format(base=request.param))
    return Config.fromfile(path)


def test_a_leaf_config_names_the_policy_everywhere(leaf):
    policy = dict(type='LocalWindow', radius=3)
    assert leaf.references == leaf.model.policy == policy
    assert leaf.train_dataloader.dataset.pipeline[0].references == policy
    assert leaf.val_dataloader.sampler.references == policy
    assert leaf.test_dataloader.sampler.references == policy
    assert Config.fromstring(leaf.pretty_text, '.py').test_dataloader == leaf.test_dataloader


def test_a_leaf_of_a_leaf_replaces_the_policy(leaf, tmp_path):
    leaf.dump(tmp_path / 'method.py')
    path = tmp_path / 'variant.py'
    text = LEAF.format(base='method.py').replace("'LocalWindow', radius=3", "'GlobalShuffle'")
    path.write_text(text.replace('model = dict(references=references)',
                                 '_base_.model.policy = references'))
    variant = Config.fromfile(path)
    assert variant.references == variant.model.policy == dict(type='GlobalShuffle')
    assert variant.test_dataloader.sampler.references == dict(type='GlobalShuffle')


def test_the_toy_config_feeds_training_and_testing(tmp_path):
    cfg = Config.fromfile(FOLDER / 'toy_vid.py')
    policy = dict(type='LocalWindow', radius=1)
    cfg.train_dataloader.dataset.pipeline[0].references = policy
    cfg.test_dataloader.sampler.references = policy
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


def test_everything_named_is_registered(leaf):
    for loader in (leaf.train_dataloader, leaf.test_dataloader):
        assert loader.dataset.type in DATASETS
        assert loader.sampler.type in DATA_SAMPLERS
    assert leaf.test_evaluator.type in METRICS
