"""Warping: identity, shifts, borders, gradients, types."""

import pytest
import torch
from torch import Tensor

from mmvod_plugins.models.layers.flow_warp import GRIDS, check_grid, flow_warp, resize_flow


def maps(*shape, seed=0, dtype=torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def flow_of(x, y, height, width, count=1, dtype=torch.float32):
    return torch.tensor([x, y], dtype=dtype).view(1, 2, 1, 1).repeat(count, 1, height, width)


def by_hand(feats, flow):
    """Bilinear sampling in plain loops, clamped to the map."""
    count, _, height, width = feats.shape
    out = torch.empty_like(feats)
    for n in range(count):
        for i in range(height):
            for j in range(width):
                x = min(max(j + float(flow[n, 0, i, j]), 0), width - 1)
                y = min(max(i + float(flow[n, 1, i, j]), 0), height - 1)
                left, top = min(int(x), max(width - 2, 0)), min(int(y), max(height - 2, 0))
                right, low = min(left + 1, width - 1), min(top + 1, height - 1)
                a, b = x - left, y - top
                upper = (1 - a) * feats[n, :, top, left] + a * feats[n, :, top, right]
                lower = (1 - a) * feats[n, :, low, left] + a * feats[n, :, low, right]
                out[n, :, i, j] = (1 - b) * upper + b * lower
    return out


@pytest.mark.parametrize('size', [(38, 63), (7, 5), (1, 9), (1, 1)])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_a_still_world_changes_no_bit(size, dtype):
    feats = maps(2, 4, *size, dtype=dtype)
    warped = flow_warp(feats, torch.zeros(2, 2, *size))
    assert warped.dtype == dtype
    assert torch.equal(warped, feats)


@pytest.mark.parametrize('size', [(6, 9), (5, 1), (1, 1)])
def test_it_is_bilinear_sampling_with_clamped_borders(size):
    feats, flow = maps(2, 3, *size, dtype=torch.float64), 4 * maps(2, 2, *size, seed=1).double()
    torch.testing.assert_close(flow_warp(feats, flow), by_hand(feats, flow), rtol=1e-9, atol=1e-9)


def test_a_shift_looks_where_the_flow_points():
    feats = maps(1, 2, 6, 8)
    warped = flow_warp(feats, flow_of(2, -1, 6, 8))
    torch.testing.assert_close(warped[..., 1:, :-2], feats[..., :-1, 2:])


@pytest.mark.parametrize('grid', GRIDS)
def test_flows_far_outside_give_the_border(grid):
    feats = maps(1, 2, 6, 8)
    for far in (1e4, 1e20):
        warped = flow_warp(feats, flow_of(far, far, 6, 8), grid)
        torch.testing.assert_close(warped, feats[..., -1:, -1:].expand_as(feats))


@pytest.mark.parametrize('grid', GRIDS[1:])
def test_the_published_grids_are_no_identity(grid):
    feats = maps(1, 2, 6, 8)
    assert not torch.allclose(flow_warp(feats, torch.zeros(1, 2, 6, 8), grid), feats, atol=1e-2)


@pytest.mark.parametrize('grid', GRIDS)
def test_a_map_of_one_cell(grid):
    feats = maps(3, 2, 1, 1)
    torch.testing.assert_close(flow_warp(feats, maps(3, 2, 1, 1, seed=1), grid), feats)


@pytest.mark.parametrize('grid', GRIDS)
def test_gradients_are_those_of_the_function(grid):
    feats = maps(1, 2, 4, 5, dtype=torch.float64).requires_grad_()
    flow = (0.3 + 0.2 * maps(1, 2, 4, 5, seed=1, dtype=torch.float64).tanh()).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: flow_warp(x, y, grid), (feats, flow))


def test_a_still_world_can_learn_to_move():
    """Where a flow network starts from: predictions of exactly zero."""
    feats = maps(1, 2, 4, 5).requires_grad_()
    flow = torch.zeros(1, 2, 4, 5, requires_grad=True)
    flow_warp(feats, flow).square().sum().backward()
    assert flow.grad[..., 1:-1, 1:-1].abs().min() > 0
    torch.testing.assert_close(feats.grad, 2 * feats.detach(), rtol=1e-4, atol=1e-4)


def test_a_flow_is_resized_in_the_cells_of_its_grid():
    flow = flow_of(8.0, -4.0, 16, 32)
    torch.testing.assert_close(resize_flow(flow, (4, 4)), flow_of(1.0, -1.0, 4, 4))
    assert resize_flow(flow, (16, 32)) is flow


def test_an_unknown_grid_is_refused():
    with pytest.raises(ValueError, match=r"one of .*'exact'.* got 'sideways'"):
        check_grid('sideways')
