"""Backbones that compute activations again in the backward pass (``with_cp``), for long clips."""

import numpy as np
import pytest
import torch
from torch.utils import checkpoint

from tests.models.tiny import tiny_model, training_batch, video


def gradients(model, data):
    model.zero_grad()
    torch.manual_seed(0)  # the sampling of proposals
    losses = model(**model.data_preprocessor(data, True), mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters()
            if weight.grad is not None}


def test_gradients_are_those_of_the_plain_backbone(monkeypatch):
    model = tiny_model().train()
    data = training_batch(video(10), 5, model.policy.sample(5, 10, np.random.default_rng(0)))
    plain = gradients(model, data)
    calls = []
    original = checkpoint.checkpoint
    monkeypatch.setattr('mmdet.models.backbones.resnet.cp.checkpoint',
                        lambda *args, **kwargs: calls.append(1) or original(
                            *args, **{'use_reentrant': False, **kwargs}))
    for module in model.detector.backbone.modules():
        if hasattr(module, 'with_cp'):
            module.with_cp = True
    again = gradients(model, data)
    assert calls
    assert plain.keys() == again.keys()
    assert any('backbone' in name for name in plain)
    for name, value in plain.items():
        assert again[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name
