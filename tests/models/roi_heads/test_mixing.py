"""Temporal RoI heads in pyramids, a cascade and a transformer: the configs of configs/mixed."""

import copy
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.structures import InstanceData

from mmvod_plugins.models import TemporalCascadeRoIHead
from mmvod_plugins.models.roi_heads import base_temporal_roi_head

from ..tiny import detect, numbers, sample_of, shrink, training_batch, video

CONFIGS = {path.stem: path for path in
           (Path(__file__).resolve().parents[3] / 'configs' / 'mixed').glob('*.py')}
CASCADE = 'selsa_cascade-rcnn_r50-fpn_8xb1-7e_imagenetvid'
MEGA = 'mega_faster-rcnn_r50-fpn_4xb1-120k_imagenetvid'
every_config = pytest.mark.parametrize('name', sorted(CONFIGS))
#: The references of the papers, for a video of some frames.
WINDOW = dict(type='LocalWindow', radius=2, num_samples=2, sample_key=True)
REFERENCES = {
    'mega': dict(
        type='ComposedReferences',
        policies=[WINDOW, dict(type='PrecedingWindow', distance=5, radius=2, num_samples=2),
                  dict(type='GlobalShuffle', num_frames=2, num_samples=1)]),
    'selsa': dict(
        type='TrainTestReferences',
        training=dict(type='LocalWindow', radius=2, num_samples=2, bilateral=True),
        testing=dict(type='UniformStride', num_frames=3, append_key=True)),
}


def config_of(name, **settings):
    config = shrink(Config.fromfile(CONFIGS[name]).model)
    config.references = REFERENCES[name.split('_')[0]]
    config.update(settings)
    return config


def model_of(name, config=None, spread=True, **settings):
    """A tiny model; ``spread`` weights make references matter without training."""
    torch.manual_seed(0)
    model = MODELS.build(config or config_of(name, **settings))
    model.init_weights()
    for key, parameter in model.named_parameters() if spread else ():
        if parameter.dim() > 1 and 'roi_head' in key:
            std = 0.1 if key.endswith('fc_reg.weight') else 1.0
            torch.nn.init.normal_(parameter, std=std / parameter[0].numel()**0.5)
    return model.eval()


def scene(length=6):
    """Noise with a bright box where the ground truth of the samples is."""
    frames = video(length) // 4
    for t, frame in enumerate(frames):
        frame[:, 10:44, 8 + t:40 + t] += 150
    return frames


def train(model, iterations):
    """The losses of some iterations on clips of one video."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    rng, frames, history = np.random.default_rng(0), scene(), []
    for iteration in range(iterations):
        key_id = iteration % len(frames)
        roles = model.references.sample(key_id, len(frames), rng)
        batch = training_batch(frames, key_id, roles)
        for clip in batch['data_samples']:
            for sample in clip:
                sample.gt_instances = InstanceData(
                    bboxes=sample.gt_instances.bboxes, labels=sample.gt_instances.labels)
        loss, values = model.parse_losses(
            model(**model.data_preprocessor(batch, training=True), mode='loss'))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append({key: float(value) for key, value in values.items()})
    return history


# Training ----------------------------------------------------------------------------------------


@every_config
def test_the_loss_falls(name):
    history = train(model_of(name, spread=False), 50)
    total = [step['loss'] for step in history]
    print(name, np.mean(total[:5]), np.mean(total[-5:]), history[0], history[-1])
    assert np.mean(total[-5:]) < 0.6 * np.mean(total[:5])
