"""RoIAlign on a CPU: mmcv's values and gradients, where it is used, where it is not."""

import itertools

import pytest
import torch
from mmcv.ops import RoIAlign
from torch import nn

from mmvod_plugins.models.layers import roi_align
from mmvod_plugins.models.layers.roi_align import CPURoIAlign, use_cpu_roi_align

SETTINGS = list(itertools.product([-1, 0, 1, 2, 3], [False, True], [(7, 7), (2, 5)], [1 / 4, 1.0]))


def some(batch=2, height=9, width=6, count=40):
    """Maps (B, 3, H, W) and RoIs (N, 5), inside, across and outside of them, large and tiny."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(batch, 3, height, width, generator=generator)
    corner = 20 * torch.randn(count, 2, generator=generator)
    side = 30 * torch.rand(count, 2, generator=generator)**3
    index = torch.randint(batch, (count, 1), generator=generator)
    rois = torch.cat([index, corner, corner + side], 1)
    rois[0, 3:] = rois[0, 1:3]  # no area
    rois[1, 1:] = torch.tensor([0, 0, 4 * width, 4 * height])
    rois[2, 1:] = torch.tensor([-50.0, -50, 70, 90])
    return maps, rois


def is_own(layer, maps, rois, monkeypatch):
    """Whether a layer computes itself, not by mmcv's operation."""
    calls = []
    with monkeypatch.context() as patch:
        patch.setattr(RoIAlign, 'forward', lambda *args: calls.append(args) or args[1])
        layer(maps, rois)
    return not calls


@pytest.mark.parametrize(('ratio', 'aligned', 'size', 'scale'), SETTINGS)
@pytest.mark.parametrize('shape', [(9, 6), (1, 1), (1, 4)])
def test_values_and_gradients_are_those_of_mmcv(ratio, aligned, size, scale, shape, monkeypatch):
    maps, rois = some(height=shape[0], width=shape[1])
    settings = dict(spatial_scale=scale, sampling_ratio=ratio, aligned=aligned)
    layer, plain = CPURoIAlign(size, **settings), RoIAlign(size, **settings)
    assert is_own(layer, maps, rois, monkeypatch)
    gradient = torch.randn(len(rois), 3, *size, generator=torch.Generator().manual_seed(1))
    results = []
    for module in (layer, plain):
        given = maps.clone().requires_grad_()
        pooled = module(given, rois)
        pooled.backward(gradient)
        results.append((pooled.detach(), given.grad))
    (value, grad), (expected, expected_grad) = results
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(grad, expected_grad, rtol=1e-4, atol=1e-4)
    assert value.is_contiguous()


def test_in_double_precision_it_is_the_function():
    maps, rois = (part.double() for part in some())
    for ratio, aligned in itertools.product([0, 2], [False, True]):
        settings = dict(output_size=(7, 7), spatial_scale=0.25, sampling_ratio=ratio,
                        aligned=aligned)
        torch.testing.assert_close(CPURoIAlign(**settings)(maps, rois),
                                   RoIAlign(**settings)(maps, rois), rtol=1e-12, atol=1e-12)


def test_where_it_is_mmcv_s_own(monkeypatch):
    maps, rois = some()
    layer = CPURoIAlign((7, 7), 0.25, 2)
    assert is_own(layer, maps, rois, monkeypatch)
    assert not is_own(layer, maps, rois[:0], monkeypatch)
    assert not is_own(layer, maps[:0], rois[:0], monkeypatch)
    assert not is_own(layer, maps.half(), rois.half(), monkeypatch)
    assert not is_own(layer, maps.bfloat16(), rois, monkeypatch)
    assert not is_own(CPURoIAlign((7, 7), 0.25, 2, 'max'), maps, rois, monkeypatch)
    assert not is_own(CPURoIAlign((7, 7), use_torchvision=True), maps, rois, monkeypatch)
    assert not is_own(layer, maps.to('meta'), rois.to('meta'), monkeypatch)
    large, rois = torch.zeros(1, 3, 50, 60), some(1)[1]
    least = -(-50 * 60 // (49 * roi_align.CELLS_PER_BIN))
    assert is_own(layer, large, rois[:least + 1], monkeypatch)
    assert not is_own(layer, large, rois[:least - 1], monkeypatch)


@pytest.mark.parametrize('aligned', [False, True])
def test_boxes_that_are_no_numbers_are_left_to_mmcv(aligned, monkeypatch):
    maps, rois = some()
    for ratio, value in itertools.product((0, 2), (torch.nan, torch.inf)):
        rois[3, 3:] = value
        layer = CPURoIAlign((7, 7), 0.25, ratio, aligned=aligned)
        assert not is_own(layer, maps, rois, monkeypatch)


def test_boxes_with_swapped_corners_are_mmcv_s_error():
    maps, rois = some()
    rois[3, 1:] = torch.tensor([9.0, 9, 1, 1])
    with pytest.raises(RuntimeError, match='negative'):
        CPURoIAlign((7, 7), 0.25, 2)(maps, rois)


def test_every_layer_of_a_detector_is_replaced_with_its_settings():
    class Detector(nn.Module):

        def __init__(self):
            super().__init__()
            self.heads = nn.ModuleList([nn.Module(), nn.Module()])
            self.heads[0].layers = nn.ModuleList([RoIAlign((7, 5), 0.125, 3, 'max', aligned=False)])
            self.heads[1].layer = CPURoIAlign((3, 3))

    detector = Detector()
    own, expected = detector.heads[1].layer, detector.heads[0].layers[0]
    use_cpu_roi_align(detector)
    found = detector.heads[0].layers[0]
    assert type(found) is CPURoIAlign
    assert repr(found) == repr(expected).replace('RoIAlign', 'CPURoIAlign')
    assert detector.heads[1].layer is own
