"""MSTNeck: which frames it aligns and enhances, bad settings, and what it holds."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmvod_plugins.models import MSTNeck
from mmvod_plugins.models.layers import DAlign, FrameAttention, dalign, deform_conv
from mmvod_plugins.models.layers.dalign import mmcv_conv, sampled_conv, sum_of_taps, tap_maps
from mmvod_plugins.models.necks import mst_neck

from ..records import record_of
from ..tiny import sample_of

CHANNELS = 8


def neck_of(**settings):
    torch.manual_seed(0)
    neck = MSTNeck(CHANNELS, **settings)
    for parameter in neck.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return neck.eval()


def clip(*frame_ids, size=(5, 6), levels=1):
    found = []
    for t in frame_ids:
        generator = torch.Generator().manual_seed(t)
        found.append(record_of(sample_of(t, 9), tuple(
            torch.randn(1, CHANNELS, size[0] - i, size[1] - i, generator=generator)
            for i in range(levels))))
    return found


@pytest.mark.parametrize(('settings', 'expected'), [
    (dict(), 'neither dalign nor motion nor attention'),
    (dict(dalign={}, motion=dict(type='FlowNetSimple')), 'both dalign and motion'),
    (dict(dalign={}, queries='some'), r"queries must be one of \('all', 'key'\)"),
    (dict(dalign={}, frame_stride=0), 'frame_stride at least 1'),
    (dict(dalign={}, levels=()), 'expected one index or more'),
    (dict(dalign={}, levels=(1, 1)), 'each once'),
    (dict(attention=dict(num_heads=3)), 'channels must be a multiple of num_heads'),
    (dict(attention=dict(num_heads=2, reduction=0)), 'reduction at least 1'),
    (dict(dalign=dict(predict_channels=0)), 'must be at least 1'),
])
def test_bad_settings_are_refused(settings, expected):
    with pytest.raises(ValueError, match=expected):
        MSTNeck(CHANNELS, **settings)


@pytest.mark.parametrize(('levels', 'channels', 'expected'), [
    ((2, ), CHANNELS, r'levels is \(2,\), but the detector has 2 maps'),
    ((1, -1), CHANNELS, r'levels is \(1, -1\)'),
    (None, 4, 'channels is 4, but the detector gives maps of 8 channels'),
])
def test_maps_that_do_not_fit_are_refused(levels, channels, expected):
    [record] = clip(0, levels=2)
    neck = MSTNeck(channels, attention=dict(num_heads=2), levels=levels)
    with pytest.raises(ValueError, match=expected):
        neck.encode(record, None)


@torch.no_grad()
def test_queries_change_the_references_alone():
    records = clip(0, 1, 2)
    for record in records:  # double precision: pair by pair, sums have another order
        record.maps = tuple(level.double() for level in record.maps)
    settings = dict(dalign=dict(predict_channels=4, apply_channels=4), attention=dict(num_heads=2))
    every, key = neck_of(**settings).double(), neck_of(**settings, queries='key').double()
    steps = [neck.enhance(records[1], {'local': records}, None) for neck in (every, key)]
    assert torch.equal(steps[0].maps[0], steps[1].maps[0])
    enhanced, aligned = (torch.cat([maps[0] for maps in step.references()['local']])
                         for step in steps)
    expected = every.dalign(records[1].maps[0], torch.cat([r.maps[0] for r in records]))
    torch.testing.assert_close(aligned[[0, 2]], expected[[0, 2]])
    projected = every.attention.project(expected)
    torch.testing.assert_close(enhanced, every.attention(expected, projected))


@torch.no_grad()
def test_portions_of_frames_are_aligned_as_all_at_once(monkeypatch):
    neck = neck_of(dalign=dict(predict_channels=4, apply_channels=4)).double()
    records = clip(0, 1, 2, 3, 4)
    for record in records:
        record.maps = tuple(level.double() for level in record.maps)
        record.extras = neck.encode(record, None)
    calls, forward = [], neck.dalign.forward
    monkeypatch.setattr(neck.dalign, 'forward', lambda key, supports, *args: (
        calls.append(len(supports)), forward(key, supports, *args))[1])
    found = []
    for portion in (mst_neck.PORTION, 2 * records[0].maps[0].numel() + 1, 1):
        monkeypatch.setattr(mst_neck, 'PORTION', portion)
        found.append(neck.align(records[2], records)[0])
    assert calls == [5, 2, 2, 1, 1, 1, 1, 1, 1]
    torch.testing.assert_close(found[1], found[0])
    torch.testing.assert_close(found[2], found[0])


@torch.no_grad()
def test_flow_moves_the_other_frames_alone():
    neck = neck_of(motion=dict(type='FlowNetSimple', base_channels=2))
    records = clip(0, 1)
    for record in records:
        record.extras = neck.encode(record, 255 * torch.rand(1, 3, 80, 96))
    step = neck.enhance(records[0], {'local': records}, None)
    first, second = (maps[0] for maps in step.references()['local'])
    assert torch.equal(step.maps[0], records[0].maps[0])
    assert torch.equal(first, step.maps[0])
    assert not torch.equal(second, records[1].maps[0])


@torch.no_grad()
@pytest.mark.parametrize(('stride', 'seen'), [(1, 5), (2, 3), (3, 1)])
def test_the_frame_level_may_look_at_every_nth_frame(stride, seen):
    neck = neck_of(attention=dict(num_heads=2), frame_stride=stride)
    records = clip(2, 3, 4, 5, 6)
    step = neck.enhance(records[2], {'local': records}, None)
    chosen = [record.maps[0] for record in records if (record.frame_id - 4) % stride == 0]
    assert len(chosen) == seen
    projected = neck.attention.project(torch.cat(chosen))
    torch.testing.assert_close(step.maps[0], neck.attention(records[2].maps[0], projected))
    every = torch.cat([record.maps[0] for record in records])
    found = torch.cat([maps[0] for maps in step.references()['local']])
    torch.testing.assert_close(found, neck.attention(every, projected))


@torch.no_grad()
def test_a_frame_that_is_named_several_times_counts_once():
    neck = neck_of(dalign=dict(predict_channels=4, apply_channels=4), attention=dict(num_heads=2))
    records = clip(0, 1)
    once = neck.enhance(records[0], {'local': records}, None)
    often = neck.enhance(records[0], {'local': [records[0]] * 3 + records[1:] * 2}, None)
    assert torch.equal(once.maps[0], often.maps[0])
    assert len(often.references()['local']) == 5


@torch.no_grad()
@pytest.mark.parametrize('settings', [
    dict(attention=dict(num_heads=2)),
    dict(dalign=dict(predict_channels=4, apply_channels=4)),
    dict(dalign=dict(predict_channels=1, apply_channels=1))], ids=['attention', 'wide', 'kept'])
def test_other_levels_and_padding_stay_out(settings):
    """What was computed of maps with padding, if the neck is frozen in training, is not used."""
    neck = neck_of(**settings, levels=(0, ))
    records = clip(0, 1, levels=2)
    expected = neck.enhance(records[0], {'local': records}, None)
    assert expected.maps[1] is records[0].maps[1]
    for record in records:  # as in a batch with a larger clip
        record.sample.set_metainfo(dict(pad_shape=(5 * 16, 6 * 16), batch_input_shape=(112, 128)))
        record.maps = tuple(torch.nn.functional.pad(level, (0, 2, 0, 2), value=9.0)
                            for level in record.maps)
        record.extras = neck.encode(record, None)
        assert record.extras
    step = neck.enhance(records[0], {'local': records}, None)
    torch.testing.assert_close(step.maps[0][..., :5, :6], expected.maps[0])
    assert step.maps[0][..., 5:, :].abs().sum() == 0
    assert step.maps[0].shape == records[0].maps[0].shape


# Layers ------------------------------------------------------------------------------------------


def multiplied_first(maps, offsets, weight):
    return sum_of_taps(tap_maps(maps, weight), offsets)


@pytest.mark.parametrize('size', [(1, 1), (2, 5), (3, 3), (7, 5)])
@pytest.mark.parametrize(('operation', 'groups'), [
    (sampled_conv, 1), (sampled_conv, 2), (multiplied_first, 1)])
def test_all_deformable_convolutions_are_the_same_function(size, operation, groups):
    generator = torch.Generator()
    shapes = (3, 4, *size), (3, 18 * groups, *size), (6, 4, 3, 3)
    results = []
    for function in (mmcv_conv, operation):
        generator.manual_seed(0)
        inputs = [torch.randn(shape, generator=generator).double() for shape in shapes]
        inputs[1] *= 2  # far outside of the map, too
        out = function(*(part.requires_grad_() for part in inputs))
        results.append([out, *torch.autograd.grad(out.square().sum(), inputs)])
    torch.testing.assert_close(results[0], results[1], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(('channels', 'groups', 'expected'), [
    (3, 1, 'tap_maps'), (4, 1, 'sampled_conv'), (3, 2, 'sampled_conv')])
def test_narrow_layers_are_multiplied_before_they_sample(channels, groups, expected, monkeypatch):
    called = []
    for name in ('tap_maps', 'sampled_conv', 'mmcv_conv'):
        function = getattr(dalign, name)
        monkeypatch.setattr(dalign, name, lambda *args, name=name, function=function: (
            called.append(name), function(*args))[1])
    maps, offsets = torch.randn(2, 4, 5, 6), torch.randn(2, 18 * groups, 5, 6)
    weight = torch.randn(channels, 4, 3, 3)
    found = deform_conv(maps, offsets, weight)
    assert called == [expected]
    torch.testing.assert_close(found, mmcv_conv(maps, offsets, weight), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(('settings', 'kept'), [
    (dict(), (True, True)), (dict(relu_between=True), (True, True)),
    (dict(predict_channels=3), (False, True)), (dict(apply_channels=18), (True, False)),
    (dict(predict_channels=20, apply_channels=20), (False, False)),
    (dict(simple=True), (False, False))], ids=str)
def test_kept_taps_give_what_the_layers_give(settings, kept):
    torch.manual_seed(0)
    channels = 18
    align = DAlign(channels, **{'predict_channels': 2, 'apply_channels': 1, **settings}).double()
    assert (align.keeps_predict, align.keeps_apply) == kept
    for parameter in align.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    key, supports = (torch.randn(n, channels, 5, 6).double() for n in (1, 3))
    between = torch.relu if align.relu_between else torch.nn.Identity()
    pairs = torch.cat([key.expand_as(supports), supports], dim=1)
    theta = align.first_offsets(pairs)
    if not align.simple:
        hidden = between(mmcv_conv(pairs, theta, align.first_predict))
        theta = mmcv_conv(hidden, align.second_offsets(hidden), align.second_predict)
    expected = mmcv_conv(supports, theta, align.first_apply)
    if not align.simple:
        expected = mmcv_conv(between(expected), theta, align.second_apply)
    found = align(key, supports)
    torch.testing.assert_close(found, expected)
    given = align.project_key(key), align.project(supports)
    torch.testing.assert_close(align(key, supports, *given), expected)
    weights = [*align.parameters()]
    torch.testing.assert_close(*(torch.autograd.grad(out.square().sum(), weights)
                                 for out in (found, expected)))


@pytest.mark.parametrize('size', [(1, 1), (2, 5)])
def test_maps_smaller_than_the_kernel(size):
    maps, weight = torch.randn(2, 4, *size), torch.randn(5, 4, 3, 3)
    still = deform_conv(maps, torch.zeros(2, 18, *size), weight)
    expected = torch.nn.functional.conv2d(maps, weight, padding=1)
    torch.testing.assert_close(still, expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize('dtype', [
    torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize('autocast', [False, True])
def test_products_are_made_and_sampled_in_single_precision(dtype, autocast):
    """Weights may be of another type than maps and offsets."""
    maps, offsets, weight = (torch.randn(shape) for shape in (
        (2, 18, 5, 6), (2, 18, 5, 6), (2, 18, 3, 3)))
    maps, offsets = maps.to(dtype), 3 * offsets.to(dtype)
    exact = mmcv_conv(*(part.double() for part in (maps, offsets, weight)))
    with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
        taps = tap_maps(maps, weight)
        found = sum_of_taps(taps, offsets)
        rounded = deform_conv(maps, offsets, weight)
    assert taps.dtype == found.dtype == torch.promote_types(dtype, torch.float32)
    torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=1e-4)
    assert torch.equal(rounded, found.to(dtype))


@torch.no_grad()
@pytest.mark.parametrize('autocast', [False, True])
def test_places_of_half_precision_maps_are_not_rounded(autocast, monkeypatch):
    """With bfloat16 maps the sum of both frames' first offsets stays in single precision."""
    torch.manual_seed(0)
    align, reference = DAlign(18, 2, 2), DAlign(18, 2, 2)
    for parameter in align.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    reference.load_state_dict(align.state_dict())
    maps = torch.randn(3, 18, 5, 6).bfloat16()
    expected = reference.double()(maps[:1].double(), maps.double())
    align, places, sample = align if autocast else align.bfloat16(), [], dalign.sum_of_taps
    monkeypatch.setattr(dalign, 'sum_of_taps', lambda taps, offsets: (
        places.append(offsets), sample(taps, offsets))[1])
    with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
        found = align(maps[:1], maps)
    assert places[0].dtype == torch.float32
    assert found.dtype == torch.bfloat16
    assert (found.double() - expected).abs().max() < 0.05 * expected.abs().max()


@torch.no_grad()
@pytest.mark.parametrize('settings', [dict(apply_channels=8), dict(simple=True)], ids=str)
def test_alignment_without_a_bottleneck_starts_as_the_identity(settings):
    align = DAlign(CHANNELS, 4, **settings)
    key, support = torch.randn(1, CHANNELS, 5, 6), torch.randn(3, CHANNELS, 5, 6)
    torch.testing.assert_close(align(key, support), support, rtol=1e-4, atol=1e-4)


def test_alignment_has_nearly_the_parameters_of_the_paper():
    """Table IV: 1.956 M; no other width of both pairs is nearer."""
    with torch.device('meta'):
        counts = {width: sum(p.numel() for p in DAlign(1024, width, width).parameters())
                  for width in (42, 43, 44, 45)}
    assert counts[44] == sum(p.numel() for p in DAlign(1024).parameters())
    assert min(counts, key=lambda width: abs(counts[width] - 1.956e6)) == 44
    assert abs(counts[44] - 1.956e6) < 0.01 * 1.956e6


class Largest(TorchDispatchMode):
    """Number of elements of the largest tensor that any operation makes."""

    def __init__(self):
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        found = [x.numel() for x in tree_leaves(out) if isinstance(x, torch.Tensor)]
        self.numel = max([self.numel, *found])
        return out


@pytest.mark.parametrize('queries', [1, 4])
@pytest.mark.parametrize('training', [False, True])
def test_the_matrix_of_all_pairs_is_never_held(queries, training):
    attention = FrameAttention(CHANNELS, 2)
    maps = torch.randn(4, CHANNELS, 20, 20, requires_grad=training)
    cells = 4 * 20 * 20
    with Largest() as largest, torch.set_grad_enabled(training):
        out = attention(maps[:queries], attention.project(maps))
        if training:
            out.sum().backward()
    assert largest.numel <= 4 * cells * CHANNELS < cells * queries * 400


@torch.no_grad()
def test_reduced_keys_are_means_of_squares():
    attention = FrameAttention(CHANNELS, 2, reduction=2)
    maps = torch.randn(1, CHANNELS, 3, 4)
    keys = attention.project(maps)
    assert keys.shape == (1, 2 * CHANNELS, 2, 2)
    last = attention.value(maps[..., 2:, 2:].mean((2, 3), keepdim=True))  # the last row is single
    torch.testing.assert_close(keys[:, CHANNELS:, 1:, 1:], last)


@torch.no_grad()
def test_weights_are_those_of_the_attention():
    attention = FrameAttention(CHANNELS, 2)
    torch.nn.init.normal_(attention.query.weight)
    maps = torch.randn(3, CHANNELS, 4, 5)
    projected = attention.project(maps)
    one = FrameAttention(CHANNELS, 1)
    one.load_state_dict(attention.state_dict())
    weights = one.weights(maps[1, :, 2, 3][None], projected)
    assert weights.shape == (1, 3, 4, 5)
    added = (weights[0][:, None] * projected[:, CHANNELS:]).sum((0, 2, 3))
    torch.testing.assert_close(one(maps[1:2], projected)[0, :, 2, 3], maps[1, :, 2, 3] + added)
    several = attention.weights(torch.randn(2, CHANNELS), projected)
    torch.testing.assert_close(several.sum((1, 2, 3)), torch.ones(2))
