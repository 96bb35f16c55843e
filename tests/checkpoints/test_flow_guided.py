"""Checkpoints of FGFA and DFF, of both projects, in every model that they may meet."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.runner.checkpoint import load_checkpoint, load_state_dict

from mmvod_plugins.checkpoints import convert_mega_pytorch, convert_mmtracking

from ..models.flow_models import KINDS, flow_config, flow_model
from ..models.tiny import tiny_model
from .test_mega_pytorch import published as published_by_mega
from .test_mmtracking import file_of, version_0

METHOD = {'fgfa': 'FGFA', 'dff': 'DFF'}
#: Flows from coarse to fine.
FLOWS = ['predict_flow6', 'predict_flow5', 'predict_flow4', 'predict_flow3', 'predict_flow']


def of_mmtracking(model):
    """A model's weights as MMTracking would have stored them."""
    return {key.replace('temporal_neck.embed', 'aggregator.embed')
               .replace('temporal_neck.motion', 'motion'): value
            for key, value in model.state_dict().items()}


def of_mega(model):
    """A model's weights as mega.pytorch would have stored them."""
    stem = 'temporal_neck.'
    detector = type('Part', (), dict(
        adapter=SimpleNamespace(head=None), state_dict=lambda self: {
            key: value for key, value in model.state_dict().items()
            if not key.startswith(stem)}))()
    weights = published_by_mega(detector)
    for key, value in model.temporal_neck.state_dict().items():
        weights[mega_name(key)] = value
    return weights


def mega_name(key):
    part, layer, rest = key.split('.', 2)
    leaf = rest.rpartition('.')[2]
    if part == 'embed_convs':
        return f'embednet.embed_conv{int(layer) + 1}.{leaf}'
    if layer in FLOWS:
        name = f'Convolution{FLOWS.index(layer) + 1}'
    elif layer.startswith('upsample_flow'):
        name = f'upsample_flow{int(layer[-1]) + 1}to{layer[-1]}'
    elif layer == 'predict_scale':
        name = 'Convolution5_scale'
    else:
        name = ('flow_' if layer == 'conv1' else '') + layer + '_1' * rest.startswith('1.')
    return f'flownet.{name}.{leaf}'


STORED = {'fgfa-dc5': of_mmtracking, 'dff-dc5': of_mmtracking, 'fgfa-conv4': of_mega,
          'dff-conv4': of_mega}
every_published = pytest.mark.parametrize('kind', STORED)


@every_published
def test_a_published_file_loads_completely(kind, tmp_path):
    source, model = flow_model(kind), flow_model(kind, seed=1)
    load_checkpoint(model, file_of(version_0(STORED[kind](source)), tmp_path), strict=True)
    expected = source.state_dict()
    for key, value in model.state_dict().items():
        assert torch.equal(value, expected[key]), key


@every_published
def test_every_key_is_accounted_for(kind):
    weights = STORED[kind](flow_model(kind))
    convert = convert_mega_pytorch if 'conv4' in kind else convert_mmtracking
    conversion = convert(weights)
    assert conversion.method == METHOD[kind.split('-')[0]]
    assert conversion.mapped.keys() | conversion.dropped.keys() == weights.keys()


@every_published
@pytest.mark.parametrize('wanted', ['single', 'mega'])
def test_a_model_of_another_method_is_refused(kind, wanted):
    model = tiny_model(wanted)
    with pytest.raises(ValueError, match=f'holds {METHOD[kind.split("-")[0]]} .* use a config of'):
        load_state_dict(model, STORED[kind](flow_model(kind)))


@pytest.mark.parametrize(('held', 'wanted'), [('fgfa-dc5', 'dff-dc5'), ('dff-conv4', 'fgfa-conv4')])
def test_fgfa_and_dff_are_told_apart(held, wanted):
    found, expected = (METHOD[kind.split('-')[0]] for kind in (held, wanted))
    with pytest.raises(ValueError, match=f'holds {found} .* model is {expected}: use a config of'):
        load_state_dict(flow_model(wanted), STORED[held](flow_model(held)))


@pytest.mark.parametrize('kind', KINDS)
def test_a_detector_of_single_frames_starts_the_training(kind):
    config = flow_config(kind)
    config.pop('temporal_neck')
    config.pop('references')
    single, model = flow_model(kind, config), flow_model(kind, seed=1)
    with pytest.warns(UserWarning, match=r'a detector without temporal neck.*motion.\]'):
        load_state_dict(model, single.detector.state_dict())
    for key, value in single.detector.state_dict().items():
        assert torch.equal(model.detector.state_dict()[key], value), key
