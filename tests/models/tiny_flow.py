"""Narrow forms of FGFA and DFF, and of the one-stage detectors that they work on."""

from __future__ import annotations

from collections.abc import Callable

from mmengine.config import ConfigDict

from ..parity.mega_runs import without_pretrained


def shrink_flow(config: ConfigDict, shrink: Callable[..., ConfigDict],
                num_classes: int = 4) -> ConfigDict:
    """Narrow a model with a flow-guided neck in place; ``shrink`` does it with two stages."""
    neck = config.pop('temporal_neck')
    dense = 'bbox_head' in config.detector
    (shrink_dense if dense else shrink)(config, num_classes=num_classes)
    config.temporal_neck = without_pretrained(neck)
    neck.motion.base_channels = 2
    width = 32 if 'neck' not in config.detector else 16
    if neck.motion.get('scale_channels'):
        neck.motion.scale_channels = width
    if neck.type == 'FGFANeck':
        neck.channels = width
        neck.embed_layers = [(8, kernel) for _, kernel in neck.embed_layers]
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
    if detector.bbox_head.type == 'ATSSHead':
        detector.bbox_head.norm_cfg = dict(type='GN', num_groups=4)
    return config
