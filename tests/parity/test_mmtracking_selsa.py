"""From frames to detections as MMTracking: SELSA, SELSA + Temporal RoI Align.

Tolerances are those of the data's README. Proposals are a discrete choice that float noise
changes, so results are compared twice: strictly with the recorded proposals, and end to end.
"""

import json

import numpy as np
import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData

from mmvod_plugins.checkpoints import convert_mmtracking
from mmvod_plugins.references import LocalWindow, UniformStride

from . import golden, mmtracking_runs
from .mmtracking_runs import best_match, facts

CASES = [*golden.cases('selsa_*.npz'), *golden.cases('troi_*.npz')]
every_case = pytest.mark.parametrize('path', CASES)


def note(path, kind, worst):
    golden.note(f'{golden.case_name(path)} {kind}', ', '.join(
        f'{name} {value:.1e}' if value < 0.5 else f'{name} {100 * value:.1f} %'
        for name, value in worst.items()))


def is_troi(path):
    return 'troi' in facts(path)['model']


def share_found(found, recorded, limit, iou=0.99):
    """Share of recorded detections found again: box, label and score."""
    if not len(recorded):
        return 1.0
    hits = 0
    for row in recorded:
        same = found[found[:, 5] == row[5]]
        if len(same):
            best, index = best_match(row[None, :4], same[:, :4])
            hits += best[0] > iou and abs(same[index[0], 4] - row[4]) <= limit
    return hits / len(recorded)


# Recorded proposals ------------------------------------------------------------------------------


def compare_with_recorded_proposals(path, num_dense=None):
    recorded, run = golden.load(path), facts(path)
    head = mmtracking_runs.RecordedProposals(mmtracking_runs.build_for(path),
                                             mmtracking_runs.frames_of(path))
    worst, fine, rows, det = {}, 0, 0, 1.0
    dense = run['dense_frames'][:num_dense]
    for t in dense:
        mine = head.detect(recorded, t, run['slot_frame_ids'][t])
        errors = {name: np.abs(mine[name] - recorded[f'f{t:02}.{name}'])
                  for name in ('cls_logits', 'box_deltas')}
        if is_troi(path):
            errors['roi_feats'] = np.abs(mine['roi_feats'] - recorded[f'f{t:02}.roi_feats'])
        worst = {name: max(worst.get(name, 0), float(e.max())) for name, e in errors.items()}
        of_row = np.maximum(errors['cls_logits'].max(1), errors['box_deltas'].max(1))
        fine += int((of_row <= 1e-4).sum())
        rows += len(of_row)
        limit = 5e-3 if is_troi(path) else 1e-4
        det = min(det, share_found(mine['det'], recorded[f'f{t:02}.det'], limit))
    note(path, f'recorded proposals ({len(dense)} frames)',
         worst | {'rows': fine / rows, 'det': det})
    limit = 0.1 if is_troi(path) else 1e-4
    assert worst['cls_logits'] <= limit
    assert worst['box_deltas'] <= limit
    assert fine >= (0.9 if is_troi(path) else 1) * rows
    assert det >= 0.95
    assert rows


@every_case
def test_recorded_proposals_give_the_recorded_outputs(path):
    compare_with_recorded_proposals(path, num_dense=1)


@pytest.mark.slow
@every_case
def test_recorded_proposals_give_the_recorded_outputs_in_every_frame(path):
    compare_with_recorded_proposals(path)


# End to end --------------------------------------------------------------------------------------


def compare_end_to_end(path, num_steps):
    recorded, run = golden.load(path), facts(path)
    num_steps = min(num_steps or run['num_test_steps'], run['num_test_steps'])
    model = mmtracking_runs.build_for(path)
    results = mmtracking_runs.run(model, mmtracking_runs.frames_of(path), num_steps)
    assert len(results) == num_steps
    worst = {}
    shares = {'proposals': 1.0, 'rows': 1.0, 'det': 1.0}
    for t, mine in enumerate(results):
        theirs = {name[4:]: value for name, value in recorded.items()
                  if name.startswith(f'f{t:02}.')}
        best, index = best_match(theirs['proposals'][:, :4], mine['boxes'])
        same = best > 0.999
        shares['proposals'] = min(shares['proposals'], same.mean())
        shares['det'] = min(shares['det'], share_found(mine['det'], theirs['det'], 5e-3))
        for name in ('feat', 'rpn_cls', 'rpn_reg'):
            if name in theirs:
                error = float(np.abs(mine[name] - theirs[name]).max())
                worst[name] = max(worst.get(name, 0), error)
        if 'cls_logits' in theirs:
            errors = np.maximum(*(np.abs(mine[name][index] - theirs[name])[same].max(1)
                                  for name in ('cls_logits', 'box_deltas')))
            worst['rows off by'] = max(worst.get('rows off by', 0), float(errors.max()))
            shares['rows'] = min(shares['rows'], (errors <= 1e-3).mean())
    note(path, f'end to end ({num_steps} frames)', worst | shares)
    assert max(worst[name] for name in ('feat', 'rpn_cls', 'rpn_reg')) <= 1e-4
    assert shares['proposals'] >= 0.97
    assert shares['rows'] >= (0.9 if is_troi(path) else 1)
    assert shares['det'] >= 0.95


def quick_cases():
    """Cases that detect their first key frame after a few frames; by default these alone run."""
    return [case for case in CASES
            if case.values[0] is None or max(facts(case.values[0])['slot_frame_ids'][0]) < 5]


@pytest.mark.parametrize('path', quick_cases())
def test_frames_give_the_recorded_detections(path):
    compare_end_to_end(path, num_steps=2)


@pytest.mark.slow
@every_case
def test_frames_give_the_recorded_detections_to_the_end(path):
    compare_end_to_end(path, num_steps=None)


# Reference frames --------------------------------------------------------------------------------


@every_case
def test_every_slot_holds_the_recorded_frame(path):
    run = facts(path)
    policy = mmtracking_runs.policy_of(run['sampler'])
    for t, slots in enumerate(run['slot_frame_ids']):
        assert policy.references(t, run['num_video_frames']) == {policy_role(policy): slots}
    golden.note(f'{golden.case_name(path)} reference frames', 'equal')


def policy_role(policy):
    return getattr(policy, 'role', 'local')


def sampling_cases():
    """(policy, video length, loaded frames by step) of every file."""
    found = []
    for folder in golden.record_sets('sampling.json'):
        content = json.loads((folder / 'sampling.json').read_text())
        found += [
            pytest.param(content['policies'][name], int(length), loaded, id=f'{name}-{length}')
            for name, lengths in content.get('loaded', {}).items()
            for length, loaded in lengths.items()]
    return found or golden.cases('sampling.json')


@pytest.mark.parametrize(('sampler', 'length', 'loaded'), sampling_cases())
def test_the_reference_loads_the_frames_of_our_policy(sampler, length, loaded):
    """It loads what is new at a step: everything at first, then the newest frame of the window."""
    if sampler['method'] == 'test_with_adaptive_stride':
        policy = UniformStride(sampler['num_ref_imgs'])
        assert all(policy.references(t, length) == {'global': loaded[0]} for t in range(length))
        assert not any(loaded[1:])
        return
    before, after = -sampler['frame_range'][0], sampler['frame_range'][1]
    policy = LocalWindow((before, after), stride=sampler['stride'])
    assert loaded[0] == policy.references(0, length)['local']
    for t, frames in enumerate(loaded[1:], start=1):
        on_stride = t % sampler['stride'] == 0
        assert frames == (policy.references(t, length)['local'][-1:] if on_stride else [])


# A training step ---------------------------------------------------------------------------------


def training_cases():
    found = []
    for folder in golden.record_sets('train_losses.json'):
        content = json.loads((folder / 'train_losses.json').read_text())
        found += [pytest.param(folder, name, id=name) for name in content
                  if name in mmtracking_runs.CONFIGS]
    return found or golden.cases('train_losses.json')


@pytest.mark.parametrize(('folder', 'name'), training_cases())
def test_a_training_step_gives_the_recorded_losses_and_gradients(folder, name):
    recorded = json.loads((folder / 'train_losses.json').read_text())[name]
    policy = LocalWindow(9, num_samples=2, bilateral=True)
    model = mmtracking_runs.build(folder, name, recorded['weights_seed'], policy).train()
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
