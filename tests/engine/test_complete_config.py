"""complete_config: one policy in model, pipelines and samplers, or a clear refusal."""

import copy

import pytest
from mmengine.config import Config
from torch.utils.data import DataLoader

from mmvod_plugins.engine import complete_config
from mmvod_plugins.references import LocalWindow

WINDOW = dict(type='LocalWindow', radius=3)
DRAW = dict(type='SampleReferenceFrames')
STREAM = dict(type='VideoStreamSampler')
NESTED = {
    'plain': dict(type='CocoVIDDataset', pipeline=[DRAW]),
    'concat': dict(type='ConcatVideoDataset', pipeline=[DRAW], datasets=[{}, {}]),
    'parts': dict(type='ConcatVideoDataset', datasets=[dict(pipeline=[DRAW]), dict(pipeline=[])]),
    'repeat': dict(type='RepeatDataset', times=2, dataset=dict(pipeline=[DRAW])),
    'broadcast': dict(pipeline=[dict(type='TransformBroadcaster', transforms=[DRAW])]),
    'scope': dict(pipeline=[dict(type='mmdet.SampleReferenceFrames', references=None)]),
}


def config(references=WINDOW, dataset=NESTED['plain'], **model):
    if references is not None:
        model['references'] = references
    return Config(copy.deepcopy(dict(
        model=dict(type='VideoDetector', **model), train_dataloader=dict(dataset=dataset),
        val_dataloader=dict(sampler=dict(STREAM, references=None)), val_cfg=dict(),
        test_dataloader=dict(sampler=STREAM))))


def found(node):
    """All policies below a node."""
    if isinstance(node, dict):
        own = [node['references']] if 'references' in node else []
        return own + [policy for part in node.values() for policy in found(part)]
    return [policy for part in node for policy in found(part)] if isinstance(node, list) else []


@pytest.mark.parametrize('dataset', NESTED.values(), ids=NESTED)
def test_the_model_s_policy_is_filled_in_wherever_none_is_named(dataset):
    completed = complete_config(config(dataset=dataset))
    assert found(completed.train_dataloader) == [WINDOW]
    assert completed.val_dataloader.sampler == dict(STREAM, references=WINDOW)
    assert completed.test_dataloader.sampler == dict(STREAM, references=WINDOW)


def test_the_given_config_stays_as_it_is_and_nothing_is_shared():
    given = config()
    before = given.to_dict()
    completed = complete_config(given)
    completed.val_dataloader.sampler.references.radius = 9
    completed.train_dataloader.dataset.type = 'Other'
    assert given.to_dict() == before
    assert completed.test_dataloader.sampler.references == WINDOW
    assert completed.model.references == WINDOW


def test_completing_twice_changes_nothing():
    once = complete_config(config())
    assert complete_config(once).to_dict() == once.to_dict()


@pytest.mark.parametrize('same', [
    WINDOW, dict(WINDOW, type='mmdet.LocalWindow', stride=1), dict(WINDOW, radius=[3, 3]),
    LocalWindow(3)], ids=['equal', 'defaults spelt out', 'both sides', 'built'])
def test_an_equal_policy_in_another_spelling_stays(same):
    given = config()
    given.test_dataloader.sampler.references = same
    assert complete_config(given).test_dataloader.sampler.references == same


@pytest.mark.parametrize(('references', 'stated'), [
    (WINDOW, 'LocalWindow'), (None, 'KeyFrameOnly')])
@pytest.mark.parametrize('place', [
    'train_dataloader.dataset.pipeline[0]', 'val_dataloader.sampler', 'test_dataloader.sampler'])
def test_another_policy_is_refused_with_both_keys(references, stated, place):
    given = config(references)
    other = dict(type='GlobalShuffle', num_frames=4)
    follower = given.train_dataloader.dataset.pipeline[0] if place.startswith('train') \
        else given[place.split('.')[0]].sampler
    follower.references = other
    with pytest.raises(ValueError, match='two reference policies') as error:
        complete_config(given)
    assert f'model.references is {stated}' in str(error.value)
    assert f'{place}.references is GlobalShuffle' in str(error.value)


def test_a_model_without_references_stays_a_single_frame_detector():
    completed = complete_config(config(None))
    assert found(completed.train_dataloader) == found(completed.test_dataloader) == [None]


def test_other_models_keep_the_policies_of_their_loaders():
    given = config(None)
    given.model.type = 'MyModel'
    given.test_dataloader.sampler.references = WINDOW
    assert complete_config(given).to_dict() == given.to_dict()


def test_a_config_without_a_model_or_loaders_is_complete():
    assert complete_config(dict(work_dir='x')) == dict(work_dir='x')
    idle = dict(model=dict(type='VideoDetector', references=WINDOW), val_dataloader=None,
                test_dataloader=DataLoader([]))
    assert complete_config(idle) == idle


def test_one_option_changes_the_policy_everywhere():
    given = config()
    given.merge_from_dict({'model.references.radius': 5})
    completed = complete_config(given)
    policies = [*found(completed.train_dataloader), completed.val_dataloader.sampler.references,
                completed.test_dataloader.sampler.references]
    assert policies == [dict(WINDOW, radius=5)] * 3


def test_one_option_takes_the_references_away():
    given = config()
    given.merge_from_dict({'model.references': None})
    assert complete_config(given).test_dataloader.sampler == dict(STREAM, references=None)
