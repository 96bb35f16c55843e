"""SELSA and Temporal RoI Align: identity, symmetry, bad input, from frames to detections."""

import pytest
import torch
from mmdet.registry import MODELS
from torch import nn
from torch.nn import functional

from mmvod_plugins.models import SELSAAggregator, TemporalRoIAlign
from mmvod_plugins.models.layers import SemanticAttention
from mmvod_plugins.models.roi_heads.temporal_roi_align import most_similar
from mmvod_plugins.structures import ObjectFeatures

from ..tiny import detect, numbers, selsa_config, training_batch, video

CHANNELS = 16
WINDOW = dict(type='LocalWindow', radius=2, num_samples=2, bilateral=True)


def aggregator(num_stages=2, seed=0):
    torch.manual_seed(seed)
    module = SELSAAggregator(CHANNELS, 4, num_stages=num_stages, reference_topk=9)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module.double()


def objects(count, seed, frame_id=0):
    generator = torch.Generator().manual_seed(seed)
    return ObjectFeatures(
        torch.rand(count, 4, generator=generator).double(),
        torch.randn(count, CHANNELS, generator=generator).double(),
        torch.rand(count, generator=generator).double(), torch.full((count, ), frame_id))


def literal_attention(module, feats, references):
    """One head at a time, as the paper writes it."""
    width = feats.shape[1] // module.num_heads
    query, key, value = module.query(feats), module.key(references), module.value(references)
    heads = []
    for m in range(module.num_heads):
        rows = slice(m * width, (m + 1) * width)
        weights = (query[:, rows] @ key[:, rows].T / width**0.5).softmax(1)
        heads.append(weights @ value[:, rows])
    return module.out(torch.cat(heads, 1))


# SELSA -------------------------------------------------------------------------------------------


@pytest.mark.parametrize('num_stages', [1, 2, 3])
def test_the_aggregator_equals_its_literal_form(num_stages):
    module = aggregator(num_stages)
    key, frames = objects(5, 0), [objects(7, 1), objects(4, 2)]
    x, r = key.feats, torch.cat([frame.feats for frame in frames])
    for stage, attention in enumerate(module.attentions):
        if stage:
            x, r = module.fcs[stage - 1](x), module.fcs[stage - 1](r)
        x, r = torch.relu(x + literal_attention(attention, x, r)), torch.relu(r)
    torch.testing.assert_close(module(key, {'local': frames}, None).feats, x, rtol=0, atol=1e-12)


def test_references_are_one_set():
    """Neither roles, nor frames, nor any order matter; nor that all are there twice."""
    module, key = aggregator(), objects(5, 0)
    frames = [objects(4, 1), objects(2, 2), objects(3, 3)]
    mixed = ObjectFeatures.cat(frames)[torch.randperm(9)]
    expected = module(key, {'local': frames}, None).feats
    for references in ({'local': frames[::-1]}, {'local': frames[1:], 'global': frames[:1]},
                       {'global': [mixed]}, {'local': frames * 2}):
        found = module(key, references, None).feats
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_a_repeated_frame_counts_twice():
    module, key = aggregator(), objects(5, 0)
    first, second = objects(4, 1), objects(4, 2)
    once = module(key, {'local': [first, second]}, None).feats
    twice = module(key, {'local': [first, first, second]}, None).feats
    assert (once - twice).abs().max() > 1e-3


def test_without_references_the_key_frame_is_its_own():
    module, key = aggregator(), objects(5, 0)
    expected = module(key, {'local': [key]}, None).feats
    for empty in ({}, {'global': []}):
        references = {**empty, **module.needs.alone(key)}
        assert torch.equal(module(key, references, None).feats, expected)


def test_identical_references_all_say_the_same():
    """The average over copies of one object is that object, however many there are."""
    module, key = aggregator(), objects(5, 0)
    one = objects(1, 1)
    expected = module(key, {'local': [one]}, None).feats
    found = module(key, {'local': [ObjectFeatures.cat([one] * 9)]}, None).feats
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_without_attention_it_is_a_shared_fc_box_head():
    module, key = aggregator(3), objects(5, 0)
    for attention in module.attentions:
        nn.init.zeros_(attention.out.weight)
        nn.init.zeros_(attention.out.bias)
    expected = key.feats.relu()
    for fc in module.fcs:
        expected = fc(expected).relu()
    assert torch.equal(module(key, {'local': [objects(7, 1)]}, None).feats, expected)


@pytest.mark.parametrize(('num_key', 'num_reference'), [(0, 3), (4, 0), (0, 0)])
def test_no_proposals_are_no_fault(num_key, num_reference):
    module = aggregator()
    out = module(objects(num_key, 0), {'local': [objects(num_reference, 1)]}, None).feats
    assert out.shape == (num_key, CHANNELS)
    out.sum().backward()
    assert all(parameter.grad is not None for parameter in module.attentions.parameters())


@pytest.mark.parametrize('settings', [dict(channels=10, num_heads=4), dict(num_stages=0)])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match=r'multiple of num_heads|num_stages must be'):
        SELSAAggregator(**settings)
    with pytest.raises(ValueError, match='multiple of num_heads'):
        SemanticAttention(10, 4)


# Temporal RoI Align ------------------------------------------------------------------------------


def troi(num_points=2, num_heads=4, seed=0, **settings):
    torch.manual_seed(seed)
    module = TemporalRoIAlign(CHANNELS, num_points, num_heads, **settings)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.2)
    return module.double()


def pooled_and_maps(num_rois=3, num_maps=4, size=(6, 7), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(num_rois, CHANNELS, 5, 5, generator=generator).double(),
            torch.randn(num_maps, CHANNELS, *size, generator=generator).double())


def literal_troi(module, roi_feats, maps):
    """Cell by cell, map by map, the convolution on every reference."""
    frames = [roi_feats]
    for feat in maps:
        cells = feat.flatten(1).T
        similar = torch.empty_like(roi_feats)
        for n, c_y, c_x in torch.cartesian_prod(*map(torch.arange, (len(roi_feats), 5, 5))):
            cell = roi_feats[n, :, c_y, c_x]
            cosine = functional.cosine_similarity(cell[None], cells)
            best, indices = cosine.topk(min(module.num_points, len(cells)))
            similar[n, :, c_y, c_x] = best.softmax(0) @ cells[indices]
        frames.append(similar)
    feats = torch.stack(frames)
    if module.embed is None:
        return feats.mean(0)
    embedded = torch.stack([module.embed(frame) for frame in feats])
    out = []
    for rows in torch.arange(CHANNELS).chunk(module.num_heads):
        logits = (embedded[:, :, rows] * embedded[:1, :, rows]).sum(2) / len(rows)**0.5
        out.append((logits.softmax(0)[:, :, None] * feats[:, :, rows]).sum(0))
    return torch.cat(out, 1)


@pytest.mark.parametrize('settings', [
    {}, dict(num_heads=0), dict(num_heads=1), dict(num_points=1), dict(num_points=99),
    dict(portion=1)], ids=str)
def test_temporal_roi_align_equals_its_literal_form(settings):
    module = troi(**settings)
    feats, maps = pooled_and_maps()
    for tensor in (feats, maps):
        tensor.requires_grad_()
    leaves = [feats, maps, *module.parameters()]
    results = [form(feats, maps) for form in (module, lambda *x: literal_troi(module, *x))]
    torch.testing.assert_close(*results, rtol=0, atol=1e-10)
    gradients = [torch.autograd.grad(out.square().sum(), leaves) for out in results]
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-9)


def test_neither_the_order_of_maps_nor_positions_in_them_matter():
    module = troi()
    feats, maps = pooled_and_maps()
    expected = module(feats, maps)
    shuffled = maps.flatten(2)[:, :, torch.randperm(42)].view_as(maps)
    for other in (maps.flip(0), maps.flip(3), shuffled):
        torch.testing.assert_close(module(feats, other), expected, rtol=0, atol=1e-12)


def test_maps_that_hold_the_key_features_change_nothing():
    """Every cell finds itself (one point): all frames are equal, and so is their average."""
    module = troi(num_points=1)
    feats, _ = pooled_and_maps(num_rois=1)
    maps = feats.repeat(3, 1, 1, 1)
    torch.testing.assert_close(module(feats, maps), feats, rtol=0, atol=1e-12)


def test_without_references_or_rois_the_features_stay():
    module = troi()
    feats, maps = pooled_and_maps()
    assert torch.equal(module(feats, maps[:0]), feats)
    assert module(feats[:0], maps).shape == (0, CHANNELS, 5, 5)


def test_cells_of_zeros_are_similar_to_nothing():
    """The reference divides by zero here."""
    feats, maps = pooled_and_maps()
    feats[0], maps[:, :, 0, 0] = 0, 0
    cells = maps.flatten(2).transpose(1, 2)
    similar = most_similar(feats, cells, functional.normalize(cells, dim=2), 2)
    assert torch.isfinite(similar).all()
    assert torch.isfinite(troi()(feats, maps)).all()


def test_impossible_settings_of_temporal_roi_align_are_refused():
    for settings in (dict(num_points=0), dict(num_heads=3), dict(num_heads=-1)):
        with pytest.raises(ValueError, match='num_points must be at least 1 and channels'):
            TemporalRoIAlign(CHANNELS, **settings)


def test_both_run_in_mixed_precision():
    """On a CPU in bfloat16; mmcv's NMS and RoIAlign have no such form there."""
    select, align = aggregator().float(), troi().float()
    key, frames = objects(5, 0).to(torch.float32), [objects(4, 1).to(torch.float32)]
    feats, maps = (tensor.float() for tensor in pooled_and_maps())
    for module, arguments in ((select, (key, {'local': frames}, None)), (align, (feats, maps))):
        out, mixed = module(*arguments), None
        with torch.autocast('cpu', dtype=torch.bfloat16):
            mixed = module(*arguments)
        if module is select:
            out, mixed = out.feats, mixed.feats
        assert (out - mixed.float()).abs().mean() < 0.05 * out.abs().mean()
        mixed.float().sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in module.parameters())


# In a detector -----------------------------------------------------------------------------------


def model_of(name, references=None, seed=0):
    torch.manual_seed(seed)
    config = selsa_config(name)
    config.references = references or config.references
    model = MODELS.build(config)
    for parameter_name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            std = 0.1 if parameter_name.endswith(('rpn_reg.weight', 'fc_reg.weight')) else 1.0
            nn.init.normal_(parameter, std=std / parameter[0].numel()**0.5)
    return model.eval()


MODELS_OF = pytest.mark.parametrize('name', ['selsa', 'selsa-troialign'])


@MODELS_OF
def test_detections_change_with_the_references_and_not_with_their_order(name):
    model, frames = model_of(name, references=WINDOW), video(5)
    other = frames.clone()
    other[3:] = video(5, seed=9)[3:]
    first, changed = numbers(detect(model, frames)), numbers(detect(model, other))
    assert torch.equal(first[0], changed[0])  # looks at frames 0, 1, 2
    assert first[1].shape != changed[1].shape or not torch.allclose(first[1], changed[1])
    backwards = numbers(detect(model, frames, order=[4, 3, 2, 1, 0]))
    for a, b in zip(first, backwards, strict=True):
        assert torch.equal(a, b)


@MODELS_OF
def test_a_video_of_one_frame(name):
    model = model_of(name)
    (sample, ) = detect(model, video(1))
    assert torch.isfinite(sample.pred_instances.bboxes).all()


def test_as_a_reference_a_frame_keeps_its_plain_features():
    model, frames = model_of('selsa-troialign', references=WINDOW), video(3)
    seen = []
    aggregate = model.adapter.head.aggregator.forward
    model.adapter.head.aggregator.forward = lambda key, references, memory: (
        seen.append((key, references)), aggregate(key, references, memory))[1]
    detect(model, frames)
    for t, (key, references) in enumerate(seen):
        own = references['local'][2]
        assert int(own.frame_ids[0]) == t
        assert torch.equal(own.boxes, key.boxes)
        assert not torch.allclose(own.feats, key.feats)
    plain = [references['local'] for _, references in seen]
    assert torch.equal(plain[0][2].feats, plain[2][0].feats)  # frame 0 after it was the key


def test_maps_are_kept_only_where_they_are_needed():
    for name, kept in (('selsa', False), ('selsa-troialign', True)):
        model, frames = model_of(name), video(6)
        detect(model, frames, order=[0])
        (stream, ) = model.streams._streams.values()
        assert [record.maps is not None for record in stream._records.values()] == [kept]
        model.streams._streams.clear()


@MODELS_OF
def test_gradients_reach_the_maps_of_the_references(name):
    model, frames = model_of(name, references=WINDOW).train(), video(5)
    seen = []
    model.detector.neck.register_forward_hook(lambda _, __, out: seen.append(out[0]))
    data = model.data_preprocessor(training_batch(frames, 2, {'local': [1, 3]}), training=True)
    losses = model.loss(data['inputs'], data['data_samples'])
    seen[0].retain_grad()
    losses['loss_cls'].backward()
    assert (seen[0].grad.flatten(1).abs().sum(1) > 0).tolist() == [True, True, True]
    unused = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not [n for n in unused if 'roi_head' in n and 'fc_reg' not in n]


def test_in_a_pyramid_a_roi_looks_at_its_own_level():
    config = selsa_config('selsa-troialign')
    head = config.detector.roi_head
    head.bbox_roi_extractor.update(featmap_strides=[8, 16], finest_scale=16)
    head = MODELS.build(head).eval()
    channels = head.temporal_roi_align.embed.in_channels
    maps = [torch.randn(1, channels, 8, 12), torch.randn(1, channels, 4, 6)]
    reference = [torch.randn(1, channels, 8, 12), torch.randn(1, channels, 4, 6)]
    rois = torch.tensor([[0., 4, 4, 14, 14], [0., 2, 2, 60, 60], [0., 8, 8, 20, 20]])
    assert head.bbox_roi_extractor.map_roi_levels(rois, 2).tolist() == [0, 1, 0]
    feats = head.bbox_roi_extractor(maps, rois)
    found = head._align(feats, rois, [[tuple(reference)]])
    for level, rows in ((0, [0, 2]), (1, [1])):
        expected = head.temporal_roi_align(feats[rows], reference[level])
        torch.testing.assert_close(found[rows], expected)


def test_the_only_frame_of_a_level_is_aligned_as_one_of_two():
    """There no indices of its RoIs are needed."""
    head = MODELS.build(selsa_config('selsa-troialign').detector.roi_head).eval()
    feats = torch.randn(5, head.temporal_roi_align.embed.in_channels, 7, 7)
    maps = [(torch.randn(1, feats.shape[1], 4, 6), ) for _ in range(3)]
    rois = torch.tensor([0., 0, 0, 1, 1])[:, None].expand(-1, 5)
    both = head._align(feats, rois, [maps, maps[:1]])
    for rows, frames in ((slice(0, 3), maps), (slice(3, 5), maps[:1])):
        alone = head._align(feats[rows], torch.zeros(len(both[rows]), 5), [frames])
        torch.testing.assert_close(both[rows], alone)
    assert torch.equal(head._align(feats, torch.zeros(5, 5), [[]]), feats)


def test_a_single_frame_head_starts_embedding_and_aggregator():
    """Its shared layers become ours; its box layers stay."""
    model = model_of('selsa')
    head = {key: value.clone() for key, value in model.adapter.head.state_dict().items()}
    single = {}
    for key, value in head.items():
        key = key.replace('embedding.fc', 'bbox_head.shared_fcs.0')
        key = key.replace('aggregator.fcs.0', 'bbox_head.shared_fcs.1')
        if 'attentions' not in key:
            single[key] = value
    fresh = model_of('selsa', seed=1).adapter.head
    missing, unexpected = fresh.load_state_dict(single, strict=False)
    assert unexpected == []
    assert all('attentions' in key for key in missing)
    assert torch.equal(fresh.embedding.fc.weight, head['embedding.fc.weight'])
    assert torch.equal(fresh.aggregator.fcs[0].weight, head['aggregator.fcs.0.weight'])
