"""Clips of different image sizes in one training batch, and training without references."""

import copy

import pytest
import torch

from mmvod_plugins.models.aggregators import Aggregated
from mmvod_plugins.models.layers.padding import without_padding

from ..tiny import WINDOW, tiny_model, training_batch, video
from .test_selsa import model_of

METHODS = {
    'mega': lambda references: tiny_model('mega', references),
    'rdn': lambda references: tiny_model('rdn', references),
    'selsa': lambda references: model_of('selsa', references),
    'selsa-troialign': lambda references: model_of('selsa-troialign', references),
}


def losses_of(model, data):
    torch.manual_seed(1)
    return model(**model.data_preprocessor(copy.deepcopy(data), True), mode='loss')


@pytest.mark.parametrize('method', METHODS)
def test_clips_of_two_sizes_train_together(method):
    model = METHODS[method](WINDOW).train()
    total, _ = model.parse_losses(losses_of(model, clips_of((64, 96), (96, 80))))
    total.backward()
    assert torch.isfinite(total)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def clips_of(*shapes):
    """A training batch of one clip for each size."""
    clips = [training_batch(video(5, shape=shape), 2, {'local': [2, 1, 3]}) for shape in shapes]
    return dict(inputs=[clip['inputs'][0] for clip in clips],
                data_samples=[clip['data_samples'][0] for clip in clips])


def aligned(model, data):
    """What Temporal RoI Align is given and returns for the first clip of a batch."""
    seen = []
    handle = model.adapter.head.temporal_roi_align.register_forward_hook(
        lambda _, inputs, out: seen.append((*inputs, out)))
    losses_of(model, data)
    handle.remove()
    return seen[0]


def test_similar_cells_are_not_looked_for_in_the_padding_of_a_batch():
    model = METHODS['selsa-troialign'](WINDOW).train()
    _, alone, _ = aligned(model, clips_of((64, 96)))
    feats, maps, out = aligned(model, clips_of((64, 96), (96, 128)))
    assert maps.shape == alone.shape == (3, 16, 4, 6)

    # Whatever stands in the padding: the frames' own cells of a single clip give the same result.
    def spoil(_, __, levels):
        return tuple(torch.cat([
            torch.cat([level[..., :4, :6], 1e3 + level[..., :4, 6:]], 3),
            1e3 + level[..., 4:, :]], 2) for level in levels)

    handle = model.detector.neck.register_forward_hook(spoil)
    _, spoilt, _ = aligned(model, clips_of((64, 96), (96, 128)))
    handle.remove()
    assert torch.equal(spoilt, maps)
    torch.testing.assert_close(model.adapter.head.temporal_roi_align(feats, maps.clone()), out)


@pytest.mark.parametrize(('own', 'whole', 'expected'), [
    ((64, 96), (64, 96), [(16, 24), (8, 12), (4, 6)]),
    ((64, 96), (96, 128), [(16, 24), (8, 12), (4, 6)]),
    ((48, 80), (96, 128), [(12, 20), (6, 10), (3, 5)]),
    ((40, 72), (96, 128), [(10, 18), (5, 9), (3, 5)]),
    (None, None, [(24, 32), (12, 16), (6, 8)]),
])
def test_maps_are_cropped_to_the_frame_s_own_cells(own, whole, expected):
    size = whole or (96, 128)
    maps = tuple(torch.rand(1, 2, size[0] // stride, size[1] // stride) for stride in (4, 8, 16))
    meta = dict(pad_shape=own, batch_input_shape=whole) if own else {}
    found = without_padding(maps, meta)
    assert [tuple(level.shape[2:]) for level in found] == expected
    for level, part in zip(maps, found, strict=True):
        assert torch.equal(level[..., :part.shape[2], :part.shape[3]], part)


@pytest.mark.parametrize('method', ['mega', 'rdn'])
def test_without_references_the_order_of_the_sampler_says_nothing(method, monkeypatch):
    """Positives come first in a sample; the references of the key frame come in any order."""
    model = METHODS[method](None).train()
    seen = []

    def look(key, roles, _):
        seen.append((key, roles))
        return Aggregated(key.feats)
    monkeypatch.setattr(model.adapter.head.aggregator, 'forward', look)
    losses_of(model, training_batch(video(3), 1, {}))
    (key, roles), = seen
    reference, = roles['local']
    assert not torch.equal(reference.boxes, key.boxes)
    assert sorted(reference.boxes.tolist()) == sorted(key.boxes.tolist())
