"""FGFA's neck by its laws: identity, multiplicities, the key frame, embeddings."""

from dataclasses import replace

import pytest
import torch

from mmvod_plugins.models import FGFANeck
from mmvod_plugins.models.necks import fgfa_neck
from mmvod_plugins.models.necks.fgfa_neck import along, direction

from ..records import record_of
from ..tiny import sample_of

MOTION = dict(type='FlowNetSimple', base_channels=2)


def neck_of(*, still=False, **options):
    torch.manual_seed(0)
    neck = FGFANeck(4, MOTION, embed_layers=[(6, 3)], **options)
    for name, parameter in neck.named_parameters():
        torch.nn.init.normal_(parameter, std=0.2)
        if still and 'predict_flow.' in name:
            torch.nn.init.zeros_(parameter)
    return neck.double().eval()


def record(neck, frame_id, sizes=((8, 12), )):
    generator = torch.Generator().manual_seed(frame_id)
    feats = tuple(torch.randn(1, 4, *size, generator=generator).double() for size in sizes)
    image = 60 * torch.randn(1, 3, 64, 96, generator=generator).double() + 110
    frame = record_of(sample_of(frame_id, 9, (60, 90)), feats)
    frame.extras.update(neck.encode(frame, image))
    return frame


def run(neck, key, frames):
    return neck(key, {'local': frames}, None).maps


@torch.no_grad()
@pytest.mark.parametrize('embed', ['before', 'after'])
def test_copies_of_the_key_in_a_still_world_are_the_key(embed):
    neck = neck_of(still=True, embed=embed)
    key = record(neck, 0)
    copies = [record(neck, 0) for _ in range(3)]
    torch.testing.assert_close(run(neck, key, [key, *copies])[0], key.maps[0])


@torch.no_grad()
@pytest.mark.parametrize('warp_key', ['none', 'copies', 'all'])
@pytest.mark.parametrize('embed', ['before', 'after'])
def test_a_frame_named_twice_counts_twice(embed, warp_key):
    """Multiplicities are the logarithms of counts, and the order of references is no matter."""
    neck = neck_of(embed=embed, warp_key=warp_key)
    key, first, second = (record(neck, i) for i in range(3))
    again = record_of(first.sample, first.maps, **first.extras)
    short = run(neck, key, [first, key, second, first])[0]
    torch.testing.assert_close(run(neck, key, [again, second, first, key])[0], short)


@torch.no_grad()
def test_it_is_a_mean_with_softmax_weights_of_cosines():
    neck = neck_of(still=True)
    key, *others = frames = [record(neck, i) for i in range(4)]
    embedded = [neck.embed_convs(frame.maps[0]) for frame in frames]
    cosines = torch.stack([torch.cosine_similarity(embedded[0], e, dim=1) for e in embedded])
    expected = sum(weight * frame.maps[0]
                   for weight, frame in zip(cosines.softmax(0), frames, strict=True))
    torch.testing.assert_close(run(neck, key, [*others, key])[0], expected)


@pytest.mark.parametrize('warp_key', ['none', 'copies', 'all'])
@pytest.mark.parametrize('embed', ['before', 'after'])
@pytest.mark.parametrize('still', [False, True])
@pytest.mark.parametrize('at_once', [1, 2, 3])
def test_portions_of_frames_give_what_all_frames_at_once_do(embed, warp_key, still, at_once,
                                                            monkeypatch):
    """Testing on a CPU against the plain form, which gradients need; nothing handed in changes."""
    monkeypatch.setattr(fgfa_neck, 'PORTION', at_once * 4 * 8 * 12)
    neck, calls = neck_of(embed=embed, warp_key=warp_key, still=still), []
    key, first, second = frames = [record(neck, i, ((8, 12), (4, 6))) for i in range(3)]
    before = [part.clone() for frame in frames for part in (*frame.maps, *frame.extras.get(
        'embedding', ()))]
    plain = run(neck, key, [first, key, second, first, key])
    warp = neck._warp_and_embed
    monkeypatch.setattr(neck, '_warp_and_embed', lambda frames, *args: (
        calls.append(len(frames)), warp(frames, *args))[1])
    with torch.no_grad():
        fast = run(neck, key, [first, key, second, first, key])
    count = 2 if warp_key == 'none' else 3  # the lower level's maps are a quarter as large
    assert calls[-1] == count
    assert calls[:-1] == {1: [1] * count, 2: [2] * (count // 2) + [1] * (count % 2), 3: [count]}[
        at_once]
    for ours, theirs in zip(fast, plain, strict=True):
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-12, atol=1e-12)
    after = [part for frame in frames for part in (*frame.maps, *frame.extras.get(
        'embedding', ()))]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@torch.no_grad()
def test_the_ways_to_take_the_key_frame():
    """With one copy 'none' and 'copies' agree; with several, and warped, they differ."""
    necks = {way: neck_of(warp_key=way) for way in ('none', 'copies', 'all')}
    key, other = (record(necks['all'], i) for i in (0, 1))

    def by_way(frames):
        return {way: run(neck, key, frames)[0] for way, neck in necks.items()}

    once, thrice = by_way([key, other]), by_way([key, key, other, key])
    assert torch.equal(once['none'], once['copies'])
    assert not torch.allclose(once['none'], once['all'])
    assert not torch.allclose(thrice['none'], thrice['copies'])
    alone = run(necks['none'], key, [key, key])[0]
    assert torch.equal(alone, key.maps[0])


@torch.no_grad()
def test_training_warps_every_reference():
    neck = neck_of(warp_key='none').train()
    key = record(neck, 0)
    assert not torch.allclose(run(neck, key, [key, key])[0], key.maps[0])


@torch.no_grad()
def test_levels_share_one_flow():
    """A pyramid; its last level is smaller than a cell of the flow network."""
    neck = neck_of()
    sizes = ((16, 24), (8, 12), (1, 1))
    key, other = (record(neck, i, sizes) for i in (0, 1))
    calls = []
    neck.motion.register_forward_hook(lambda *_: calls.append(1))
    feats = run(neck, key, [other, key])
    assert [level.shape[-2:] for level in feats] == [torch.Size(size) for size in sizes]
    assert len(calls) == 1
    # every level alone gives the same
    for level, size in enumerate(sizes):
        alone = [record_of(r.sample, (r.maps[level], ), **r.extras) for r in (key, other)]
        assert alone[0].maps[0].shape[-2:] == torch.Size(size)
        torch.testing.assert_close(run(neck, alone[0], [alone[1], alone[0]])[0], feats[level])


@pytest.mark.parametrize('embed', ['before', 'after'])
def test_a_frame_is_embedded_once_where_embeddings_are_warped(embed):
    neck = neck_of(embed=embed)
    calls = []
    neck.embed_convs.register_forward_hook(lambda *_: calls.append(1))
    frames = [record(neck, i) for i in range(4)]
    for key in frames:
        run(neck, key, frames)
    assert len(calls) == (4 if embed == 'before' else 8)  # all references at once, and the key


def test_training_may_embed_another_way_than_testing():
    neck = neck_of(embed='before', train_embed='after')
    assert 'embedding' in record(neck, 0).extras
    assert 'embedding' not in record(neck.train(), 0).extras


@torch.no_grad()
def test_maps_of_zeros_have_no_direction():
    neck = neck_of()
    neck.embed_convs[0].conv.bias.zero_()
    key, other = (record(neck, i) for i in (0, 1))
    key.maps[0].zero_()
    assert torch.isfinite(run(neck, key, [key, other])[0]).all()
    assert torch.equal(along(torch.zeros(2, 3, 1, 1), direction(torch.zeros(1, 3, 1, 1))),
                       torch.zeros(2, 1, 1, 1))


def test_maps_of_another_width_are_refused():
    neck = neck_of()
    key = record(neck, 0)
    key.maps = (torch.zeros(1, 5, 8, 12), )
    with pytest.raises(ValueError, match='channels is 4, but the detector gives maps of 5'):
        run(neck, key, [key])


@torch.no_grad()
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_maps(dtype):
    """Compared at one flow: the flow network's own rounding is that of the processor's kernels."""
    neck = neck_of()
    neck.motion.predict_flow.conv.weight.mul_(0.1)  # to a cell or so
    key, other = (record(neck, i) for i in (0, 1))
    neck.float()
    for part in (key, other):
        part.extras['flow_input'] = part.extras['flow_input'].float()
        part.maps = (part.maps[0].float(), )
    motions = []
    hook = neck.motion.register_forward_hook(lambda _, __, out: motions.append(out))
    with torch.autocast('cpu', dtype):
        found = run(neck, key, [key, other])[0]
    hook.remove()
    flow = motions[0].flow.float()
    neck.motion.register_forward_hook(lambda *_: replace(motions[0], flow=flow))
    expected = run(neck, key, [key, other])[0]
    maps = torch.cat([key.maps[0], other.maps[0]])
    cells = flow.abs().max() * maps.shape[-1] / flow.shape[-1]
    step = max(maps.diff(dim=dim).abs().max() for dim in (2, 3))
    # A rounding is eps / 2. The flow is rounded when it is resized and scaled. An embedding sums
    # K = 36 products, in half precision on some processors: off by sqrt(K) + 2 roundings, so a
    # cosine by twice as much, and the larger of two softmax weights by a quarter of that.
    limit = torch.finfo(dtype).eps * (cells * step + 2 * (maps.max() - maps.min()))
    assert (found - expected).abs().max() <= limit


@pytest.mark.parametrize(('options', 'says'), [
    (dict(embed='during'), "'before' or 'after'"),
    (dict(warp_key='some'), "'none', 'copies' or 'all'"),
    (dict(embed_layers=[]), 'at least one'),
    (dict(embed_layers=[(8, 2)]), 'odd kernel size'),
    (dict(grid='nearest'), r"one of .*'exact'"),
])
def test_wrong_options_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        FGFANeck(4, MOTION, **options)
