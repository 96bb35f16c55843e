"""CheckReferencesHook: one policy in model, pipeline and samplers, or a clear refusal."""

import logging
from types import SimpleNamespace

import pytest
from mmdet.registry import HOOKS
from mmengine.dataset import DefaultSampler, RepeatDataset
from torch import nn
from torch.utils.data import BatchSampler, DataLoader

from mmvod_plugins.datasets import CocoVIDDataset, ConcatVideoDataset, VideoStreamSampler
from mmvod_plugins.hooks import CheckReferencesHook
from mmvod_plugins.references import GlobalShuffle, KeyFrameOnly, LocalWindow

from ..datasets.tiny_vid import make_tiny_vid

POLICY = LocalWindow(3)
WRAPPERS = {
    'plain': lambda dataset: dataset,
    'concat': lambda dataset: ConcatVideoDataset([dataset, dataset]),
    'repeat': lambda dataset: RepeatDataset(dataset, 2),
}


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    return make_tiny_vid(tmp_path_factory.mktemp('tiny'))


@pytest.fixture
def loader(path):
    def make(references=None, mode='test', wrap='plain', sampler=VideoStreamSampler):
        pipeline = [] if mode == 'test' else [
            dict(type='LoadTrackAnnotations'),
            dict(type='SampleReferenceFrames', references=references)]
        dataset = WRAPPERS[wrap](CocoVIDDataset(
            ann_file=str(path), test_mode=mode == 'test', pipeline=pipeline))
        if mode == 'train':
            return DataLoader(dataset)
        settings = dict(references=references) if sampler is VideoStreamSampler else {}
        return DataLoader(dataset, sampler=sampler(dataset, **settings))

    return make


def runner(model=POLICY, **loaders):
    network = nn.Module()
    if model is not None:
        network.references = model
    run = SimpleNamespace(model=network, logger=logging.getLogger('test'), val_loop=None)
    for mode, loader in loaders.items():
        setattr(run, f'{mode}_dataloader', loader)
        setattr(run, f'{mode}_loop', loader)
    return run


@pytest.fixture
def hook():
    return HOOKS.build(dict(type='CheckReferencesHook'))


def test_equal_policies_pass(hook, loader):
    other = LocalWindow(3)
    run = runner(train=loader(other, 'train'), val=loader(other), test=loader(other))
    hook.before_train(run)
    hook.before_val(run)
    hook.before_test(run)


@pytest.mark.parametrize('wrap', sorted(WRAPPERS))
def test_a_pipeline_with_another_policy_is_refused(hook, loader, wrap):
    place = 'train_dataloader.dataset.dataset' if wrap == 'repeat' else 'train_dataloader.dataset'
    with pytest.raises(ValueError, match='two reference policies') as error:
        hook.before_train(runner(train=loader(GlobalShuffle(2), 'train', wrap)))
    for part in ('model.policy is LocalWindow', f'{place}.pipeline[1].references is GlobalSh'):
        assert part in str(error.value)


def test_a_pipeline_without_references_is_refused(hook, loader):
    with pytest.raises(ValueError, match='is KeyFrameOnly'):
        hook.before_train(runner(train=loader(None, 'train')))


@pytest.mark.parametrize('mode', ['val', 'test'])
@pytest.mark.parametrize(('model', 'sampler'), [
    (POLICY, LocalWindow(4)), (KeyFrameOnly(), POLICY), (LocalWindow(1, max_records=5), None)])
def test_a_sampler_with_another_policy_is_refused(hook, loader, mode, model, sampler):
    run = runner(model, **{mode: loader(sampler)})
    with pytest.raises(ValueError, match=rf'{mode}_dataloader\.sampler\.references is'):
        getattr(hook, f'before_{mode}')(run)


def test_training_looks_at_its_validation_before_it_starts(hook, loader):
    run = runner(train=loader(POLICY, 'train'), val=loader(LocalWindow(4)))
    with pytest.raises(ValueError, match='val_dataloader'):
        hook.before_train(run)


@pytest.mark.parametrize('settings', [dict(sampler=DefaultSampler), dict(references=None)])
def test_the_natural_order_is_allowed_and_logged(hook, loader, caplog, settings):
    with caplog.at_level('INFO', 'test'):
        hook.before_test(runner(test=loader(**settings)))
    assert 'natural order' in caplog.text
    assert 'LocalWindow(' in caplog.text


def test_a_single_frame_detector_needs_no_policy(hook, loader, caplog):
    with caplog.at_level('INFO', 'test'):
        hook.before_test(runner(KeyFrameOnly(), test=loader(sampler=DefaultSampler)))
        hook.before_test(runner(KeyFrameOnly(), test=loader(None)))
    assert not caplog.text


def test_a_model_without_references_is_not_looked_at(hook, loader):
    run = runner(None, train=loader(POLICY, 'train'), test=loader(POLICY))
    hook.before_train(run)
    hook.before_test(run)


def test_the_sampler_of_a_batch_sampler_counts(hook, loader):
    inner = loader(LocalWindow(4))
    batches = DataLoader(inner.dataset, batch_sampler=BatchSampler(inner.sampler, 2, False))
    with pytest.raises(ValueError, match='test_dataloader'):
        hook.before_test(runner(test=batches))


def test_a_wrapped_model_is_unwrapped(hook, loader, monkeypatch):
    monkeypatch.setattr('mmvod_plugins.hooks.check_references_hook.is_model_wrapper',
                        lambda model: hasattr(model, 'module'))
    run = runner(test=loader(LocalWindow(4)))
    wrapper = nn.Module()
    wrapper.module = run.model
    run.model = wrapper
    with pytest.raises(ValueError, match='test_dataloader'):
        hook.before_test(run)


def test_it_is_a_hook_that_the_runtime_names():
    assert HOOKS.get('CheckReferencesHook') is CheckReferencesHook
