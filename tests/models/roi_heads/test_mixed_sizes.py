"""Clips of different image sizes in one training batch, and training without references."""

import copy

import pytest
import torch

from mmvod_plugins.models.roi_heads.aggregator import Aggregated

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
    clips = [training_batch(video(5, shape=shape), 2, {'local': [2, 1, 3]})
             for shape in ((64, 96), (96, 80))]
    data = dict(inputs=[clip['inputs'][0] for clip in clips],
                data_samples=[clip['data_samples'][0] for clip in clips])
    total, _ = model.parse_losses(losses_of(model, data))
    total.backward()
    assert torch.isfinite(total)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize('method', ['mega', 'rdn'])
def test_without_references_the_order_of_the_sampler_says_nothing(method, monkeypatch):
    """Positives come first in a sample; the references of the key frame come in any order."""
    model = METHODS[method](None).train()
    seen = []

    def look(key, roles, _):
        seen.append((key, roles))
        return Aggregated(key.feats)
    monkeypatch.setattr(model.roi_head.aggregator, 'forward', look)
    losses_of(model, training_batch(video(3), 1, {}))
    (key, roles), = seen
    reference, = roles['local']
    assert not torch.equal(reference.boxes, key.boxes)
    assert sorted(reference.boxes.tolist()) == sorted(key.boxes.tolist())
