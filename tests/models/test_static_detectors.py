"""R-FCN and VGG-16 Fast R-CNN as detectors: plain mmdet, and inside ``VideoDetector``."""

import copy

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from mmengine.structures import InstanceData

from mmvod_plugins.models import VGG16, VGGBBoxHead, VGGNeck
from tests.datasets.tiny_vid import make_tiny_vid

from .test_video_detector import assert_same, plain_detector
from .tiny import batch, detect, numbers, training_batch, video
from .tiny_static import static_config, static_model

NAMES = ['rfcn_r50', 'rfcn_r50-ohem', 'rfcn_r50-align', 'rfcn_r50-proposals', 'fast-rcnn_vgg16']


def config_of(name):
    """A tiny config; the word after ``rfcn_r50`` changes it as the shipped variant does."""
    variant = name.removeprefix('rfcn_r50-')
    config = static_config(name if variant == name else 'rfcn_r50')
    if variant == 'ohem':
        config.detector.train_cfg.rcnn.sampler.type = 'OHEMSampler'
    elif variant == 'align':
        config.detector.roi_head.bbox_roi_extractor.type = 'PSRoIAlign'
    elif variant == 'proposals':
        config.detector.rpn_head = None
    return config


def needs_proposals(config):
    return not config.detector.get('rpn_head')


def some_proposals(frame_id, count=9):
    generator = torch.Generator().manual_seed(frame_id)
    corner = 50 * torch.rand(count, 2, generator=generator)
    boxes = torch.cat([corner, corner + 10 + 25 * torch.rand(count, 2, generator=generator)], 1)
    near = torch.tensor([[9.0 + frame_id, 9.0, 41.0 + frame_id, 45.0]])
    return InstanceData(bboxes=torch.cat([near, boxes.clamp(max=63)]), scores=torch.ones(count + 1))


def with_proposals(data, config):
    """A batch whose frames carry proposals where the model has no RPN."""
    for clip in data['data_samples'] if needs_proposals(config) else []:
        for sample in clip:
            sample.proposals = some_proposals(sample.frame_id)
    return data


def losses_of(model, data):
    return model(**model.data_preprocessor(copy.deepcopy(data), True), mode='loss')


@torch.no_grad()
@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('same_sums', [True, False], ids=['bit for bit', 'to rounding'])
def test_detections_equal_stock_mmdet(name, same_sums):
    config = config_of(name)
    model = static_model(config)
    plain = plain_detector(model, config, same_sums=same_sums)
    frames, found = video(3), []
    for t in range(3):
        data = with_proposals(batch(frames, [t]), config)
        found += [result[0] for result in model.test_step(data)]
        sample = data['data_samples'][0][0]
        expected = plain.test_step(dict(inputs=[frames[t]], data_samples=[sample]))
        assert_same(expected, found[-1:], **({} if same_sums else dict(rtol=1e-4, atol=1e-3)))
    assert max(len(sample.pred_instances) for sample in found) > 3


@pytest.mark.parametrize('name', NAMES)
def test_losses_equal_stock_mmdet(name):
    config = config_of(name)
    model = static_model(config).train()
    plain = plain_detector(model, config).train()
    data = with_proposals(training_batch(video(3), 1, {}, copies=2), config)
    torch.manual_seed(3)
    losses = losses_of(model, data)
    flat = dict(inputs=[clip[0] for clip in data['inputs']],
                data_samples=[clip[0] for clip in data['data_samples']])
    torch.manual_seed(3)
    expected = losses_of(plain, flat)
    assert set(losses) == set(expected) >= {'loss_cls', 'loss_bbox'}
    for key, value in expected.items():
        torch.testing.assert_close(losses[key], value, rtol=0, atol=0)


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=[] if name == 'rfcn_r50-ohem' else [pytest.mark.slow])
    for name in NAMES])
def test_fifty_iterations_overfit_a_frame(name):
    config = config_of(name)
    torch.manual_seed(0)
    model = MODELS.build(config)
    model.init_weights()
    optimizer = build_optim_wrapper(model.train(), dict(
        type='OptimWrapper', optimizer=dict(type='SGD', lr=0.02, momentum=0.9),
        clip_grad=dict(max_norm=5)))
    data = with_proposals(training_batch(video(2), 1, {}, copies=2), config)
    curve = [float(model.train_step(copy.deepcopy(data), optimizer)['loss'].detach())
             for _ in range(50)]
    assert sum(curve[-5:]) < 0.5 * sum(curve[:5])


@pytest.mark.parametrize(('name', 'dtype'), [
    ('rfcn_r50-proposals', torch.float16), ('rfcn_r50-proposals', torch.bfloat16),
    ('fast-rcnn_vgg16', torch.float16)])  # mmcv's roi_align has no bfloat16, its CPU NMS no half
def test_mixed_precision(name, dtype):
    config = config_of(name)
    config.detector.train_cfg.rcnn.sampler.type = 'OHEMSampler'
    model = static_model(config)
    with torch.autocast('cpu', dtype):
        [found] = model.test_step(with_proposals(batch(video(1), [0]), config))
        data = with_proposals(training_batch(video(3), 1, {}), config)
        total, _ = model.parse_losses(losses_of(model.train(), data))
    total.backward()
    assert torch.isfinite(total)
    assert len(found[0].pred_instances)
    assert torch.isfinite(numbers([found[0]])[0]).all()


def test_another_backbone_with_maps_of_two_strides():
    config = config_of('rfcn_r50')
    config.detector.backbone = ConfigDict(
        type='SwinTransformer', embed_dims=8, depths=[2, 2, 2, 2], num_heads=[1, 2, 4, 8],
        window_size=4, out_indices=(2, 3), convert_weights=False)
    config.detector.roi_head.bbox_roi_extractor.featmap_stride = 32
    model = static_model(config).train()
    total, _ = model.parse_losses(losses_of(model, training_batch(video(2), 1, {})))
    total.backward()
    assert torch.isfinite(total)
    assert all(len(sample.pred_instances) for sample in detect(model.eval(), video(2)))


def test_boxes_for_each_class_start_from_a_class_agnostic_detector():
    """The second stage of the shipped class-specific config."""
    config = config_of('rfcn_r50')
    first = static_model(config)
    config.detector.roi_head.bbox_head.update(reg_class_agnostic=False, reg_background=False)
    second = static_model(config, seed=1)
    with pytest.warns(UserWarning, match=r'keep their initial weights.*fc_reg.weight'):
        second.load_state_dict(first.state_dict(), strict=False)
    differ = [key for key, value in first.state_dict().items()
              if not torch.equal(value, second.state_dict()[key])]
    assert differ == [f'detector.roi_head.bbox_head.fc_reg.{part}' for part in ('weight', 'bias')]


# Proposals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize('name', ['rfcn_r50-proposals', 'fast-rcnn_vgg16'])
def test_a_frame_without_proposals_is_named(name):
    config = config_of(name)
    model = static_model(config).train()
    with pytest.raises(ValueError, match=r'no proposals for frame1.jpg'):
        losses_of(model, training_batch(video(3), 1, {}))
    with pytest.raises(ValueError, match=r'no proposals for frame0.jpg: the detector has'):
        detect(model.eval(), video(1))


@pytest.mark.parametrize('name', ['rfcn_r50-proposals', 'fast-rcnn_vgg16'])
def test_an_empty_list_of_proposals_detects_nothing_and_trains(name):
    config = config_of(name)
    model = static_model(config)
    data = with_proposals(batch(video(2), [0, 1]), config)
    sample = data['data_samples'][0][0]
    sample.proposals = sample.proposals[:0]
    counts = [len(result[0].pred_instances) for result in model.test_step(data)]
    assert counts[0] == 0 < counts[1]
    data = with_proposals(training_batch(video(3), 1, {}, copies=2), config)
    data['data_samples'][0][0].proposals = data['data_samples'][0][0].proposals[:0]
    total, _ = model.parse_losses(losses_of(model.train(), data))
    total.backward()
    assert torch.isfinite(total)


@torch.no_grad()
def test_given_proposals_take_the_place_of_those_of_the_rpn():
    config = config_of('rfcn_r50')
    model = static_model(config)
    calls = []
    model.detector.rpn_head.register_forward_hook(lambda *_: calls.append(1))
    data = batch(video(3), [0])
    data['data_samples'][0][0].proposals = some_proposals(0)
    assert len(model.test_step(data)[0][0].pred_instances)
    assert calls == []


def test_proposals_stay_as_they_are():
    config = config_of('rfcn_r50-proposals')
    model = static_model(config).train()
    data = with_proposals(training_batch(video(3), 1, {}), config)
    before = some_proposals(1)
    processed = model.data_preprocessor(data, True)
    model(**processed, mode='loss')
    after = processed['data_samples'][0][0].proposals
    assert torch.equal(after.bboxes, before.bboxes)


@torch.no_grad()
@pytest.mark.parametrize('name', ['rfcn_r50-proposals', 'rfcn_r50-align', 'fast-rcnn_vgg16'])
def test_proposals_outside_of_the_image_are_no_error(name):
    model = static_model(config_of(name))
    data = batch(video(3), [0])
    data['data_samples'][0][0].proposals = InstanceData(
        bboxes=torch.tensor([[-80.0, -60, -20, -10], [90, 60, 300, 200], [200, 200, 260, 280],
                             [30, 30, 30, 30]]), scores=torch.ones(4))
    [found] = model.test_step(data)
    assert len(found[0].pred_instances)
    assert torch.isfinite(numbers([found[0]])[0]).all()
    assert (found[0].pred_instances.bboxes >= 0).all()


@torch.no_grad()
def test_everything_of_every_proposal():
    """What linking asks for works on position-sensitive heads, too."""
    config = config_of('rfcn_r50')
    config.detections = dict(nms=False, class_scores=True)
    found = detect(static_model(config), video(2))
    rows = found[0].pred_instances
    assert rows.class_scores.shape == (len(rows), 4)
    assert torch.equal(rows.class_scores.gather(1, rows.labels[:, None])[:, 0], rows.scores)


# Plain mmdet -------------------------------------------------------------------------------------


def plain_settings(path, work_dir):
    """A stock config of R-FCN for still images: no part of it knows of videos."""
    config = config_of('rfcn_r50-ohem')
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='Resize', scale=(96, 64), keep_ratio=True),
        dict(type='PackDetInputs'),
    ]
    dataset = dict(type='CocoDataset', ann_file=str(path), data_prefix=dict(img=str(path.parent)),
                   metainfo=dict(classes=[f'class_{i}' for i in range(4)]), pipeline=pipeline,
                   filter_cfg=dict(min_size=1))
    test = dict(batch_size=2, num_workers=0, dataset=dict(dataset, test_mode=True),
                sampler=dict(type='DefaultSampler', shuffle=False))
    metric = dict(type='CocoMetric', ann_file=str(path), metric='bbox')
    detector = config.detector
    detector.data_preprocessor = ConfigDict(config.data_preprocessor, type='DetDataPreprocessor',
                                            pad_size_divisor=16)
    return Config(dict(
        default_scope='mmdet', model=detector, work_dir=str(work_dir),
        train_dataloader=dict(batch_size=2, num_workers=0, dataset=dataset,
                              sampler=dict(type='InfiniteSampler')),
        val_dataloader=test, test_dataloader=test, val_evaluator=metric, test_evaluator=metric,
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=3, val_interval=3),
        val_cfg=dict(type='ValLoop'), test_cfg=dict(type='TestLoop'),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.001)),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3)),
        log_processor=dict(type='LogProcessor', by_epoch=False), log_level='ERROR',
        experiment_name=work_dir.name))


def test_the_stock_runner_trains_and_tests_a_plain_detector(tmp_path):
    path = make_tiny_vid(tmp_path, lengths=(4, ), num_classes=4)
    runner = Runner.from_cfg(plain_settings(path, tmp_path / 'work'))
    runner.train()
    assert (tmp_path / 'work' / 'iter_3.pth').is_file()
    assert 'coco/bbox_mAP_50' in runner.test()


# VGG-16 ------------------------------------------------------------------------------------------


def vgg_file(path, widths=(4, 8, 16, 32, 32), classifier=True):
    """A checkpoint with the names of torchvision's VGG-16, narrow."""
    counts, indices = (2, 2, 3, 3, 3), []
    position = 0
    for count in counts:
        indices.append([position + 2 * i for i in range(count)])
        position += 2 * count + 1
    assert indices[-1] == [24, 26, 28]
    weights, channels = {}, 3
    for stage, width in zip(indices, widths, strict=True):
        for index in stage:
            weights[f'features.{index}.weight'] = torch.randn(width, channels, 3, 3)
            weights[f'features.{index}.bias'] = torch.randn(width)
            channels = width
    if classifier:
        for index, size in ((0, 32 * 49), (3, 16), (6, 16)):
            weights[f'classifier.{index}.weight'] = torch.randn(16, size)
            weights[f'classifier.{index}.bias'] = torch.randn(16)
    torch.save(weights, path)
    return weights, dict(type='Pretrained', checkpoint=str(path))


@pytest.mark.parametrize('classifier', [True, False])
def test_imagenet_weights_reach_conv5_3_and_the_fully_connected_layers(tmp_path, classifier):
    weights, init_cfg = vgg_file(tmp_path / 'vgg16.pth', classifier=classifier)
    backbone = VGG16(base_channels=4, init_cfg=init_cfg)
    neck = VGGNeck(32, 32, init_cfg=init_cfg)
    head = VGGBBoxHead(32, 16, num_classes=4, roi_feat_size=7, init_cfg=init_cfg)
    for part in (backbone, neck, head):
        part.init_weights()
    own = backbone.state_dict()
    assert {*own, 'features.28.weight', 'features.28.bias'} == {
        key for key in weights if key.startswith('features')}
    assert all(torch.equal(value, weights[key]) for key, value in own.items())
    assert torch.equal(neck.last_conv.conv.weight, weights['features.28.weight'])
    assert torch.equal(neck.last_conv.conv.bias, weights['features.28.bias'])
    first, second = head.shared_fcs
    if classifier:
        assert torch.equal(first.weight, weights['classifier.0.weight'])
        assert torch.equal(second.weight, weights['classifier.3.weight'])
    assert 0.001 < head.fc_cls.weight.std() < 0.1


def test_own_checkpoints_are_loaded_as_they_are():
    config = config_of('fast-rcnn_vgg16')
    first, second = static_model(config), static_model(config, seed=1)
    second.load_state_dict(first.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(
        first.parameters(), second.parameters(), strict=True))


def test_vgg_is_frozen_up_to_a_stage_and_ends_before_conv5_3():
    backbone = VGG16(frozen_stages=2, base_channels=4)
    learning = [name for name, p in backbone.named_parameters() if p.requires_grad]
    assert learning[0] == 'features.10.weight'  # conv3_1
    [feat] = backbone(torch.zeros(1, 3, 60, 90))
    assert feat.shape == (1, 32, 4, 6)  # rounded up
    [same] = VGGNeck(32, 32, last_conv=False)((feat, ))
    assert same is feat


def test_dropout_acts_in_training_alone():
    head = VGGBBoxHead(8, 16, num_classes=4, roi_feat_size=7)
    x = torch.randn(3, 8, 7, 7)
    assert torch.equal(head.eval()(x)[0], head(x)[0])
    head.train()
    torch.manual_seed(0)
    assert not torch.equal(head(x)[0], head(x)[0])
