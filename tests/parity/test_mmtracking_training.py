"""A training step of every method of MMTracking: losses and gradients."""

import json

import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData

from mmvod_plugins.checkpoints import convert_mmtracking

from . import golden, mmtracking_runs


def training_cases():
    found = []
    for folder in golden.record_sets('mmtracking/train_losses.json'):
        content = json.loads((folder / 'train_losses.json').read_text())
        found += [pytest.param(folder, name, id=name) for name in content
                  if name in mmtracking_runs.CONFIGS]
    return found


@pytest.mark.parametrize(('folder', 'name'), training_cases())
def test_a_training_step_gives_the_recorded_losses_and_gradients(folder, name):
    recorded = json.loads((folder / 'train_losses.json').read_text())[name]
    model = mmtracking_runs.build(folder, name, recorded['weights_seed']).train()
    everything = dict(num=10**6, pos_fraction=1, neg_pos_ub=-1)
    for owner, attribute, add_gt in ((model.detector.rpn_head, 'sampler', False),
                                     (model.detector.roi_head, 'bbox_sampler', True)):
        setattr(owner, attribute, TASK_UTILS.build(
            dict(type='RandomSampler', add_gt_as_proposals=add_gt, **everything)))
    frames = golden.load(folder / 'video.npz')['frames_bgr']
    order = [('key', recorded['key']), *(('local', t) for t in recorded['refs'])]
    parts = [mmtracking_runs.batch(frames, t) for _, t in order]
    clip = parts[0]['data_samples'][0]
    clip.video_data_samples = [part['data_samples'][0][0] for part in parts]
    for sample, (role, _) in zip(clip, order, strict=True):
        sample.set_metainfo(dict(role=role))
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor(recorded['gt_bboxes']), labels=torch.tensor(recorded['gt_labels']))
    data = dict(inputs=[torch.cat([part['inputs'][0] for part in parts])], data_samples=[clip])
    data = model.data_preprocessor(data, training=True)
    losses = model.loss(data['inputs'], data['data_samples'])
    values = {key: sum(value) if isinstance(value, list) else value
              for key, value in losses.items()}
    errors = {key: abs(float(values[key]) / expected - 1) if expected else float(values[key])
              for key, expected in recorded['losses'].items()}
    total = sum(value for key, value in values.items() if 'loss' in key)
    errors['total'] = abs(float(total) / recorded['total'] - 1)
    total.backward()

    norms = {key: float(parameter.grad.norm())
             for key, parameter in model.named_parameters() if parameter.grad is not None}
    names = convert_mmtracking(dict.fromkeys(recorded['grad_norms'])).mapped
    assert set(names.values()) == set(norms)
    largest = max(recorded['grad_norms'].values())
    gradients = {
        key: abs(norms[names[key]] / value - 1)
        for key, value in recorded['grad_norms'].items() if value > 1e-4 * largest
    }
    golden.note(f'mmtracking/train_losses {name}', ', '.join(
        f'{key} {value:.1e}' for key, value in errors.items())
        + f', gradient norms {max(gradients.values()):.1e} ({len(gradients)} of {len(names)})')
    assert max(errors.values()) <= 1e-4
    assert max(gradients.values()) <= 1e-2
