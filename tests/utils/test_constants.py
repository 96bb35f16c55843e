"""Small constants are copied to a device once, and may be part of any graph."""

import torch

from mmvod_plugins.utils.constants import constant


def test_equal_numbers_are_one_tensor():
    like = torch.zeros(2, dtype=torch.float64)
    first = constant([1, 2.5], like)
    assert first.tolist() == [1, 2.5]
    assert first.dtype == torch.float64
    assert constant((1, 2.5), like) is first
    assert constant((1, 2.5), like.float()).dtype == torch.float32


def test_a_constant_of_inference_serves_in_training():
    with torch.inference_mode():
        constant([3.25, 7], torch.zeros(1))
    weight = torch.ones(2, requires_grad=True)
    (weight * constant([3.25, 7], weight)).sum().backward()
    assert weight.grad.tolist() == [3.25, 7]


def test_tracing_leaves_nothing_in_the_cache():
    class Scale(torch.nn.Module):
        def forward(self, x):
            return x * constant([4.125, 2], x)

    traced = torch.export.export(Scale(), (torch.ones(2), ), strict=False)
    assert traced.module()(torch.ones(2)).tolist() == [4.125, 2]
    assert constant([4.125, 2], torch.ones(2)).tolist() == [4.125, 2]
