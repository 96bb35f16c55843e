"""Small detectors with MST's parts: the shipped configs, narrow, with a window of three frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict

from mmvod_plugins.models import VideoDetector

from .tiny import shrink

FOLDER = Path(__file__).resolve().parents[2] / 'configs' / 'mst'
WINDOW = dict(type='LocalWindow', radius=1, num_samples=2, sample_key=True, outside='cut')
MEGA = dict(type='ComposedReferences', policies=[
    WINDOW, dict(type='PrecedingWindow', distance=3, radius=1, num_samples=1),
    dict(type='GlobalShuffle', num_frames=1, num_samples=1)])
#: Leaf configs by what they stand for: rows of tables III to V, and other detectors.
KINDS = {
    'b': 'mst-frame_faster-rcnn_r101-conv4-dc5',
    'c': 'mst-proposal_faster-rcnn_r101-conv4-dc5',
    'd': 'mst-dalign-frame_faster-rcnn_r101-conv4-dc5',
    'e': 'mst-dalign-proposal_faster-rcnn_r101-conv4-dc5',
    'f': 'mst-no-instance_faster-rcnn_r101-conv4-dc5',
    'g': 'mst_faster-rcnn_r101-conv4-dc5',
    'key': 'mst-query-key_faster-rcnn_r101-conv4-dc5',
    'flow': 'mst-flownet_faster-rcnn_r101-conv4-dc5',
    'mega': 'mst-mega_faster-rcnn_r101-conv4-dc5',
    'fpn': 'mst_faster-rcnn_r50-fpn',
    'retinanet': 'mst_retinanet_r50-fpn',
}


def mst_config(kind: str, references: dict | None = None, **neck: Any) -> ConfigDict:
    """Config of a small model of a kind."""
    path = FOLDER / f'{KINDS[kind]}_4xb1-120k_imagenetvid.py'
    config = shrink(Config.fromfile(path).model)
    config.references = references or (MEGA if kind == 'mega' else WINDOW)
    if config.get('temporal_neck'):
        if 'levels' in config.temporal_neck:
            config.temporal_neck.levels = (0, 1, 2)  # small images have small boxes
        config.temporal_neck.update(neck)
    return config


def mst_model(kind: str, references: dict | None = None, *, spread: bool = True,
              config: ConfigDict | None = None, **neck: Any) -> VideoDetector:
    """A small model; ``spread`` weights make references matter without training."""
    torch.manual_seed(0)
    model = MODELS.build(config or mst_config(kind, references, **neck))
    model.init_weights()
    for name, parameter in model.named_parameters() if spread else ():
        if parameter.dim() > 1 and 'backbone' not in name and 'predict_flow' not in name:
            small = ('rpn_reg.weight', 'fc_reg.weight', 'retina_reg.weight', 'offsets.weight')
            std = 0.1 if name.endswith(small) else 1.0
            torch.nn.init.normal_(parameter, std=std / parameter[0].numel()**0.5)
    return model.eval()
