"""Small models of the flow family: the shipped configs, narrow."""

from __future__ import annotations

import torch
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from torch import nn

from mmvod_plugins.models import VideoDetector

from ..parity.mega_runs import ROOT
from .tiny import shrink

#: A leaf config of every kind of detector with FGFA, and the two of DFF.
KINDS = {
    'fgfa-dc5': 'fgfa/fgfa_faster-rcnn_r50-dc5_8xb1-7e',
    'fgfa-conv4': 'fgfa/fgfa_faster-rcnn_r50-conv4-dc5_4xb1-120k',
    'fgfa-fpn': 'fgfa/fgfa_faster-rcnn_r50-fpn_4xb1-120k',
    'fgfa-retinanet': 'fgfa/fgfa_retinanet_r50-fpn_4xb1-120k',
    'fgfa-atss': 'fgfa/fgfa_atss_r50-fpn_4xb1-120k',
    'fgfa-yolox': 'fgfa/fgfa_yolox-s_4xb1-120k',
    'dff-dc5': 'dff/dff_faster-rcnn_r50-dc5_8xb1-7e',
    'dff-conv4': 'dff/dff_faster-rcnn_r50-conv4-dc5_4xb1-120k',
}
WINDOW = dict(
    type='TrainTestReferences',
    training=dict(type='LocalWindow', radius=2, num_samples=2, bilateral=True),
    testing=dict(type='LocalWindow', radius=2))
INTERVAL = dict(type='KeyFrameInterval', interval=3, sample_range=[-2, 0])


def flow_config(kind: str) -> ConfigDict:
    """Config of a narrow model of a kind, with references for short videos."""
    path = ROOT / 'configs' / f'{KINDS[kind]}_imagenetvid.py'
    config = shrink(Config.fromfile(path).model)
    config.references = INTERVAL if kind.startswith('dff') else WINDOW
    return config


def flow_model(kind: str, config: ConfigDict | None = None, *, spread: bool = True,
               seed: int = 0) -> VideoDetector:
    """A narrow model; ``spread`` weights make references matter without training."""
    torch.manual_seed(seed)
    model = MODELS.build(config or flow_config(kind))
    if not spread:
        return model.train()
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            last = any(part in name for part in ('rpn_reg', 'fc_reg', '_reg.', 'predict_flow'))
            nn.init.normal_(parameter, std=(0.1 if last else 1.0) / parameter[0].numel()**0.5)
    return model.eval()
