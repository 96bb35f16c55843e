"""Tiny static detectors that are not Faster R-CNN: R-FCN and VGG-16."""

from __future__ import annotations

import torch
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from torch import nn

from ..parity.mega_runs import BASES
from .narrow import shrink


def static_config(name: str = 'rfcn_r50') -> ConfigDict:
    """Config of a tiny ``'rfcn_r50'`` or ``'fast-rcnn_vgg16'``, as their base files are named."""
    return shrink(Config.fromfile(BASES / f'{name}.py').model)


def static_model(config: ConfigDict, seed: int = 0) -> nn.Module:
    """A model with random weights, large enough for detections to differ."""
    torch.manual_seed(seed)
    model = MODELS.build(config)
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            std = 0.1 if name.endswith(('rpn_reg.weight', 'fc_reg.weight')) else 1.5
            nn.init.normal_(parameter, std=std / parameter[0].numel()**0.5)
    return model.eval()
