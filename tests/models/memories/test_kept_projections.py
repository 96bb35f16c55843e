"""Kept projections: equal to those of all frames at once, computed once, never of other frames."""

import pytest
import torch
from torch import nn

from mmvod_plugins.models import (
    ChainedAggregator,
    MEGAAggregator,
    MSTInstanceAggregator,
    MSTProposalAggregator,
    RDNAggregator,
    SELSAAggregator,
)
from mmvod_plugins.models.aggregators import mega
from mmvod_plugins.models.layers.relation import location_biases
from mmvod_plugins.models.memories import kept_projections
from mmvod_plugins.models.memories.kept_projections import KeptProjections, projections, step_of
from mmvod_plugins.structures import ObjectFeatures

CHANNELS = 16
AGGREGATORS = {
    'SELSA': (SELSAAggregator, dict(num_heads=4, num_stages=3)),
    'RDN-base': (RDNAggregator, dict(num_heads=4, num_advanced_stages=0, reference_topk=5)),
    'RDN': (RDNAggregator, dict(num_heads=4, reference_topk=5, distilled_topk=2)),
    'MEGA': (MEGAAggregator, dict(num_heads=4, num_result_stages=1, reference_topk=5,
                                  distilled_topk=2, memory_size=3)),
    'MST, proposals': (MSTProposalAggregator, dict(num_heads=4, reference_topk=5, fc=True)),
    'MST, instances': (MSTInstanceAggregator, dict(num_heads=4, num_candidates=3)),
}


class Double(nn.Module):
    """Counts the rows that it projects."""

    rows = 0

    def project(self, feats):
        self.rows += len(feats)
        return 2 * feats, feats[None, None]


def frame(frame_id, count=6):
    generator = torch.Generator().manual_seed(frame_id)
    corner = 50 * torch.rand(count, 2, generator=generator).double()
    boxes = torch.cat([corner, corner + 10], 1)
    return ObjectFeatures(boxes, torch.randn(count, CHANNELS, generator=generator).double(),
                          torch.linspace(1, 0, count), torch.full((count, ), frame_id))


def aggregator_of(kind, **settings):
    torch.manual_seed(0)
    module = kind(CHANNELS, **settings)
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=parameter.shape[1]**-0.5)
    return module.double().eval()


@torch.no_grad()
def test_a_frame_is_projected_once_while_it_is_a_reference():
    module, kept = Double(), KeptProjections()
    frames = [frame(t) for t in range(4)]
    for window in (frames[:3], frames[1:], frames[1:]):
        step = kept.step()
        found = step.project(module, [*window, window[0]])
        torch.testing.assert_close(
            found, module.project(torch.cat([part.feats for part in [*window, window[0]]])))
        module.rows -= sum(map(len, window)) + 6
        kept.write(step)
    assert module.rows == 4 * 6
    step = kept.step()
    step.project(module, frames[:1])  # it has left
    assert module.rows == 5 * 6


@torch.no_grad()
def test_objects_in_other_memory_are_other_objects():
    module, kept = Double(), KeptProjections()
    for t in range(50):  # memory of frames that are gone may be used again
        step, part = kept.step(), frame(t)
        torch.testing.assert_close(step.project(module, [part])[0], 2 * part.feats)
        kept.write(step)


@torch.no_grad()
def test_frames_without_objects():
    module, step = Double(), KeptProjections().step()
    assert step.project(module, [frame(0, 0), frame(1)])[0].shape == (6, CHANNELS)
    assert step.project(module, [frame(0, 0)])[0].shape == (0, CHANNELS)


def test_gradients_need_the_plain_form():
    assert step_of(KeptProjections()) is None
    with torch.no_grad():
        assert step_of(KeptProjections()) is not None
        assert step_of(None) is None
    module = Double()
    projections(None, module, [frame(0), frame(1)])
    assert module.rows == 12


@torch.no_grad()
@pytest.mark.parametrize('keep_bias_from', [1, kept_projections.KEEP_BIAS_FROM])
@pytest.mark.parametrize('name', AGGREGATORS)
def test_aggregators_give_the_same_with_and_without(name, keep_bias_from, monkeypatch):
    monkeypatch.setattr(kept_projections, 'KEEP_BIAS_FROM', keep_bias_from)
    kind, settings = AGGREGATORS[name]
    module = aggregator_of(kind, **settings)
    frames = [frame(t) for t in range(12)]
    memory, plain = module.init_memory(), module.init_memory()
    for t in range(4, 9):
        references = {'local': frames[t - 2:t + 3], 'global': frames[:2] + frames[-2:]}
        references = {role: part for role, part in references.items() if role in module.needs.roles}
        step = module(frames[t], references, memory)
        module.write(memory, step, None)
        if name == 'MEGA':  # its memory is more than what is kept
            plain.kept = KeptProjections()
            with torch.enable_grad():
                expected = module(frames[t], references, plain)
            module.write(plain, expected, None)
        else:
            expected = module(frames[t], references, None)
        torch.testing.assert_close(step.feats, expected.feats)
    kept = memory.kept if name == 'MEGA' else memory
    assert bool(kept._tables) == (name in ('MEGA', 'RDN') and keep_bias_from == 1)


@torch.no_grad()
@pytest.mark.parametrize('autocast', [False, True])
def test_sums_of_pairs_of_frames_are_those_of_all_at_once(autocast, monkeypatch):
    """MEGA's global stage; frames come and go, stand several times or have no objects."""
    module = aggregator_of(MEGAAggregator, **AGGREGATORS['MEGA'][1])
    relation, calls, kept = module.global_relations[0], [], KeptProjections()
    if autocast:
        module.float()
    original = relation.partial
    monkeypatch.setattr(relation, 'partial', lambda queries, projected: (
        calls.append((queries.shape[-2], projected[0].shape[-2])), original(queries, projected))[1])
    frames = [frame(t, 0 if t == 3 else 6) for t in range(12)]
    if autocast:
        frames = [part.with_feats(part.feats.float()) for part in frames]
    for t, pool in ((2, [7, 8, 9, 8]), (3, [7, 8, 10, 8]), (3, [11, 7, 3])):
        window, others = [*frames[t - 2:t + 2], frames[t]], [frames[i] for i in pool]
        step = kept.step()
        calls.clear()
        with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
            found = step.relate(relation, window, others)
        plain = relation(ObjectFeatures.cat(window).feats, ObjectFeatures.cat(others).feats)
        tolerance = dict(rtol=0.1, atol=0.05) if autocast else dict(rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(torch.cat(found).to(plain), plain, **tolerance)
        kept.write(step)
        if t == 3 and len(pool) == 4:  # frame 4 is new to 7 and 8, frame 10 to all
            assert calls == [(6, 6), (6, 6), (18, 6)]


def test_mega_keeps_sums_where_there_is_much_work(monkeypatch):
    assert not aggregator_of(MEGAAggregator, num_global_stages=2)._keeps_sums([], [])
    assert not aggregator_of(MEGAAggregator, global_location=True)._keeps_sums([], [])
    module = aggregator_of(MEGAAggregator, **AGGREGATORS['MEGA'][1])
    assert not module._keeps_sums([frame(0)], [frame(1)])
    monkeypatch.setattr(mega, 'KEEP_SUMS_FROM', 1)
    assert module._keeps_sums([frame(0)], [frame(1)])
    test_aggregators_give_the_same_with_and_without('MEGA', 1, monkeypatch)


def test_biases_of_several_relations_at_once():
    module = aggregator_of(RDNAggregator, num_heads=4, num_base_stages=3)
    boxes, references = frame(0).boxes, frame(1, 9).boxes
    assert location_biases(module.base_relations, boxes, references) == [None] * 3
    with torch.no_grad():
        together = location_biases(module.base_relations, boxes, references)
        for relation, bias in zip(module.base_relations, together, strict=True):
            torch.testing.assert_close(bias, relation.location_bias(boxes, references))


@torch.no_grad()
def test_embeddings_that_are_always_new_end_the_keeping():
    module, kept = Double(), KeptProjections()
    for _ in range(3):
        step = step_of(kept)
        step.project(module, [frame(0), frame(1)])  # the same frames, other tensors
        kept.write(step)
    assert step_of(kept) is None
    assert not kept.step()._kept


@torch.no_grad()
def test_projections_under_autocast_are_not_those_without_it():
    module, kept, frames = Double(), KeptProjections(), [frame(0)]
    for enabled in (False, True, True):
        with torch.autocast('cpu', enabled=enabled):
            step = kept.step()
            step.project(module, frames)
            kept.write(step)
    assert module.rows == 2 * 6


@torch.no_grad()
def test_a_chain_keeps_the_projections_of_each_of_its_aggregators():
    settings = dict(channels=CHANNELS, num_heads=4)
    chain = ChainedAggregator(dict(
        proposal=dict(type='MSTProposalAggregator', **settings),
        instance=dict(type='MSTInstanceAggregator', num_candidates=3, **settings)),
        ['proposal', 'instance'])
    chain, frames, rows = chain.double().eval(), [frame(t) for t in range(5)], []
    relation = chain.aggregators['instance'].relation
    memory = chain.init_memory()
    for t in (1, 2, 3):
        references = dict(local=frames[t - 1:t + 2])
        plain = chain(frames[t], references, None).feats
        count = relation.key.register_forward_hook(lambda *args: rows.append(len(args[2])))
        result = chain(frames[t], references, memory)
        count.remove()
        torch.testing.assert_close(result.feats, plain)
        chain.write(memory, result, None)
    assert sum(rows) == sum(map(len, frames))  # every frame once
