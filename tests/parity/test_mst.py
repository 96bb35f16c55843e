"""Alignment and the three levels of MST, compared with recorded numbers."""

import re

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmvod_plugins.models import MSTInstanceAggregator, MSTProposalAggregator
from mmvod_plugins.models.layers import (
    DAlign,
    FrameAttention,
    SizeRelation,
    deform_conv,
    size_terms,
)
from mmvod_plugins.models.layers.dalign import mmcv_conv
from mmvod_plugins.models.roi_heads.instance_ids import instance_ids
from mmvod_plugins.structures import ObjectFeatures

from . import golden

RELATION = dict(phi='query', key='key', val='value', geo='location')


def every_case(pattern):
    """A test over every file of a subject."""
    return pytest.mark.parametrize('path', golden.cases(f'papers/mst/{pattern}*.npz'))


def near(path, name, mine, recorded):
    """Compare in double precision with the tolerance of the data's README."""
    mine = np.asarray(mine)
    assert mine.shape == np.shape(recorded), name
    golden.note(f'{golden.case_name(path)} {name}',
                f'off by {np.abs(mine - recorded).max(initial=0):.1e}, rtol 1e-8')
    np.testing.assert_allclose(mine, recorded, rtol=1e-8, atol=1e-9, err_msg=name)


def tensor(data, name):
    return torch.from_numpy(data[name])


def filled(module, values):
    """A module in double precision with given weights, and no others."""
    module.double().load_state_dict({name: torch.as_tensor(value) for name, value
                                     in values.items()})
    return module


@torch.no_grad()
@every_case('deform_conv')
def test_deform_conv(path):
    data = golden.load(path)
    maps, weight = tensor(data, 'x')[None], tensor(data, 'weight')
    offsets = {'out': tensor(data, 'offset'), 'out_two_groups': tensor(data, 'offset_two_groups'),
               'out_zero_offset': torch.zeros_like(tensor(data, 'offset'))}
    assert set(data) == {'x', 'weight', 'offset', 'offset_two_groups', *offsets}
    for name, offset in offsets.items():
        near(path, name, deform_conv(maps, offset[None], weight)[0], data[name])
        near(path, f'{name} by mmcv', mmcv_conv(maps, offset[None], weight)[0], data[name])


def dalign_of(data, **options):
    """DAlign with the recorded weights."""
    channels = data['dc3_w'].shape[1]
    if options.get('simple'):
        return filled(DAlign(channels, simple=True), {
            'first_offsets.weight': data['simple_off_w'],
            'first_offsets.bias': data['simple_off_b'], 'first_apply': data['dc3_w']})
    return filled(DAlign(channels, len(data['dc1_w']), len(data['dc3_w']), **options), {
        'first_offsets.weight': data['off1_w'], 'first_offsets.bias': data['off1_b'],
        'first_predict': data['dc1_w'], 'second_offsets.weight': data['off2_w'],
        'second_offsets.bias': data['off2_b'], 'second_predict': data['dc2_w'],
        'first_apply': data['dc3_w'], 'second_apply': data['dc4_w']})


@torch.no_grad()
@every_case('dalign')
def test_dalign(path):
    data = golden.load(path)
    key, support = tensor(data, 'key')[None], tensor(data, 'support')[None]
    plain, simple = dalign_of(data), dalign_of(data, simple=True)
    both = plain(key, torch.cat([support, key]))
    outputs = {
        'theta': plain.offsets(key, support)[0], 'aligned': both[0], 'aligned_key_itself': both[1],
        'aligned_relu_between': dalign_of(data, relu_between=True)(key, support)[0],
        'simple_theta': simple.offsets(key, support)[0],
        'simple_aligned': simple(key, support)[0]}
    weights = re.compile(r'(simple_off|off\d|dc\d)_[wb]$')
    assert {name for name in data if not weights.match(name)} == {'key', 'support', *outputs}
    for name, mine in outputs.items():
        near(path, name, mine, data[name])


@torch.no_grad()
@every_case('frame_level')
def test_frame_level(path):
    data = golden.load(path)
    maps = tensor(data, 'maps')
    names = dict(query='q', key='k', value='v')
    for name in ('out_one_head', 'out_heads', 'out_heads_key_only'):
        heads = 1 if name == 'out_one_head' else int(data['heads'])
        attention = filled(FrameAttention(maps.shape[1], heads), {
            f'{mine}.{kind}': data[f'{kind[0]}_{theirs}'].reshape(
                (-1, maps.shape[1], 1, 1) if kind == 'weight' else -1)
            for mine, theirs in names.items() for kind in ('weight', 'bias')})
        projected = attention.project(maps)
        found = attention(maps, projected)
        if name == 'out_heads_key_only':  # frame 1 alone is enhanced
            found = maps.clone()
            found[1:2] = attention(maps[1:2], projected)
        near(path, name, found, data[name])


def relation_weights(data, prefix, name):
    """Weights of a relation under our names."""
    return {f'{name}.{mine}.{kind}': data[f'{prefix}_{kind[0]}_{theirs}']
            for theirs, mine in RELATION.items() for kind in ('weight', 'bias')}


def objects(data, name, **fields):
    boxes = tensor(data, f'{name}_boxes')
    return ObjectFeatures(boxes, tensor(data, name), fields.pop('scores', None),
                          torch.zeros(len(boxes)).long(), **fields)


@torch.no_grad()
@every_case('proposal_level')
def test_proposal_level(path):
    data = golden.load(path)
    key, support = objects(data, 'ref'), objects(data, 'sup')
    near(path, 'terms', size_terms(key.boxes, support.boxes), data['terms'])
    options = {'': {}, 'scaled': dict(scaled=True), 'wh': dict(aspect=False),
               'linear_psi': dict(psi='linear'), 'with_fc': {}}
    outputs = {name for name in data if name.startswith(('out_', 'weights_'))}
    for name in sorted(outputs):
        _, count, suffix = re.fullmatch(r'(out|weights)_(one|two)_layers?_?(\w*)', name).groups()
        stages = 1 if count == 'one' else 2
        settings = dict(num_stages=stages, reference_topk=len(support), fc=suffix == 'with_fc',
                        relation=options[suffix])
        weights = {}
        for i in range(stages):
            weights.update(relation_weights(data, f'layer{i}', f'relations.{i}'))
            if suffix == 'wh':
                weights[f'relations.{i}.location.weight'] = data[f'layer{i}_w_geo'][:, :32]
        if suffix == 'with_fc':
            weights.update({'fcs.0.weight': data['fc_w'], 'fcs.0.bias': data['fc_b']})
        aggregator = filled(MSTProposalAggregator(key.feats.shape[1], int(data['heads']),
                                                  **settings), weights)
        found = aggregator(key, {'local': [support]}, None).feats
        if name.startswith('weights'):
            found = aggregator.relations[0].weights(key.feats, support.feats, key.boxes,
                                                    support.boxes)
        near(path, name, found, data[name])


def instance_aggregator(data, prefix='layer', scaled=False, **settings):
    """An instance level with the recorded weights."""
    heads = len(data[f'{prefix}_b_geo'])
    return filled(
        MSTInstanceAggregator(data['ref'].shape[1], heads, relation=dict(scaled=scaled),
                              **settings), relation_weights(data, prefix, 'relation'))


def sample_with(boxes, ids):
    sample = DetDataSample(metainfo=dict(frame_id=0))
    sample.gt_instances = InstanceData(bboxes=torch.from_numpy(boxes),
                                       instances_ids=torch.from_numpy(ids))
    return sample


@torch.no_grad()
@every_case('instance_train')
def test_instance_level_in_training(path):
    data = golden.load(path)
    ids = instance_ids(tensor(data, 'ref_boxes'), sample_with(data['ref_gt'], data['ref_gt_ids']),
                       0.5)
    assert ids.tolist() == data['ref_ids'].tolist()
    key, window = objects(data, 'ref', ids=ids), []
    for t in np.unique(data['sup_frame']):
        rows, truth = data['sup_frame'] == t, data['sup_gt_frame'] == t
        part = objects(data, 'sup')[torch.from_numpy(rows)]
        part.ids = instance_ids(part.boxes, sample_with(
            data['sup_gt'][truth], data['sup_gt_ids'][truth]), 0.5)
        window.append(part)
    assert torch.cat([part.ids for part in window]).tolist() == data['sup_ids'].tolist()
    for name in ('out', 'out_scaled'):
        level = instance_aggregator(data, scaled='scaled' in name).train()
        near(path, name, level(key, {'local': window}, None).feats, data[name])


@torch.no_grad()
@every_case('instance_test')
def test_instance_level_in_testing(path):
    data = golden.load(path)
    key, support = objects(data, 'ref', scores=tensor(data, 'ref_scores')), objects(data, 'sup')
    for suffix in ('', '_scaled', '_one_head'):
        level = instance_aggregator(
            data, 'layer_one_head' if suffix == '_one_head' else 'layer', suffix == '_scaled',
            num_candidates=int(data['k']), ratio=float(data['ratio']),
            reference_topk=len(support)).eval()
        rows = level.candidates(key, len(support))
        assert rows.tolist() == data[f'candidates{suffix}'].tolist()
        logits = level.relation.logits(key.feats[rows], support.feats, key.boxes[rows],
                                       support.boxes)
        chosen = [row.nonzero()[:, 0].tolist() for row in level.most_similar(logits)]
        assert chosen == data[f'chosen{suffix}'].tolist()
        near(path, f'out{suffix}', level(key, {'local': [support]}, None).feats,
             data[f'out{suffix}'])


def test_the_relation_of_many_boxes_is_the_same_in_portions():
    """On a CPU without gradients the bias is made some rows at a time."""
    relation = SizeRelation(16, 4).double()
    generator = torch.Generator().manual_seed(0)
    feats, boxes = torch.randn(70, 16, generator=generator).double(), torch.rand(70, 4).double()
    boxes[:, 2:] += boxes[:, :2] + 1
    plain = relation(feats, feats, boxes, boxes)
    with torch.no_grad():
        assert torch.allclose(relation(feats, feats, boxes, boxes), plain, rtol=1e-12)
