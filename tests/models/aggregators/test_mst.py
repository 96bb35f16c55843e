"""Levels of MST on objects: settings, ties with the data, starting points, chains."""

import pytest
import torch

from mmvod_plugins.models import ChainedAggregator, MSTInstanceAggregator, MSTProposalAggregator
from mmvod_plugins.models.aggregators import Aggregated, Aggregator
from mmvod_plugins.models.layers import SizeRelation
from mmvod_plugins.models.roi_heads.instance_ids import instance_ids, matched
from mmvod_plugins.models.temporal_part import Needs
from mmvod_plugins.structures import ObjectFeatures

from ..tiny import sample_of
from ..tiny_mst import mst_config, mst_model

C = 16


def objects(frame_id, number=6, **fields):
    generator = torch.Generator().manual_seed(frame_id)
    corner = 40 * torch.rand(number, 2, generator=generator)
    return ObjectFeatures(
        torch.cat([corner, corner + 10 + 20 * torch.rand(number, 2, generator=generator)], 1),
        torch.randn(number, C, generator=generator),
        torch.rand(number, generator=generator).sort(descending=True).values,
        torch.full((number, ), frame_id), **fields)


def level(**settings):
    torch.manual_seed(0)
    part = MSTInstanceAggregator(C, 4, relation=dict(scaled=True), **settings)
    for parameter in part.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return part


@pytest.mark.parametrize(('settings', 'expected'), [
    (dict(num_candidates=-1), 'num_candidates must not be negative'),
    (dict(ratio=1.5), r'ratio and similarity_share must lie in \[0, 1\]'),
    (dict(similarity_share=-1), 'got 0.2 and -1'), (dict(iou=0), 'iou lie in'),
    (dict(without_ids='guess'), "without_ids must be one of"),
])
def test_bad_settings_of_the_instance_level_are_refused(settings, expected):
    with pytest.raises(ValueError, match=expected):
        MSTInstanceAggregator(C, 4, **settings)


def test_bad_settings_of_the_proposal_level_are_refused():
    with pytest.raises(ValueError, match='num_stages must be at least 1'):
        MSTProposalAggregator(C, 4, num_stages=0)
    with pytest.raises(ValueError, match="psi must be one of"):
        SizeRelation(C, 4, psi='tanh')


def changed(part, key, window):
    """Rows of the key objects that a level changes."""
    found = part(key, {'local': window}, None).feats
    return (found != key.feats).any(dim=1).nonzero()[:, 0].tolist()


@torch.no_grad()
@pytest.mark.parametrize(('candidates', 'ratio', 'expected'), [
    (3, 0.5, [0, 1, 2]), (20, 0.5, list(range(6))), (0, 0.5, []),
    (3, 0.05, []),  # less than one of the 12 support proposals
])
def test_in_testing_the_best_objects_are_enhanced(candidates, ratio, expected):
    part = level(num_candidates=candidates, ratio=ratio).eval()
    window = [objects(1), objects(2)]
    assert changed(part, objects(0), window) == expected
    order = torch.tensor([5, 4, 3, 2, 1, 0])  # wherever they stand
    assert changed(part, objects(0)[order], window) == sorted(5 - row for row in expected)


def test_without_scores_the_first_objects_are_the_best():
    key = objects(0)
    key.scores = None
    assert level(num_candidates=2).candidates(key, 10).tolist() == [0, 1]


@torch.no_grad()
@pytest.mark.parametrize(('share', 'expected'), [(0, [1, 4]), (1, [0, 1])])
def test_in_training_objects_of_known_instances_are_enhanced(share, expected):
    part = level(similarity_share=share, num_candidates=2, ratio=0.5).train()
    key = objects(0, ids=torch.tensor([-1, 7, -1, 3, 7, -1]))  # no support shows instance 3
    window = [objects(1, ids=torch.tensor([7, -1, -1, 9, -1, 7])),
              objects(2, ids=torch.full((6, ), -1))]
    assert changed(part, key, window) == expected


@torch.no_grad()
def test_objects_of_one_instance_see_no_others():
    part = level().train()
    key, ids = objects(0, ids=torch.tensor([7] * 6)), torch.tensor([7, -1, -1, 9, -1, 7])
    window = [objects(1, ids=ids)]
    before = part(key, {'local': window}, None).feats
    other = objects(1, ids=ids)
    other.feats[ids != 7] = 0
    assert torch.equal(before, part(key, {'local': [other]}, None).feats)


@pytest.mark.parametrize(('ids', 'expected'), [
    (torch.tensor([0, 1, -1]), [[True, False], [False, True], [False, False]]),
    (None, [[True, False], [False, True], [False, True]])])
def test_without_ids_boxes_that_overlap_are_of_the_same_instance(ids, expected):
    def at(*corners):
        boxes = torch.tensor([[x, 0, x + 10.0, 10] for x in corners])
        return ObjectFeatures(boxes, torch.zeros(len(boxes), C), None,
                              torch.zeros(len(boxes)).long())

    key, support = at(0, 30, 32), at(2, 31)
    key.ids = ids
    assert level().same_instance(key, [support]).tolist() == expected
    assert not level(without_ids='off').same_instance(key, [support]).any()


@pytest.mark.parametrize(('x', 'number'), [(8.0, 5), (19.0, 5), (20.0, -1), (70.0, -1)])
def test_a_box_has_the_id_of_the_true_box_that_it_covers(x, number):
    sample = sample_of(0, 3)  # its box is 32 wide, from 8 on: IoU 21 / 43 and 20 / 44 below
    sample.gt_instances.instances_ids = torch.tensor([5])
    box = torch.tensor([[x, 10.0, x + 32, 44.0]])
    assert instance_ids(box, sample, 0.48).tolist() == [number]
    assert matched(box, sample.gt_instances.bboxes, 0.48).tolist() == [min(number, 0)]
    sample.gt_instances = sample.gt_instances[:0]
    assert instance_ids(box, sample, 0.48).tolist() == [-1]


def test_without_ids_in_the_data_there_are_none():
    sample = sample_of(0, 3)
    boxes = sample.gt_instances.bboxes
    assert instance_ids(boxes, sample, 0.5) is None
    sample.gt_instances.instances_ids = torch.tensor([0])
    assert instance_ids(boxes, sample, 0.5).tolist() == [0]
    sample.set_metainfo(dict(has_instance_ids=False))  # positions stand for them
    assert instance_ids(boxes, sample, 0.5) is None


# Chains ------------------------------------------------------------------------------------------


class Losing(Aggregator):
    """Adds one, with a loss."""

    needs = Needs(topk=4)

    def forward(self, key, references, memory):
        return Aggregated(key.feats + 1, losses=dict(loss_own=key.feats.sum()))


PROPOSAL = dict(type='MSTProposalAggregator', channels=C, num_heads=4)


@pytest.mark.parametrize('order', [(), ('proposal', 'proposal'), ('proposal', 'instance')])
def test_an_order_that_does_not_fit_is_refused(order):
    with pytest.raises(ValueError, match=r"expected names of aggregators, each once: \['proposal'"):
        ChainedAggregator(dict(proposal=PROPOSAL), order)


def test_different_overlaps_for_ids_are_refused():
    instance = dict(type='MSTInstanceAggregator', channels=C, num_heads=4)
    with pytest.raises(ValueError, match='different IoU'):
        ChainedAggregator(dict(a=instance, b=dict(instance, iou=0.7)), ('a', 'b'))


@torch.no_grad()
def test_a_chain_is_one_aggregator_after_the_other():
    parts = dict(second=dict(PROPOSAL, reference_topk=3), first=dict(PROPOSAL, reference_topk=5),
                 third=PROPOSAL)
    chain = ChainedAggregator(parts, ('first', 'second'))
    assert list(chain.aggregators) == ['first', 'second']
    assert chain.needs.topk == 5
    assert chain.method == 'MST proposal level + MST proposal level'
    key, references = objects(0), {'local': [objects(1), objects(2)]}
    first = chain.aggregators['first'](key, references, None)
    second = chain.aggregators['second'](key.with_feats(first.feats), references, None)
    found = chain(key, references, None)
    assert torch.equal(found.feats, second.feats)
    assert torch.equal(found.details['relations'](1), first.details['relations'](1))


def test_losses_of_the_same_name_are_refused():
    chain = ChainedAggregator(dict(a=PROPOSAL), ('a', ))
    chain.aggregators = torch.nn.ModuleDict(dict(a=Losing(), b=Losing()))
    with pytest.raises(ValueError, match=r"have the losses \['loss_own'\]"):
        chain(objects(0), {'local': [objects(1)]}, None)
    del chain.aggregators['b']
    assert list(chain(objects(0), {'local': [objects(1)]}, None).losses) == ['loss_own']


def test_the_layers_of_a_static_head_start_the_embedding_and_the_chain():
    config = mst_config('c')
    config.detector.roi_head.aggregator.aggregators.proposal.fc = True
    head = mst_model('c', config=config).detector.roi_head
    layer = head.aggregator.aggregators['proposal'].fcs[0]
    weights = {f'bbox_head.shared_fcs.{i}.{name}': torch.full_like(value, i + 1)
               for i, fc in enumerate((head.embedding.fc, layer))
               for name, value in fc.named_parameters()}
    head.load_state_dict(weights, strict=False)
    assert (head.embedding.fc.weight == 1).all()
    assert (layer.weight == 2).all()
    assert (layer.bias == 2).all()


def test_objects_keep_their_ids_where_all_have_some():
    known, unknown = objects(0, ids=torch.arange(6)), objects(1)
    assert ObjectFeatures.cat([known, known]).ids.tolist() == [*range(6)] * 2
    assert ObjectFeatures.cat([known, unknown]).ids is None
    assert known[2:4].with_feats(known.feats[:2]).ids.tolist() == [2, 3]
