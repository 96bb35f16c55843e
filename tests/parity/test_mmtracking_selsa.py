"""From frames to detections as MMTracking: SELSA, SELSA + Temporal RoI Align.

Tolerances are those of the data's README. Proposals are a discrete choice that float noise
changes, so results are compared twice: strictly with the recorded proposals, and end to end.
"""

import json

import numpy as np
import pytest

from mmvod_plugins.references import LocalWindow, UniformStride

from . import golden, mmtracking_runs
from .mmtracking_compare import compare_end_to_end, note, share_found
from .mmtracking_runs import facts

CASES = [*golden.cases('mmtracking/selsa_*.npz'), *golden.cases('mmtracking/troi_*.npz')]
every_case = pytest.mark.parametrize('path', CASES)


def is_troi(path):
    return 'troi' in facts(path)['model']


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


def quick_cases():
    """Cases that detect their first key frame after a few frames; by default these alone run."""
    return [case for case in CASES
            if max(facts(case.values[0])['slot_frame_ids'][0]) < 5]


@pytest.mark.parametrize('path', quick_cases())
def test_frames_give_the_recorded_detections(path):
    compare_end_to_end(path, 2, 0.9 if is_troi(path) else 1)


@pytest.mark.slow
@every_case
def test_frames_give_the_recorded_detections_to_the_end(path):
    compare_end_to_end(path, None, 0.9 if is_troi(path) else 1)


# Reference frames --------------------------------------------------------------------------------


@every_case
def test_every_slot_holds_the_recorded_frame(path):
    run = facts(path)
    policy = mmtracking_runs.policy_of(run)
    for t, slots in enumerate(run['slot_frame_ids']):
        assert policy.frames(t, run['num_video_frames']) == {policy_role(policy): slots}
    golden.note(f'{golden.case_name(path)} reference frames', 'equal')


def policy_role(policy):
    return getattr(policy, 'role', 'local')


def sampling_cases():
    """(policy, video length, loaded frames by step) of every file."""
    found = []
    for folder in golden.record_sets('mmtracking/sampling.json'):
        content = json.loads((folder / 'sampling.json').read_text())
        found += [
            pytest.param(content['policies'][name], int(length), loaded, id=f'{name}-{length}')
            for name, lengths in content.get('loaded', {}).items()
            for length, loaded in lengths.items()]
    return found


@pytest.mark.parametrize(('sampler', 'length', 'loaded'), sampling_cases())
def test_the_reference_loads_the_frames_of_our_policy(sampler, length, loaded):
    """It loads what is new at a step: everything at first, then the newest frame of the window."""
    if sampler['method'] == 'test_with_adaptive_stride':
        policy = UniformStride(sampler['num_ref_imgs'])
        assert all(policy.frames(t, length) == {'global': loaded[0]} for t in range(length))
        assert not any(loaded[1:])
        return
    before, after = -sampler['frame_range'][0], sampler['frame_range'][1]
    policy = LocalWindow((before, after), stride=sampler['stride'])
    assert loaded[0] == policy.frames(0, length)['local']
    for t, frames in enumerate(loaded[1:], start=1):
        on_stride = t % sampler['stride'] == 0
        assert frames == (policy.frames(t, length)['local'][-1:] if on_stride else [])
