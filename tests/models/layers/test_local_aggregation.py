"""The transformer blocks of YOLOV++'s ablation; recorded numbers are in tests/parity."""

import pytest
import torch

from mmvod_plugins.models.layers import LocalAggregation

CHANNELS = 16
OPTIONS = [dict(), dict(overlap=True), dict(joint=False, location=True)]
every_option = pytest.mark.parametrize('options', OPTIONS, ids=str)


def build(**options):
    torch.manual_seed(0)
    return LocalAggregation(CHANNELS, **options)


def objects(num=7):
    generator = torch.Generator().manual_seed(1)
    corners = torch.rand(num, 2, generator=generator) * 50
    return (torch.randn(num, CHANNELS, generator=generator),
            torch.randn(num, CHANNELS, generator=generator),
            torch.cat([corners, corners + 20], 1))


@every_option
def test_objects_have_no_order_unless_the_heads_are_mixed_as_published(options):
    order = torch.randperm(7, generator=torch.Generator().manual_seed(2))
    for module, same in ((build(**options), True), (build(mixed_heads=True), False)):
        found, moved = module(*objects()), module(*(x[order] for x in objects()))
        assert torch.allclose(found[0][order], moved[0], atol=1e-5) is same


def test_an_object_that_overlaps_none_looks_at_itself_alone():
    module, (x_cls, x_reg, boxes) = build(overlap=True), objects()
    boxes[3] += 500
    boxes[5] = boxes[5, :2].repeat(2)  # no area: overlaps nothing, not even itself
    found = module(x_cls, x_reg, boxes)
    for row in (3, 5):
        alone = module(x_cls[[row]], x_reg[[row]], boxes[[row]])
        for ours, expected in zip(found, alone, strict=True):
            torch.testing.assert_close(ours[[row]], expected)
    assert not torch.allclose(found[0], build()(x_cls, x_reg, boxes)[0])


@every_option
def test_every_weight_learns_in_every_block_and_no_object_is_no_error(options):
    module = build(num_blocks=2, **options)
    sum(x.square().sum() for x in module(*objects())).backward()
    assert [name for name, weight in module.named_parameters()
            if weight.grad is None or not weight.grad.any()] == []
    assert [x.shape for x in module(*(x[:0] for x in objects()))] == [(0, CHANNELS)] * 2


def test_only_the_class_embeddings_change_without_joint():
    x_cls, x_reg, boxes = objects()
    found = build(joint=False)(x_cls, x_reg, boxes)
    assert torch.equal(found[1], x_reg)
    assert not torch.allclose(found[0], x_cls)


def test_location_is_the_same_with_and_without_gradients():
    module = build(location=True)
    with torch.no_grad():
        fast = module(*objects())
    for plain, other in zip(module(*objects()), fast, strict=True):
        torch.testing.assert_close(plain, other, rtol=1e-4, atol=1e-4)


def test_heads_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match='5 heads do not divide 16 channels'):
        LocalAggregation(CHANNELS, 5)
