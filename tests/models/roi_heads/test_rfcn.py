"""The parts of R-FCN: neck, maps, voting, OHEM."""

import copy

import pytest
import torch
from mmdet.models.task_modules.samplers import OHEMSampler
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox2roi
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from mmvod_plugins.models import RFCNBBoxHead, RFCNNeck, RFCNRoIHead
from tests.models.layers.test_ps_roi_pool import loop_pool
from tests.models.tiny import sample_of
from tests.models.tiny_static import static_config

CLASSES, GRID = 4, 3


def head_of(sampler='RandomSampler', num=8, reduction=True, seed=0, **bbox_head):
    """An RFCNRoIHead on maps of 6 channels and stride 4, with weights that make scores differ."""
    train_cfg = ConfigDict(static_config().detector.train_cfg.rcnn)
    train_cfg.sampler.update(type=sampler, num=num)
    torch.manual_seed(seed)
    head = RFCNRoIHead(
        bbox_roi_extractor=dict(type='PSRoIPool', grid_size=GRID, featmap_stride=4),
        bbox_head=dict(type='RFCNBBoxHead', in_channels=8 if reduction else 6,
                       num_classes=CLASSES, grid_size=GRID, **bbox_head),
        in_channels=6, reduction=reduction, train_cfg=train_cfg,
        test_cfg=ConfigDict(score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5),
                            max_per_img=20))
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return head


def inputs(batch=2, count=12, seed=0):
    """Maps of two levels, proposals and samples of some images of 64 x 96 pixels."""
    generator = torch.Generator().manual_seed(seed)
    maps = (torch.zeros(batch, 1, 16, 24), torch.randn(batch, 6, 16, 24, generator=generator))
    proposals = []
    for _ in range(batch):
        corner = torch.rand(count, 2, generator=generator) * torch.tensor([60.0, 30.0])
        size = 8 + 30 * torch.rand(count, 2, generator=generator)
        proposals.append(InstanceData(bboxes=torch.cat([corner, corner + size], 1),
                                      scores=torch.ones(count)))
    return maps, proposals, [sample_of(t, 9) for t in range(batch)]


def test_voting_averages_the_bins():
    head = RFCNBBoxHead(in_channels=4, num_classes=2, grid_size=2)
    scores = torch.arange(24.0).view(2, 3, 2, 2)
    deltas = torch.arange(32.0).view(2, 4, 2, 2)
    logits, boxes = head(scores, deltas)
    assert logits.tolist() == [[1.5, 5.5, 9.5], [13.5, 17.5, 21.5]]
    assert boxes.tolist() == [[1.5, 5.5, 9.5, 13.5], [17.5, 21.5, 25.5, 29.5]]


def test_the_first_four_of_eight_box_channels_are_the_background_s():
    head = RFCNBBoxHead(in_channels=4, num_classes=2, grid_size=2, reg_background=True)
    deltas = torch.arange(32.0).view(1, 8, 2, 2)
    _, boxes = head(torch.zeros(1, 3, 2, 2), deltas)
    assert boxes.tolist() == [[17.5, 21.5, 25.5, 29.5]]


@pytest.mark.parametrize(('settings', 'channels'), [
    (dict(reg_class_agnostic=True), 4),
    (dict(reg_class_agnostic=True, reg_background=True), 8),
    (dict(reg_class_agnostic=False), 4 * CLASSES)])
def test_channels_of_the_maps(settings, channels):
    head = head_of(**settings)
    scores, boxes = head.position_maps(inputs()[0])
    assert scores.shape == (2, (CLASSES + 1) * GRID**2, 16, 24)
    assert boxes.shape == (2, channels * GRID**2, 16, 24)


def test_boxes_for_each_class_have_no_background():
    with pytest.raises(ValueError, match='reg_background=True belongs to reg_class_agnostic=True'):
        RFCNBBoxHead(reg_class_agnostic=False, reg_background=True)


@torch.no_grad()
@pytest.mark.parametrize('reduction', [True, False])
def test_scores_are_those_computed_by_hand(reduction):
    """Reduction, score map, a loop over bins and cells, mean over the bins."""
    head = head_of(reduction=reduction)
    maps, proposals, _ = inputs()
    rois = bbox2roi([part.bboxes for part in proposals])
    feat = maps[-1]
    if reduction:
        conv = head.reduction.conv
        feat = torch.einsum('oc,bchw->bohw', conv.weight[:, :, 0, 0], feat)
        feat = (feat + conv.bias[:, None, None]).relu()
    fc = head.bbox_head.fc_cls
    scores = torch.einsum('oc,bchw->bohw', fc.weight[:, :, 0, 0], feat) + fc.bias[:, None, None]
    expected = loop_pool(scores, rois, GRID, 4).mean((2, 3))
    found, _ = head(maps, proposals)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('settings', [
    dict(), dict(reg_background=True), dict(reg_class_agnostic=False)],
    ids=['agnostic', 'background', 'specific'])
@pytest.mark.parametrize('sampler', ['RandomSampler', 'OHEMSampler'])
def test_every_weight_and_the_map_get_a_gradient(sampler, settings):
    head = head_of(sampler, **settings).train()
    maps, proposals, samples = inputs()
    maps[-1].requires_grad_()
    sum(value for name, value in head.loss(maps, proposals, samples).items()
        if 'loss' in name).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())
    assert maps[-1].grad.abs().sum() > 0


def test_other_classes_boxes_get_no_gradient():
    head = head_of(reg_class_agnostic=False).train()
    maps, proposals, samples = inputs()
    head.loss(maps, proposals, samples)['loss_bbox'].backward()
    by_class = head.bbox_head.fc_reg.weight.grad.view(CLASSES, -1).abs().sum(1)
    assert (by_class > 0).tolist() == [False, True, False, False]  # ground truth has class 1


@torch.no_grad()
def test_ohem_takes_the_negatives_with_the_largest_loss():
    head = head_of('OHEMSampler', num=6).train()
    assert isinstance(head.bbox_sampler, OHEMSampler)
    maps, proposals, samples = inputs(batch=1, count=30)
    boxes = proposals[0].bboxes.clone()
    background = torch.full((30, ), CLASSES)
    logits, _ = head(maps, proposals)
    losses = torch.nn.functional.cross_entropy(logits, background, reduction='none')
    chosen = []
    head.bbox_head.register_forward_hook(
        lambda _, args, __: chosen.append(len(args[0])))
    sampled = []
    sample = head.bbox_sampler.sample

    def spy(*args, **kwargs):
        sampled.append(sample(*args, **kwargs))
        return sampled[-1]

    head.bbox_sampler.sample = spy
    head.loss(maps, proposals, samples)
    [result] = sampled
    positive = {tuple(box) for box in result.pos_priors.tolist()}
    negatives = [i for i in range(30) if tuple(boxes[i].tolist()) not in positive]
    hardest = sorted(negatives, key=lambda i: -losses[i])[:len(result.neg_priors)]
    assert {tuple(box) for box in result.neg_priors.tolist()} == {
        tuple(boxes[i].tolist()) for i in hardest}
    assert 0 < len(result.neg_priors) < len(negatives)
    assert chosen[-1] == len(result.priors)


@pytest.mark.parametrize('sampler', ['RandomSampler', 'OHEMSampler'])
def test_the_maps_are_computed_once_per_batch(sampler):
    head = head_of(sampler).train()
    calls = []
    head.bbox_head.fc_cls.register_forward_hook(lambda *_: calls.append(1))
    head.loss(*inputs(batch=3, count=30))
    assert calls == [1]


@torch.no_grad()
def test_images_of_a_batch_are_independent():
    head = head_of().eval()
    maps, proposals, samples = inputs()
    together = head.predict(maps, proposals, samples)
    for i, found in enumerate(together):
        [alone] = head.predict(tuple(level[i:i + 1] for level in maps), proposals[i:i + 1],
                               samples[i:i + 1])
        assert len(found) > 3
        torch.testing.assert_close(found.bboxes, alone.bboxes, rtol=1e-5, atol=1e-4)
        torch.testing.assert_close(found.scores, alone.scores, rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize('raw', [False, True])
def test_images_without_proposals_have_no_detections(raw):
    head = head_of().eval()
    maps, proposals, samples = inputs()
    proposals[0] = proposals[0][:0]
    metas = [sample.metainfo for sample in samples]
    config = None if raw else head.test_cfg
    first, second = head.predict_bbox(maps, metas, proposals, config)
    assert len(first) == 0
    assert len(second) > 0
    assert first.scores.dim() == second.scores.dim()


def test_pooling_and_head_need_one_grid():
    settings = copy.deepcopy(static_config().detector.roi_head)
    settings.bbox_roi_extractor.grid_size = 3
    with pytest.raises(ValueError, match=r'grid_size is 3 and bbox_head.grid_size is 7'):
        MODELS.build(settings)


# The neck -----------------------------------------------------------------------------------------


def test_the_neck_hands_conv4_on_and_ends_with_the_replaced_convolution():
    neck = RFCNNeck(in_channels=8, mid_channels=4, out_channels=6)
    assert {'last_conv.conv.weight', 'last_conv.conv.bias'} <= set(neck.state_dict())
    conv4, conv5 = torch.randn(2, 4, 5, 7), torch.randn(2, 8, 5, 7)
    first, last = neck((conv4, conv5))
    assert first is conv4
    assert last.shape == (2, 6, 5, 7)
    assert (last >= 0).all()
    without = RFCNNeck(in_channels=8, mid_channels=4, out_channels=6, last_conv=False)
    own = {key: value for key, value in neck.state_dict().items() if 'last_conv' not in key}
    without.load_state_dict(own)
    torch.testing.assert_close(neck.last_conv(without((conv4, conv5))[1]), last)


def test_the_neck_names_what_it_needs():
    with pytest.raises(ValueError, match=r'out_indices=\(2, 3\)'):
        RFCNNeck()((torch.zeros(1, 2048, 2, 2), ))
