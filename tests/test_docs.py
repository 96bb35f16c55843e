"""Code and tests that the documentation names."""

import re
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config

from mmvod_plugins.engine import complete_config
from mmvod_plugins.references import build_references
from tests.models.tiny import detect, shrink, tiny_model, training_batch, video

ROOT = Path(__file__).resolve().parents[1]


def blocks(page, kind):
    """The code blocks of one kind on a page."""
    text = (ROOT / 'docs' / page).read_text()
    return re.findall(rf'^```{kind}\n(.*?)^```', text, flags=re.MULTILINE | re.DOTALL)


def pages_naming_tests():
    return [page.relative_to(ROOT) for page in sorted((ROOT / 'docs').rglob('*.md'))
            if '.py::' in page.read_text()]


@pytest.mark.parametrize('page', pages_naming_tests(), ids=str)
def test_tests_named_on_a_page_exist(page):
    named = re.findall(r'`(tests/[\w/]+\.py)::(\w+)`', (ROOT / page).read_text())
    assert named
    for file, name in named:
        assert f'def {name}(' in (ROOT / file).read_text(), f'{file}::{name}'


@pytest.fixture
def tutorial(tmp_path):
    """The tutorial's method as its reader has it: the class registered, the config read."""
    [code], [config] = blocks('add_a_method.md', 'python'), blocks('add_a_method.md',
                                                                   'python config')
    exec(compile(code, 'add_a_method.md', 'exec'), {'__name__': 'tutorial'})
    path = tmp_path / 'mean.py'
    path.write_text(config.replace("'../mega/", f"'{ROOT}/configs/mega/"))
    yield Config.fromfile(path)
    MODELS.module_dict.pop('MeanAggregator')


def tiny_form(config):
    """The tutorial's model, narrow, with the weights of the tiny MEGA where they fit."""
    model = MODELS.build(shrink(config))
    weights = {name: value for name, value in tiny_model().state_dict().items()
               if 'aggregator' not in name}
    model.load_state_dict(weights, strict=False)
    return model


def test_the_tutorial_s_method_trains_and_detects(tutorial):
    window = dict(type='LocalWindow', radius=12, num_samples=2, sample_key=True)
    assert complete_config(tutorial).test_dataloader.sampler.references == window
    assert tutorial.model.detector.roi_head.aggregator == dict(
        type='MeanAggregator', channels=1024)
    model = tiny_form(tutorial.model)
    found = detect(model.eval(), video(5))
    assert [sample.frame_id for sample in found] == list(range(5))
    model.train()
    data = training_batch(video(10), 6, {'local': [6, 5, 8]})
    total, _ = model.parse_losses(model(**model.data_preprocessor(data, True), mode='loss'))
    total.backward()
    assert torch.isfinite(total)
    assert model.adapter.head.aggregator.project.weight.grad.abs().sum() > 0


def test_the_child_config_of_the_tutorial_changes_one_policy_and_omits_one(tmp_path):
    [block] = blocks('add_a_method.md', 'python child config')
    path = tmp_path / 'child.py'
    path.write_text(block.replace("'../mega/", f"'{ROOT}/configs/mega/"))
    roles = build_references(Config.fromfile(path).model.references).frames(100, 300)
    assert list(roles) == ['local', 'global']
    assert roles['local'] == list(range(94, 107))


def test_the_neck_of_the_mixing_page_trains_and_detects(tmp_path):
    [block] = blocks('mixing.md', 'python neck config')
    path = tmp_path / 'dff_retinanet.py'
    path.write_text(block.replace("'./", f"'{ROOT}/configs/fgfa/"))
    config = Config.fromfile(path)
    assert config.model.references == dict(type='KeyFrameInterval', interval=10)
    model, seen = MODELS.build(shrink(config.model)), []
    model.detector.backbone.register_forward_hook(lambda _, args, __: seen.append(len(args[0])))
    found = detect(model.eval(), video(12))
    assert [sample.frame_id for sample in found] == list(range(12))
    assert sum(seen) == 2
    data = training_batch(video(10), 6, {'local': [3]})
    model.train()
    total, _ = model.parse_losses(model(**model.data_preprocessor(data, True), mode='loss'))
    total.backward()
    assert torch.isfinite(total)
