"""Small detectors with OGEMN's memories: the shipped base configs, narrow."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict

from mmvod_plugins.models import VideoDetector

from ..parity.mega_runs import BASES
from .tiny import shrink

PIXEL = ('rfcn_r101-pixel', 'faster-rcnn_r50-fpn', 'retinanet_r50-fpn')
INSTANCE = ('rfcn_r101-instance', 'faster-rcnn_r50-fpn-instance')
STRIDES = {'faster-rcnn_r50-fpn': (4, 8, 16, 32, 64), 'retinanet_r50-fpn': (8, 16, 32, 64, 128)}
KINDS = (*PIXEL, *INSTANCE, 'rfcn_r101')


def ogemn_config(kind: str, references: dict | None = None, **neck: Any) -> ConfigDict:
    """Config of a small model of a kind, whose random scores are enough to be remembered."""
    base = 'rfcn_r101' if kind == 'rfcn_r101-instance' else kind
    config = shrink(Config.fromfile(BASES / f'ogemn_{base}.py').model)
    if kind in INSTANCE:
        config.temporal_neck = None
        config.detector.roi_head.aggregator.update(interval=2, temperature=10.0)
    else:
        if kind.endswith('fpn'):  # small images have small boxes
            neck = dict(levels=(0, 1, 2, 3, 4), strides=STRIDES[kind]) | neck
        config.temporal_neck.update(temperature=10.0, write_rule=dict(score_thr=0.05), **neck)
    config.references.max_interval = 2
    config.references = references or config.references
    return config


def ogemn_model(kind: str, references: dict | None = None, *, spread: bool = True,
                config: ConfigDict | None = None, seed: int = 0, **neck: Any) -> VideoDetector:
    """A small model; ``spread`` weights make the memory matter without training."""
    torch.manual_seed(seed)
    model = MODELS.build(config or ogemn_config(kind, references, **neck))
    model.init_weights()
    for name, parameter in model.named_parameters() if spread else ():
        if parameter.dim() > 1 and not any(part in name for part in ('backbone', 'value')):
            small = name.endswith(('_reg.weight', 'conv_box.weight'))
            torch.nn.init.normal_(parameter, std=(0.1 if small else 1.0)
                                  / parameter[0].numel()**0.5)
    return model.eval()
