"""Detectors as their users have them: stock settings that do not fit videos work, or say why."""

import copy

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.logging import MessageHub

from mmvod_plugins.models import VideoDataPreprocessor, VideoDetector

from ..tiny import detect, tiny_config, training_batch, video
from .detectors import WIDTH, detector_of, video_model
from .test_families import FGFA


def resizing(interval=1):
    return dict(type='BatchSyncRandomResize', random_size_range=(64, 96), size_divisor=32,
                interval=interval)


def test_batch_augmentations_resize_whole_clips():
    config = detector_of('yolox')
    config.data_preprocessor.batch_augments = [resizing()]
    model = video_model(config, **FGFA).train()
    assert isinstance(model.data_preprocessor, VideoDataPreprocessor)
    hub = MessageHub.get_instance('resize')
    hub.update_info('iter', 0)
    data = training_batch(video(6, shape=(64, 64)), 3, {'local': [2, 4]}, copies=2)
    [augment] = model.data_preprocessor.clip_augments
    augment._input_size = (96, 96)
    batch = model.data_preprocessor(copy.deepcopy(data), True)
    assert batch['inputs'].shape == (2, 3, 3, 96, 96)
    for clip, before in zip(batch['data_samples'], data['data_samples'], strict=True):
        for sample, old in zip(clip, before, strict=True):
            assert sample.img_shape == sample.batch_input_shape == (96, 96)
            torch.testing.assert_close(sample.gt_instances.bboxes, old.gt_instances.bboxes * 1.5)
    total, _ = model.parse_losses(model(**batch, mode='loss'))
    total.backward()
    assert torch.isfinite(total)
    # testing is not augmented
    assert len(detect(model.eval(), video(3, shape=(64, 64)))) == 3


def test_frames_that_a_neck_cannot_enlarge_name_the_setting():
    config = detector_of('retinanet')
    config.data_preprocessor.pad_size_divisor = 1
    config.neck = dict(type='YOLOXPAFPN', in_channels=[16, 32, 64], out_channels=WIDTH,
                       num_csp_blocks=1)
    frames = video(2, shape=(50, 70))
    with pytest.raises(ValueError, match=r'50 x 70 pixels .* set pad_size_divisor=32'):
        detect(video_model(config), frames)
    config.data_preprocessor.pad_size_divisor = 32
    assert len(detect(video_model(config), frames)) == 2


def mask_rcnn():
    config = tiny_config('single')
    config.detector.type = 'MaskRCNN'
    config.detector.roi_head.update(
        mask_roi_extractor=config.detector.roi_head.bbox_roi_extractor,
        mask_head=dict(type='FCNMaskHead', num_convs=1, in_channels=8, conv_out_channels=8,
                       num_classes=4, loss_mask=dict(type='CrossEntropyLoss', use_mask=True,
                                                     loss_weight=1.0)))
    config.detector.train_cfg.rcnn.mask_size = 28
    config.detector.test_cfg.rcnn.mask_thr_binary = 0.5
    return config


def test_a_mask_head_without_masks_in_the_data_is_told():
    model = MODELS.build(mask_rcnn()).train()
    data = model.data_preprocessor(training_batch(video(3), 1, {}), training=True)
    with pytest.raises(ValueError, match=r'frame1.jpg has no masks: set roi_head.mask_head=None'):
        model(**data, mode='loss')


@pytest.mark.parametrize('name', ['retinanet', 'yolox', 'rtmdet', 'deformable_detr'])
def test_a_roi_head_in_a_detector_without_one_is_told(name):
    config = detector_of(name)
    config.roi_head = dict(type='TemporalRoIHead')
    with pytest.raises(ValueError, match=r'has no RoI head, .* use a temporal neck'):
        VideoDetector(config)
    config.pop('roi_head')
    config.strange = 1
    with pytest.raises(TypeError, match='strange'):
        MODELS.build(ConfigDict(type='VideoDetector', detector=config))
