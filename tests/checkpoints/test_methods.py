"""A checkpoint names its methods; those of files without names are told from tensor names."""

import re

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.runner import Runner, load_checkpoint

from mmvod_plugins.apis import init_video_detector
from mmvod_plugins.checkpoints.methods import methods_of, named_methods
from mmvod_plugins.models.aggregators import Aggregated, Aggregator
from mmvod_plugins.models.necks import TemporalNeck
from mmvod_plugins.models.temporal_part import NeckStep, Needs

from ..models.flow_models import flow_model
from ..models.tiny import WINDOW, tiny_config, tiny_model


@pytest.mark.parametrize('stage', ['', '0.', '2.'])
@pytest.mark.parametrize('head', ['roi_head', 'bbox_head'])
@pytest.mark.parametrize(('key', 'method'), [
    ('attentions.1.query.weight', 'SELSA'), ('local_relations.0.key.weight', 'MEGA'),
    ('advanced_relations.0.key.weight', 'RDN'), ('base_relations.0.key.weight', 'RDN-base'),
    ('project.weight', 'another temporal method'),
])
def test_a_method_is_told_from_its_aggregator(stage, head, key, method):
    names = [f'detector.{head}.aggregator.{stage}{key}', 'detector.backbone.conv1.weight']
    assert methods_of(names) == {'head': method}
    assert methods_of(names[1:]) == {}


# Methods that the package does not know -----------------------------------------------------------


class MeanAggregator(Aggregator):
    """Moves objects towards the mean of their references."""

    method = 'Mean of References'
    needs = Needs()

    def __init__(self, channels):
        super().__init__()
        self.project = torch.nn.Linear(channels, channels)

    def forward(self, key, references, memory):
        feats = torch.cat([part.feats for parts in references.values() for part in parts])
        return Aggregated(key.feats + self.project(feats.mean(0)))


class PlainNeck(TemporalNeck):
    """Has neither weights nor a name of its method."""

    def enhance(self, key, references, memory):
        return NeckStep(key.maps)


@pytest.fixture
def new_model():
    """Builds models with the new aggregator, and with the new neck if wanted."""
    MODELS.register_module(module=MeanAggregator)
    MODELS.register_module(module=PlainNeck)

    def build(neck=False, seed=0):
        torch.manual_seed(seed)
        config = tiny_config('rdn-base', WINDOW)
        channels = config.detector.roi_head.embedding.out_channels
        config.detector.roi_head.aggregator = dict(type='MeanAggregator', channels=channels)
        return MODELS.build(dict(config, temporal_neck=dict(type='PlainNeck') if neck else None))

    yield build
    for name in ('MeanAggregator', 'PlainNeck'):
        MODELS.module_dict.pop(name)


def refused(held, wanted):
    """The message of a model that refuses a file of another method."""
    return (re.escape(f'the checkpoint holds {held} (it has ') + '.*'
            + re.escape(f'), but the model is {wanted}: use a config of {held}'))


def test_a_new_method_is_refused_by_its_name_and_loads_into_itself(new_model, tmp_path):
    source, model = new_model(), new_model(seed=1)
    path = str(tmp_path / 'new.pth')
    torch.save(source.state_dict(), path)
    with pytest.raises(ValueError, match=refused('Mean of References', 'MEGA')):
        load_checkpoint(tiny_model('mega'), path)
    with pytest.raises(ValueError, match=refused('RDN-base', 'Mean of References')):
        model.load_state_dict(tiny_model('rdn-base', WINDOW).state_dict())
    load_checkpoint(model, path, strict=True)
    for key, value in model.state_dict().items():
        assert torch.equal(value, source.state_dict()[key]), key


def test_a_part_without_a_name_is_named_by_its_class(new_model):
    state = new_model(neck=True).state_dict()
    assert named_methods(state) == {'neck': 'PlainNeck', 'head': 'Mean of References'}
    with pytest.raises(ValueError, match=r'holds PlainNeck \+ Mean of References.*, but the '
                       r'model is Mean of References: use a config of PlainNeck \+ Mean'):
        new_model().load_state_dict(state)


def test_a_file_without_names_is_told_from_its_tensors(new_model):
    """As files of earlier versions are, and those of other programs."""
    with pytest.raises(ValueError, match=refused('RDN-base', 'Mean of References')):
        new_model().load_state_dict(dict(tiny_model('rdn-base', WINDOW).state_dict()))
    with pytest.raises(ValueError, match=refused('another temporal method', 'MEGA')):
        tiny_model('mega').load_state_dict(dict(new_model().state_dict()))
    model = new_model(seed=1)
    model.load_state_dict(dict(new_model().state_dict()))
    assert torch.equal(model.detector.roi_head.aggregator.project.weight,
                       new_model().detector.roi_head.aggregator.project.weight)


# Where the names are saved ------------------------------------------------------------------------


@pytest.mark.parametrize(('model', 'methods'), [
    (lambda: tiny_model('single'), {}),
    (lambda: tiny_model('rdn', WINDOW), {'head': 'RDN'}),
    (lambda: flow_model('dff-dc5'), {'neck': 'DFF'}),
], ids=['single', 'rdn', 'dff'])
def test_names_are_found_in_every_wrapping(model, methods):
    model = model()
    assert named_methods(model.state_dict()) == methods
    assert named_methods({'meta': {}, 'state_dict': model.state_dict()}) == methods
    parallel = torch.nn.Module()
    parallel.module = model
    assert named_methods(parallel.state_dict()) == methods
    assert named_methods(model.detector.state_dict()) is None


class Frames(torch.utils.data.Dataset):
    """Nothing to learn from."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return {}


def saved_by_a_runner(model, folder, hooks):
    """The checkpoint of an epoch of training that changes nothing."""
    model.train_step = lambda *_, **__: {}
    loader = dict(batch_size=1, dataset=Frames(), sampler=dict(
        type='DefaultSampler', shuffle=False), collate_fn=dict(type='pseudo_collate'))
    runner = Runner(
        model, str(folder), train_dataloader=loader, log_level='ERROR',
        train_cfg=dict(by_epoch=True, max_epochs=1), default_scope='mmdet',
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.0)), experiment_name=folder.name,
        default_hooks=dict(logger=None, checkpoint=dict(type='CheckpointHook', interval=1)),
        custom_hooks=[dict(type=name) for name in hooks])
    runner.train()
    return folder / 'epoch_1.pth'


@pytest.mark.parametrize('hooks', [(), ('EMAHook', )], ids=['plain', 'averaged'])
def test_a_runner_saves_the_names(new_model, hooks, tmp_path):
    source = new_model()
    path = saved_by_a_runner(source, tmp_path, hooks)
    content = torch.load(path, weights_only=False)
    assert named_methods(content) == {'head': 'Mean of References'}
    weights = tmp_path / 'weights.pth'
    torch.save(content['state_dict'], weights)
    assert named_methods(torch.load(weights, weights_only=True)) == {'head': 'Mean of References'}
    with pytest.raises(ValueError, match=refused('Mean of References', 'MEGA')):
        init_video_detector(Config(dict(model=tiny_config('mega'))), path)
    config = tiny_config('rdn-base', WINDOW)
    config.detector.roi_head.aggregator = dict(type='MeanAggregator', channels=32)
    model = init_video_detector(Config(dict(model=config)), path)
    for key, value in model.state_dict().items():
        assert torch.equal(value, source.state_dict()[key]), key
