"""Models by name, and configs inside of checkpoints."""

import pytest

from mmvod_plugins.engine.config_text import config_from_text
from mmvod_plugins.engine.zoo import find_entry, zoo_models

NAME = 'selsa_faster-rcnn_r50-dc5_8xb1-7e_imagenetvid'


def test_a_model_has_its_config_and_published_weights():
    model = find_entry(NAME)
    assert model.config.name == f'{NAME}.py'
    assert model.weights.startswith('https://download.openmmlab.com/mmtracking/vid/selsa/')
    assert find_entry(model.config) == model


def test_a_config_of_one_s_own_has_none(tmp_path):
    (tmp_path / f'{NAME}.py').write_text('')
    model = find_entry(tmp_path / f'{NAME}.py')
    assert (model.config, model.weights) == (tmp_path / f'{NAME}.py', None)


def test_mmdet_s_models_are_found_by_name_and_alias():
    model = find_entry('rtmdet-s')
    assert model.config.name == 'rtmdet_s_8xb32-300e_coco.py'
    assert find_entry(model.config.stem) == model
    assert model.weights.endswith('.pth')


def test_our_names_are_unique():
    names = [name for model in zoo_models() for name in model.names]
    assert len(names) == len(set(names)) > 20


def test_the_config_of_a_checkpoint_is_read_without_running_it():
    text = """
from os import system
custom_imports = dict(imports=['os'])
default_scope = 'mmdet'
model = dict(type='FasterRCNN', values=[1, -2.5, (None, True)], more={'a': dict(type='mmdet.X')})
test_dataloader = dict(dataset=dict(pipeline=[dict(type='Resize', scale=(1, 2))]))
lr = system('false')
"""
    config = config_from_text(text, 'x.pth')
    assert set(config) == {'model', 'test_dataloader', 'default_scope'}
    assert config.model.to_dict()['values'] == [1, -2.5, (None, True)]
    assert config.test_dataloader.dataset.pipeline[0].scale == (1, 2)


@pytest.mark.parametrize('model', [
    "dict(type=__import__('os').system('false'))", "eval('1')", "dict(**{'type': open('x')})",
    "dict(type='os.system', command='false')", "dict(part=[dict(type='mmengine.load', file='x')])",
    "dict(type='mmdet.apis.inference.x')", 'undefined', '['])
def test_what_would_run_is_refused(model):
    with pytest.raises(ValueError, match=r'the config in x\.pth is more than settings'):
        config_from_text(f'model = {model}', 'x.pth')


def test_a_config_without_a_model_is_said():
    with pytest.raises(ValueError, match='has no model'):
        config_from_text('lr = 1', 'x.pth')
