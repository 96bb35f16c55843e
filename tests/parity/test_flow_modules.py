"""Warping, flow network and aggregation weights of both published programs, module by module."""

import json
import re

import pytest
import torch

from mmvod_plugins.models.layers.flow_warp import flow_warp, resize_flow
from mmvod_plugins.models.motion import FlowNetSimple
from mmvod_plugins.models.necks import DFFNeck, FGFANeck
from mmvod_plugins.models.necks.fgfa_neck import along, direction

from ..models.records import record_of
from ..models.tiny import sample_of
from . import golden, mega_runs
from .golden import assert_near, case_name, load
from .seeded_weights import make_weights
from .test_mmtracking_modules import assert_close, subcases

#: MMTracking's normalisation.
MEAN, STD = torch.tensor([[123.675, 116.28, 103.53], [58.395, 57.12, 57.375]]).view(2, 1, 3, 1, 1)
TINY = dict(type='FlowNetSimple', base_channels=2)


def t(array):
    return torch.from_numpy(array)


# MMTracking --------------------------------------------------------------------------------------


@pytest.mark.parametrize('path', golden.cases('mmtracking/mod_flow_warp*.npz'))
def test_warp(path):
    for case, data in subcases(path).items():
        flow = resize_flow(data['flow'], data['x'].shape[-2:])
        assert_close(path, case, 'out', flow_warp(data['x'], flow, 'mmtracking'), data['out'])


@torch.no_grad()
@pytest.mark.parametrize('path', golden.cases('mmtracking/mod_flownet_simple*.npz'))
def test_flow_network(path):
    data = load(path)
    weights = make_weights(json.loads(str(data['shapes'])), int(data['weights_seed']))
    network = FlowNetSimple([0.411, 0.432, 0.450]).eval()
    network.load_state_dict({name: t(value) for name, value in weights.items()})
    for case in sorted({key.split('.')[0] for key in data if '.' in key}):
        images, shape = t(data[f'{case}.imgs']), tuple(data[f'{case}.img_shape'])
        key, reference = (network.prepare(part * STD + MEAN, shape)
                          for part in images.split(3, dim=1))
        assert_close(path, case, 'network_input', torch.cat([key, reference], dim=1),
                     t(data[f'{case}.network_input']))
        levels = network._encode(torch.cat([key, reference], dim=1))
        assert_close(path, case, 'conv6', levels[-1], t(data[f'{case}.conv6']))
        means = torch.stack([level.abs().mean() for level in levels])
        assert_close(path, case, 'conv_mean_abs', means, t(data[f'{case}.conv_mean_abs']))
        assert_close(path, case, 'flow', network(key, reference).flow, t(data[f'{case}.flow']),
                     1e-4)


@torch.no_grad()
@pytest.mark.parametrize('path', golden.cases('mmtracking/mod_embed_aggregator*.npz'))
def test_aggregation(path):
    """References that are not moved: a flow network that has learnt nothing."""
    for case, data in subcases(path).items():
        channels = data['x'].shape[1]
        layers = [(channels, data['kernel_size'])] * data['num_convs']
        neck = FGFANeck(channels, TINY, embed_layers=layers).eval()
        neck.load_state_dict({name: value for name, value in data.items()
                              if re.match('embed_convs', name)}, strict=False)
        neck.motion.predict_flow.conv.weight.zero_()
        out = neck(record(neck, 0, data['x']), {
            'local': [record(neck, i, maps[None]) for i, maps in enumerate(data['ref_x'], 1)]
        }, None).maps[0]
        assert_close(path, case, 'out', out, data['out'])


def record(neck, frame_id, maps):
    sample = sample_of(frame_id, 9, (64, 64))
    frame = record_of(sample, (maps, ))
    frame.extras.update(neck.encode(frame, torch.zeros(1, 3, 64, 64)))
    return frame


# mega.pytorch ------------------------------------------------------------------------------------


@pytest.mark.parametrize('path', golden.cases('mega_pytorch/fgfa_ops.npz'))
@torch.no_grad()
def test_warp_and_weights_of_mega(path):
    data, case = load(path), case_name(path)
    feats, flow = t(data['feats']), t(data['flow'])
    warped = flow_warp(feats, flow, 'mega.pytorch')
    assert_near(case, 'warped', warped, data['warped'])
    assert_near(case, 'warped_align_corners', flow_warp(feats, flow), data['warped_align_corners'])
    key = int(data['key_index'])
    embeds = t(data['embeds'])
    similarity = along(embeds, direction(embeds[key:key + 1]))
    assert_near(case, 'cosine', similarity, data['cosine'])
    weights = similarity.softmax(dim=0)
    assert_near(case, 'weights', weights, data['weights'])
    assert_near(case, 'aggregated', (warped * weights).sum(0, keepdim=True), data['aggregated'])
    neck = mega_model(path, 'fgfa').temporal_neck
    output = neck.embed_convs(t(data['embednet_input']))
    assert_near(case, 'embednet_output', output[:, ::8], data['embednet_output'])


def mega_model(path, name):
    return mega_runs.build(path.with_name(f'e2e_{name}.npz'))


@pytest.mark.parametrize('path', golden.cases('mega_pytorch/flownet.npz'))
@torch.no_grad()
def test_flow_network_of_mega(path):
    data, case = load(path), case_name(path)
    model = mega_model(path, 'dff')
    frames = load(path.with_name('video.npz'))['frames']
    network = model.temporal_neck.motion
    images = torch.cat([mega_runs.network_input(model, frames, i)[0][:, 0]
                        for i in range(len(frames))])
    images = model.encoder.pixels(images)
    for suffix, (height, width) in (('', data['size_hw']), ('_crop', data['crop_hw'])):
        seen = network.prepare(images[..., :height, :width], (int(height), int(width)))
        motion = network(*(seen[list(column)] for column in data['pairs'].T))
        assert_near(case, f'flow{suffix}', motion.flow, data[f'flow{suffix}'])
        assert_near(case, f'scale{suffix}', motion.scale[:, ::32], data[f'scale{suffix}'])


@pytest.mark.parametrize('path', [
    case for case in golden.cases('mega_pytorch/e2e_*.npz')
    if golden.meta(case.values[0].parent)['models'][case.values[0].stem[4:]] in ('fgfa', 'dff')
    and 'dbg_1_flow' in load(case.values[0])
])
@torch.no_grad()
def test_intermediate_values_of_mega(path):
    """Flows, warped maps and similarities at the recorded frames."""
    data, case = load(path), case_name(path)
    model, frames = mega_runs.build(path), mega_runs.images(path)
    neck = model.temporal_neck
    for step in (step for step in (1, 13) if f'dbg_{step}_flow' in data):
        ids = model.policy.frames(step, len(frames))['local']
        records = {i: next(model.encode(*mega_runs.network_input(model, frames, i)))
                   for i in {*ids, step}}
        references = [records[i] for i in ids]
        motion = neck.find_motion(records[step], references)
        warped = neck.warp(torch.cat([r.maps[0] for r in references]),
                           type(motion)(motion.flow))
        assert_near(case, f'{step} flow', motion.flow, data[f'dbg_{step}_flow'])
        if isinstance(neck, DFFNeck):
            assert_near(case, f'{step} warped', warped[:, ::64], data[f'dbg_{step}_warped'])
            continue
        embedded = neck.warp(torch.cat([r.extras['embedding'][0] for r in references]), motion)
        both = torch.cat([warped, embedded], dim=1)[:, ::64]
        assert_near(case, f'{step} warped', both, data[f'dbg_{step}_warped'])
        place = ids.index(step)
        assert_near(case, f'{step} cosine', along(embedded, direction(embedded[place:place + 1])),
                    data[f'dbg_{step}_fgfa_unnormalized_weight'])
