"""Small detectors with STMN's memories: the shipped base configs, narrow."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict

from mmvod_plugins.models import VideoDetector

from ..parity.mega_runs import BASES
from .tiny import shrink

#: Windows of three frames, every second one, for videos of some frames.
WINDOWS = dict(type='InterleavedWindows', num_frames=3, stride=2, num_samples=3)
CENTRED = dict(WINDOWS, type='CentredWindow')
ONLINE = dict(type='TrainTestReferences', training=WINDOWS, testing=dict(type='KeyFrameOnly'))
KINDS = ('faster-rcnn_r50-fpn', 'retinanet_r50-fpn', 'faster-rcnn_r50-conv4-dc5', 'rfcn_r101')
#: Channels of the map of the small R-FCN.
WIDTH = 16


def stmn_config(kind: str, references: dict | None = None, **neck: Any) -> ConfigDict:
    """Config of a small model of a kind, with windows for short videos."""
    config = shrink(Config.fromfile(BASES / f'stmn_{kind}.py').model)
    if kind == 'faster-rcnn_r50-fpn':
        config.temporal_neck.levels = (0, 1, 2, 3, 4)  # small images have small boxes
    config.temporal_neck.update(neck)
    config.references = references or WINDOWS
    return config


def stmn_model(kind: str, references: dict | None = None, *, spread: bool = True,
               config: ConfigDict | None = None, **neck: Any) -> VideoDetector:
    """A small model; ``spread`` weights make references matter without training."""
    torch.manual_seed(0)
    model = MODELS.build(config or stmn_config(kind, references, **neck))
    model.init_weights()
    for name, parameter in model.named_parameters() if spread else ():
        if parameter.dim() > 1 and 'backbone' not in name:
            std = 0.1 if name.endswith(('_reg.weight', 'conv_box.weight')) else 1.0
            torch.nn.init.normal_(parameter, std=std / parameter[0].numel()**0.5)
    return model.eval()
