"""Mixed precision: what a step computes without graph takes no gradient from what follows."""

import pytest
import torch
from mmcv.ops import RoIAlign
from mmcv.ops.nms import ext_module
from mmdet.registry import MODELS

from mmvod_plugins.models.layers import RelationModule
from mmvod_plugins.utils.precision import no_grad_and_uncached

from .flow_models import KINDS, flow_model
from .scenarios.detectors import detector_of, video_model
from .tiny import detect, selsa_config, tiny_config, tiny_model, training_batch, video

BILATERAL = dict(type='LocalWindow', radius=2, num_samples=2, bilateral=True)
ROLES = {
    'mega': dict(local=[2, 1, 3], memory=[0, 1, 2], global_=[4, 5]),
    'rdn': dict(local=[2, 1, 3]),
    'selsa': dict(local=[1, 3]),
    'selsa-troialign': dict(local=[1, 3]),
    'fgfa-conv4': dict(local=[1, 3]),
    'fgfa-fpn': dict(local=[1, 3]),
    'fgfa-atss': dict(local=[1, 3]),
    'dff-conv4': dict(local=[1]),
    'dff-dc5': dict(local=[1]),
}


@pytest.fixture(autouse=True)
def _operators_of_the_gpu(monkeypatch):
    """mmcv's operators know half precision on a GPU alone: on a CPU they get single precision."""
    nms, align = ext_module.nms, RoIAlign.forward
    monkeypatch.setattr(ext_module, 'nms', lambda boxes, scores, **settings: nms(
        boxes.float(), scores.float(), **settings))
    monkeypatch.setattr(RoIAlign, 'forward', lambda self, feats, rois: align(
        self, feats.float(), rois.float()).to(feats.dtype))


def model_of(method):
    if method in KINDS:
        return flow_model(method).train()
    if not method.startswith('selsa'):
        return tiny_model(method, **({'references': dict(
            type='LocalWindow', radius=2, num_samples=2, sample_key=True)} if method == 'rdn' else
            {})).train()
    config = selsa_config(method)
    config.references = BILATERAL
    torch.manual_seed(0)
    model = MODELS.build(config)
    model.init_weights()
    return model.train()


def gradients(method, enabled):
    """Norms of the gradients of one step."""
    model = model_of(method)
    roles = {role.rstrip('_'): ids for role, ids in ROLES[method].items()}
    batch = model.data_preprocessor(training_batch(video(6), 2, roles), training=True)
    torch.manual_seed(1)  # of the samplers
    with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
        loss, _ = model.parse_losses(model(**batch, mode='loss'))
    loss.backward()
    return {name: parameter.grad.norm().item() for name, parameter in model.named_parameters()
            if parameter.grad is not None}


@pytest.mark.parametrize('method', ROLES)
def test_every_parameter_with_a_gradient_has_one_under_autocast(method):
    exact, half = gradients(method, enabled=False), gradients(method, enabled=True)
    with_gradient = {name for name, norm in exact.items() if norm > 1e-6 * max(exact.values())}
    assert len(with_gradient) > 20
    assert {name for name in with_gradient if not half.get(name)} == set()


def test_what_autocast_keeps_is_forgotten_after_every_step_without_gradients(monkeypatch):
    """Older versions of torch would use it again, and lose gradients."""
    calls = []
    monkeypatch.setattr(torch, 'clear_autocast_cache',
                        lambda: calls.append(torch.is_grad_enabled()))
    gradients('mega', enabled=False)
    # proposals of references with gradient, frames without, the memory; the end of autocast
    assert calls == [True] * 4
    calls.clear()
    with torch.no_grad(), no_grad_and_uncached():
        pass
    assert calls == []


@torch.no_grad()
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_locations_of_half_precision_boxes_are_computed_exactly(dtype):
    module = RelationModule(16, 4)
    torch.nn.init.constant_(module.location.bias, 0.5)
    boxes = (torch.rand(9, 4) * 100 + torch.tensor([0, 0, 200, 200])).to(dtype)
    exact = module.location_bias(boxes.float(), boxes.float())
    assert torch.equal(module.location_bias(boxes, boxes), exact)
    with torch.enable_grad():
        training = module.location_bias(boxes, boxes)
    torch.testing.assert_close(training.exp(), exact.exp(), rtol=0, atol=1e-4)


@pytest.mark.parametrize('name', ['faster-rcnn', 'retinanet', 'yolox'])
@torch.no_grad()
def test_boxes_are_not_rounded_to_half_precision(name):
    """In bfloat16 mmdet's anchors are even numbers from 256 on, in this frame multiples of 2."""
    model = video_model(tiny_config('single').detector if name == 'faster-rcnn'
                        else detector_of(name))
    frames = video(1, shape=(64, 448))
    with torch.autocast('cpu', torch.bfloat16):
        [sample] = detect(model, frames)
    found = sample.pred_instances
    assert found.bboxes.dtype == found.scores.dtype == torch.float32
    right = found.bboxes[found.bboxes[:, 2] > 256, 2]
    assert len(right)
    assert (right != right.bfloat16().float()).any()


@torch.no_grad()
def test_detections_of_a_transformer_are_single_precision():
    """An array of numpy has no bfloat16: nothing could be evaluated."""
    with torch.autocast('cpu', torch.bfloat16):
        [sample] = detect(video_model(detector_of('deformable_detr')), video(1))
    assert sample.pred_instances.bboxes.dtype == torch.float32
    assert sample.pred_instances.scores.dtype == torch.float32
