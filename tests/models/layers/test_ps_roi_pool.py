"""Position-sensitive pooling against loops over bins and cells."""

import math
import sys

import pytest
import torch

from mmvod_plugins.models import PSRoIAlign, PSRoIPool
from mmvod_plugins.models.layers import ps_roi_align, ps_roi_pool

K, STRIDE = 3, 4
SHAPE = 2, 2 * K * K, 9, 11
#: Inside, at the borders, beyond them, thin, tiny, whole, on halves of pixels, outside.
ROIS = torch.tensor([
    [0, 4.0, 5.0, 21.0, 30.0], [1, 0.0, 0.0, 43.0, 35.0], [1, -9.0, -7.0, 12.0, 14.0],
    [0, 30.0, 20.0, 60.0, 50.0], [0, 10.0, 3.0, 10.0, 33.0], [1, 17.2, 11.9, 18.1, 12.0],
    [0, 2.5, 3.5, 20.5, 21.5], [1, -8.5, -0.5, 7.5, 6.5], [0, 80.0, 70.0, 99.0, 95.0],
    [1, -50.0, -40.0, -20.0, -20.0]])


def random_maps(dtype=torch.double, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(SHAPE, generator=generator, dtype=torch.double).to(dtype)


def away_from_zero(x):
    return math.floor(abs(x) + 0.5) * (1 if x >= 0 else -1)


def loop_pool(maps, rois, k, stride):
    """R-FCN's ``psroi_pooling_layer.cu``, line by line."""
    height, width = maps.shape[2:]
    out = maps.new_zeros(len(rois), maps.shape[1] // k**2, k, k)
    for n, (b, *box) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (away_from_zero(v) for v in box)
        start = x1 / stride, y1 / stride
        size = (max((x2 + 1) / stride - start[0], 0.1), max((y2 + 1) / stride - start[1], 0.1))
        for i in range(k):
            for j in range(k):
                top, bottom = (min(max(v, 0), height) for v in (
                    math.floor(i * size[1] / k + start[1]),
                    math.ceil((i + 1) * size[1] / k + start[1])))
                left, right = (min(max(v, 0), width) for v in (
                    math.floor(j * size[0] / k + start[0]),
                    math.ceil((j + 1) * size[0] / k + start[0])))
                if bottom > top and right > left:
                    for c in range(out.shape[1]):
                        cells = maps[int(b), (c * k + i) * k + j, top:bottom, left:right]
                        out[n, c, i, j] = cells.mean()
    return out


def sample(plane, y, x):
    """Bilinear value at cell coordinates, as roi_align defines it at and beyond the borders."""
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return plane.new_zeros(())
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    dy, dx = y - y0, x - x0
    return ((1 - dy) * ((1 - dx) * plane[y0, x0] + dx * plane[y0, x1])
            + dy * ((1 - dx) * plane[y1, x0] + dx * plane[y1, x1]))


def loop_align(maps, rois, k, stride, samples):
    out = maps.new_zeros(len(rois), maps.shape[1] // k**2, k, k)
    for n, (b, *box) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (v / stride for v in box)
        step = (x2 - x1) / k, (y2 - y1) / k
        for i in range(k):
            for j in range(k):
                for c in range(out.shape[1]):
                    plane = maps[int(b), (c * k + i) * k + j]
                    out[n, c, i, j] = sum(
                        sample(plane, y1 + (i + (s + 0.5) / samples) * step[1] - 0.5,
                               x1 + (j + (t + 0.5) / samples) * step[0] - 0.5)
                        for s in range(samples) for t in range(samples)) / samples**2
    return out


def both(kind, maps, rois):
    """Value and gradient of the fast form and of the loop."""
    forms = {
        'pool': (lambda m: ps_roi_pool(m, rois, K, 1 / STRIDE),
                 lambda m: loop_pool(m, rois, K, STRIDE)),
        'align': (lambda m: ps_roi_align(m, rois, K, 1 / STRIDE, 2),
                  lambda m: loop_align(m, rois, K, STRIDE, 2)),
    }[kind]
    results = []
    for form in forms:
        leaf = maps.clone().requires_grad_()
        value = form(leaf)
        weights = torch.randn(value.shape, generator=torch.Generator().manual_seed(1),
                              dtype=value.dtype)
        [grad] = torch.autograd.grad((value * weights).sum(), leaf)
        results.append((value.detach(), grad))
    return results


@pytest.mark.parametrize('kind', ['pool', 'align'])
def test_value_and_gradient_are_those_of_the_loop(kind):
    fast, loop = both(kind, random_maps(), ROIS.double())
    torch.testing.assert_close(fast, loop, rtol=1e-12, atol=1e-12)
    assert torch.equal(fast[0][-2:], torch.zeros_like(fast[0][-2:]))  # outside of the map
    assert (fast[0][:8].abs().amax((1, 2, 3)) > 0).all()


@pytest.mark.parametrize('kind', ['pool', 'align'])
def test_gradcheck(kind):
    function = dict(pool=ps_roi_pool, align=ps_roi_align)[kind]
    maps = random_maps()[:, :4, :4, :5].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda m: function(m, ROIS[:3].double() / 2, 2, 1 / STRIDE), (maps, ))


@pytest.mark.parametrize('kind', ['pool', 'align'])
def test_random_rois_of_large_maps(kind):
    generator = torch.Generator().manual_seed(2)
    corner = 50 * torch.rand(40, 2, generator=generator) - 5
    size = 40 * torch.rand(40, 2, generator=generator)
    rois = torch.cat([torch.randint(0, 2, (40, 1), generator=generator).float(), corner,
                      corner + size], 1).double()
    fast, loop = both(kind, random_maps(seed=3), rois)
    torch.testing.assert_close(fast, loop, rtol=1e-11, atol=1e-11)


def test_a_roi_on_whole_cells_is_pooled_alike():
    """The published form counts x2 as part of the RoI: 0 to 23 are six cells of four pixels."""
    maps = random_maps()
    pooled = ps_roi_pool(maps, torch.tensor([[0, 0, 0, 23, 23.0]]).double(), K, 1 / STRIDE)
    aligned = ps_roi_align(maps, torch.tensor([[0, 0, 0, 24, 24.0]]).double(), K, 1 / STRIDE, 2)
    torch.testing.assert_close(pooled, aligned, rtol=1e-12, atol=1e-12)
    expected = maps[0, 4, 2:4, 2:4].mean()  # channel 0, bin (1, 1)
    torch.testing.assert_close(pooled[0, 0, 1, 1], expected)


@pytest.mark.parametrize('layer', [PSRoIPool(K, STRIDE), PSRoIAlign(K, STRIDE)], ids=repr)
def test_constant_groups_tell_the_bin(layer):
    """A map whose channel (c, i, j) has the value 100 c + 10 i + j everywhere."""
    c, i, j = torch.meshgrid(torch.arange(2), torch.arange(K), torch.arange(K), indexing='ij')
    values = (100 * c + 10 * i + j).flatten().float()
    maps = values[None, :, None, None].expand(1, -1, 9, 11)
    pooled = layer(maps, torch.tensor([[0, 8.0, 8.0, 30.0, 30.0]]))
    torch.testing.assert_close(pooled[0], values.view(2, K, K))


@pytest.mark.parametrize('layer', [PSRoIPool(K, STRIDE), PSRoIAlign(K, STRIDE)], ids=repr)
@pytest.mark.parametrize('dtype', [torch.half, torch.bfloat16])
def test_half_precision_maps_count_images_and_pixels_exactly(layer, dtype):
    """With 300 images of nine groups, indices above 2,048 have to stay what they are."""
    maps = torch.zeros(300, K * K, 4, 4, dtype=dtype)
    maps[299, 7] = 2.0
    rois = torch.tensor([[298, 1.0, 1.0, 14.0, 14.0], [299, 1.0, 1.0, 14.0, 14.0]])
    pooled = layer(maps, rois)
    assert pooled.dtype == dtype
    expected = torch.zeros(2, 1, K, K)
    expected[1, 0, 2, 1] = 2
    torch.testing.assert_close(pooled.float(), expected)


@pytest.mark.parametrize('layer', [PSRoIPool(K, STRIDE), PSRoIAlign(K, STRIDE)], ids=repr)
def test_no_rois(layer, monkeypatch):
    """No kernel is launched, but the maps stay in the graph."""
    monkeypatch.setattr(sys.modules[ps_roi_pool.__module__], 'roi_align', None)
    maps = random_maps(torch.float).requires_grad_()
    pooled = layer(maps, torch.zeros(0, 5))
    assert pooled.shape == (0, 2, K, K)
    pooled.sum().backward()
    assert torch.equal(maps.grad, torch.zeros_like(maps))


def test_boxes_that_are_turned_around_are_no_error():
    rois = torch.tensor([[0, 20.0, 20.0, 8.0, 8.0]])
    for layer in (PSRoIPool(K, STRIDE), PSRoIAlign(K, STRIDE), PSRoIAlign(K, STRIDE, 0)):
        assert torch.isfinite(layer(random_maps(torch.float), rois)).all()


def test_channels_that_do_not_fit_the_grid_are_named():
    with pytest.raises(ValueError, match='multiple of 49 channels, got 18'):
        PSRoIPool(7, STRIDE)(random_maps(torch.float), ROIS)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('layer', [PSRoIPool(K, STRIDE), PSRoIAlign(K, STRIDE)], ids=repr)
def test_a_gpu_gives_the_same(layer):
    maps = random_maps(torch.float)
    torch.testing.assert_close(
        layer(maps.cuda(), ROIS.cuda()).cpu(), layer(maps, ROIS), rtol=1e-5, atol=1e-5)
