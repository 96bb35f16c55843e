"""Objects that no detector should give, and some do: every aggregator stays finite."""

import pytest
import torch
from mmdet.registry import MODELS

from mmvod_plugins.structures import ObjectFeatures

from ..test_contract import CHANNELS, SETTINGS, WIDER
from ..test_contract import build as build_class

AGGREGATORS = [name for name in SETTINGS if name.endswith('Aggregator')]


def build(name):
    return build_class(MODELS.get(name))


def identical(frame_id, number=6):
    """The same box with the same embedding, several times."""
    feats = torch.linspace(-1, 1, CHANNELS).double().repeat(number, 1)
    return ObjectFeatures(torch.tensor([[5.0, 5, 25, 30]]).double().repeat(number, 1), feats,
                          torch.full((number, ), 0.5), torch.full((number, ), frame_id))


def without_area(frame_id, number=4):
    """Boxes of width and height 0."""
    objects = identical(frame_id, number)
    boxes = objects.boxes.clone()
    boxes[:, 2:] = boxes[:, :2]
    return ObjectFeatures(boxes, objects.feats, objects.scores, objects.frame_ids)


def roles_of(part, make):
    return {role: [make(frame_id) for frame_id in range(3)]
            for role in part.needs.roles - part.needs.detached_roles}


@pytest.mark.parametrize('name', AGGREGATORS)
@pytest.mark.parametrize('make', [identical, without_area], ids=['identical', 'without area'])
def test_identical_and_empty_boxes_stay_finite(name, make):
    part = build(name)
    key = make(1)
    key.feats.requires_grad_()
    out = part(key, roles_of(part, make), part.init_memory()).feats
    assert torch.isfinite(out).all()
    torch.testing.assert_close(out, out[:1].expand_as(out))  # equal objects remain equal
    out.square().sum().backward()
    assert torch.isfinite(key.feats.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in part.parameters() if p.grad is not None)


@pytest.mark.parametrize('name', AGGREGATORS)
def test_frames_with_few_or_no_objects_are_used_as_far_as_they_go(name):
    part = build(name)
    roles = roles_of(part, identical)
    for frames in roles.values():
        frames[0] = frames[0][:0]
        frames[1] = frames[1][:1]
    assert torch.isfinite(part(identical(1), roles, part.init_memory()).feats).all()
    width = CHANNELS * WIDER.get(name, 1)
    assert part(identical(1)[:0], roles, part.init_memory()).feats.shape == (0, width)


@pytest.mark.parametrize('name', AGGREGATORS)
def test_empty_roles_beside_the_key_frame_change_nothing(name):
    part = build(name)
    key = identical(1)
    nothing = part(key, part.needs.alone(key), part.init_memory()).feats
    assert torch.isfinite(nothing).all()
    empty = {role: [] for role in part.needs.roles - part.needs.detached_roles}
    references = {**empty, **part.needs.alone(key)}
    torch.testing.assert_close(part(key, references, part.init_memory()).feats, nothing)
