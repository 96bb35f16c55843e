"""Narrow forms of static detectors that are not Faster R-CNN: R-FCN, VGG-16, RetinaNet."""

from __future__ import annotations

import torch
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from torch import nn

from ..parity.mega_runs import BASES, without_pretrained


def shrink_rfcn(config: ConfigDict, channels: int = 16, num_classes: int = 4) -> ConfigDict:
    """Narrow an R-FCN in place: an eighth of the width, few blocks, few proposals."""
    detector = without_pretrained(config).detector
    config.data_preprocessor.std = [60.0] * 3
    detector.backbone.update(frozen_stages=0, depth=18, base_channels=8)
    detector.neck.update(in_channels=64, mid_channels=channels, out_channels=channels)
    if detector.get('rpn_head'):
        detector.rpn_head.update(in_channels=32, feat_channels=16)
        detector.rpn_head.anchor_generator.scales = [1, 2]
        for rpn in (detector.test_cfg.rpn, detector.train_cfg.rpn_proposal):
            rpn.update(nms_pre=100, max_per_img=20)
    detector.roi_head.in_channels = channels
    detector.roi_head.bbox_head.update(in_channels=channels, num_classes=num_classes)
    detector.train_cfg.rcnn.sampler.num = 16
    return config


def shrink_vgg(config: ConfigDict, channels: int = 32, num_classes: int = 4) -> ConfigDict:
    """Narrow a Fast R-CNN with VGG-16 in place; mmcv's RoIPool does not run on a CPU."""
    detector = without_pretrained(config).detector
    config.data_preprocessor.std = [60.0] * 3
    detector.backbone.update(frozen_stages=0, base_channels=4)
    detector.neck.update(in_channels=32, out_channels=32)
    detector.roi_head.bbox_roi_extractor.update(
        out_channels=32, roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=2))
    detector.roi_head.bbox_head.update(in_channels=32, fc_out_channels=channels,
                                       num_classes=num_classes)
    detector.train_cfg.rcnn.sampler.num = 16
    return config


def shrink_dense(config: ConfigDict, num_classes: int = 4) -> ConfigDict:
    """Narrow a RetinaNet, ATSS or YOLOX in place."""
    detector = without_pretrained(config).detector
    if detector.backbone.type == 'CSPDarknet':
        detector.backbone.widen_factor = 0.125
        detector.neck.update(in_channels=[32, 64, 128], out_channels=16)
    else:
        detector.backbone.update(frozen_stages=0, depth=18, base_channels=8)
        detector.neck.update(in_channels=[8, 16, 32, 64], out_channels=16)
    detector.bbox_head.update(in_channels=16, feat_channels=16, stacked_convs=1,
                              num_classes=num_classes)
    if detector.bbox_head.type != 'YOLOXHead':
        detector.test_cfg.update(nms_pre=100, max_per_img=20)
    if detector.bbox_head.type == 'ATSSHead':
        detector.bbox_head.norm_cfg = dict(type='GN', num_groups=4)
    return config


SHRINK = {'RFCNNeck': shrink_rfcn, 'VGGNeck': shrink_vgg}


def static_config(name: str = 'rfcn_r50') -> ConfigDict:
    """Config of a tiny ``'rfcn_r50'`` or ``'fast-rcnn_vgg16'``, as their base files are named."""
    config = Config.fromfile(BASES / f'{name}.py').model
    return SHRINK[config.detector.neck.type](config)


def static_model(config: ConfigDict, seed: int = 0) -> nn.Module:
    """A model with random weights, large enough for detections to differ."""
    torch.manual_seed(seed)
    model = MODELS.build(config)
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            std = 0.1 if name.endswith(('rpn_reg.weight', 'fc_reg.weight')) else 1.5
            nn.init.normal_(parameter, std=std / parameter[0].numel()**0.5)
    return model.eval()
