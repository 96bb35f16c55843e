"""MatchTrans: what it recovers, its borders, its precision, its gradient, its cost."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmvod_plugins.models.layers import MatchTrans, neighbourhood, transformation_coefficients

both = pytest.mark.parametrize('affinity', ['cosine', 'dot'])


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def one_hot(height, width):
    """A feature map (1, HW, H, W) whose cells are like no other cell."""
    return torch.eye(height * width).view(1, -1, height, width)


def shifted(x, dy, dx):
    """The map moved down and to the right, zeros behind it."""
    return torch.roll(x, (dy, dx), (-2, -1)) * inside(x, dy, dx)


def inside(x, dy, dx):
    """Cells (H, W) that have a content after a shift."""
    height, width = x.shape[-2:]
    rows, columns = torch.arange(height) - dy, torch.arange(width) - dx
    return (((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))).float()


@both
@pytest.mark.parametrize('radius', [1, 2])
def test_every_shift_up_to_the_radius_is_recovered_exactly(affinity, radius):
    previous, memory = one_hot(6, 7), random(1, 3, 6, 7)
    align = MatchTrans(radius, affinity)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            aligned = align(shifted(previous, dy, dx), previous, memory)
            seen = inside(memory, dy, dx).bool()
            torch.testing.assert_close(aligned[..., seen], shifted(memory, dy, dx)[..., seen],
                                       rtol=0, atol=0)
            assert torch.equal(aligned[..., ~seen], memory[..., ~seen])


def test_a_larger_shift_is_not_seen():
    previous, memory = one_hot(6, 7), random(1, 3, 6, 7)
    assert torch.equal(MatchTrans(2)(shifted(previous, 0, 3), previous, memory), memory)


@both
def test_coefficients_are_those_of_all_pairs_of_cells(affinity):
    """The plain form: every pair, then a mask of the neighbourhood."""
    current, previous = random(2, 4, 5, 6), random(2, 4, 5, 6, seed=1)
    memory = random(2, 3, 5, 6, seed=2)
    if affinity == 'cosine':
        cells = [x / (x.norm(dim=1, keepdim=True) + 1e-8) for x in (current, previous)]
    else:
        cells = [current, previous]
    pairs = torch.einsum('ncx,ncy->nxy', *(x.flatten(2) for x in cells))
    y, x = (part.flatten() for part in torch.meshgrid(torch.arange(5), torch.arange(6),
                                                      indexing='ij'))
    near = ((y[:, None] - y).abs() <= 2) & ((x[:, None] - x).abs() <= 2)
    weights = pairs * near
    weights = weights / weights.sum(-1, keepdim=True)
    expected = torch.einsum('nxy,ncy->ncx', weights, memory.flatten(2)).view_as(memory)
    torch.testing.assert_close(MatchTrans(2, affinity)(current, previous, memory), expected)


@both
@pytest.mark.parametrize('shape', [(1, 1), (1, 3), (2, 2), (4, 3)])
def test_maps_smaller_than_the_neighbourhood(affinity, shape):
    coefficients = transformation_coefficients(
        random(1, 4, *shape) + 0.1, random(1, 4, *shape, seed=1) + 0.1, 2, affinity)
    torch.testing.assert_close(coefficients.sum(1), torch.ones(1, *shape))
    memory = torch.ones(1, 3, *shape)
    aligned = MatchTrans(2, affinity)(random(1, 4, *shape), random(1, 4, *shape, seed=1), memory)
    torch.testing.assert_close(aligned, memory)


@both
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_all_zero_features_keep_the_memory(affinity, dtype):
    feats = torch.zeros(1, 4, 5, 6, dtype=dtype, requires_grad=True)
    memory = random(1, 3, 5, 6).to(dtype).requires_grad_()
    aligned = MatchTrans(2, affinity)(feats, feats, memory)
    assert torch.equal(aligned, memory)
    aligned.sum().backward()
    assert torch.isfinite(feats.grad).all()
    assert torch.equal(memory.grad, torch.ones_like(memory))


@both
@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
def test_half_precision(affinity, dtype, tolerance):
    """Large features too: their products are beyond the range of float16."""
    current, previous = 200 * random(1, 64, 6, 7), 200 * random(1, 64, 6, 7, seed=1)
    memory = random(1, 3, 6, 7, seed=2)
    halves = [x.to(dtype) for x in (current, previous, memory)]
    aligned = MatchTrans(2, affinity)(*halves)
    assert aligned.dtype == dtype
    exact = MatchTrans(2, affinity)(*(x.float() for x in halves))
    torch.testing.assert_close(aligned.float(), exact, rtol=0, atol=tolerance)


@both
def test_the_gradient_is_that_of_the_formula(affinity):
    parts = [(random(1, 3, 3, 4, seed=i) - 0.2).double().requires_grad_() for i in range(3)]
    assert torch.autograd.gradcheck(MatchTrans(1, affinity), parts)


def test_the_gradient_stops_at_the_coefficients_as_in_the_program():
    parts = [random(1, 3, 4, 5, seed=i).requires_grad_() for i in range(3)]
    for detach in (False, True):
        got = torch.autograd.grad(MatchTrans(2, detach=detach)(*parts).square().sum(), parts,
                                  allow_unused=True)
        assert [part is not None for part in got] == [not detach, not detach, True]


class Largest(TorchDispatchMode):
    """Remembers the largest tensor that any operation gives."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.numel = max(self.numel, result.untyped_storage().nbytes() // 4)
        return result


def test_no_tensor_grows_with_the_square_of_the_map():
    sizes = []
    for height in (20, 40):
        with Largest() as largest:
            MatchTrans(2)(*(random(1, 8, height, 30) for _ in range(3)))
        sizes.append(largest.numel)
        assert largest.numel <= 25 * height * 30
    assert sizes[1] <= 2 * sizes[0]


@pytest.mark.parametrize('settings', [dict(radius=-1), dict(affinity='euclid')])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match=r'alignment\.(radius|affinity) must be'):
        MatchTrans(**settings)


def test_channels_in_portions_give_the_same(monkeypatch):
    current, previous = random(3, 7, 5, 6), random(3, 7, 5, 6, seed=1)
    whole = transformation_coefficients(current, previous, 2)
    calls, products = [], neighbourhood._products
    monkeypatch.setattr(neighbourhood, '_products', lambda cells, *others: (
        calls.append(cells.shape[:2]), products(cells, *others))[1])
    monkeypatch.setattr(neighbourhood, 'CHUNK', 3 * 5 * 6)
    torch.testing.assert_close(transformation_coefficients(current, previous, 2), whole)
    assert calls == [(1, 3), (1, 3), (1, 1)] * 3
