"""From frames to detections as MMTracking: FGFA and DFF. Tolerances are those of the README."""

import numpy as np
import pytest

from . import golden, mmtracking_runs
from .mmtracking_compare import compare_end_to_end, note, share_found
from .mmtracking_runs import facts

CASES = [*golden.cases('mmtracking/fgfa_*.npz'), *golden.cases('mmtracking/dff_*.npz')]
every_case = pytest.mark.parametrize('path', CASES)


def references_of(path, t):
    run = facts(path)
    policy = mmtracking_runs.policy_of(run)
    return policy.frames(t, run['num_video_frames'])['local']


def compare_with_recorded_proposals(path, num_dense=None):
    recorded, run = golden.load(path), facts(path)
    model, frames = mmtracking_runs.build_for(path), mmtracking_runs.frames_of(path)
    worst, det = {'cls_logits': 0, 'box_deltas': 0, 'flow': 0}, 1.0
    dense = run['dense_frames'][:num_dense]
    for t in dense:
        slots = references_of(path, t)
        mine = mmtracking_runs.run_on_proposals(model, frames, recorded, t, slots)
        errors = {name: np.abs(mine[name] - recorded[f'f{t:02}.{name}']).max()
                  for name in ('cls_logits', 'box_deltas')}
        if f'f{t:02}.flow' in recorded:
            errors['flow'] = flow_error(mine['flow'], recorded, t, run['slot_frame_ids'][t],
                                        slots)
        worst = {name: max(value, float(errors.get(name, 0))) for name, value in worst.items()}
        det = min(det, share_found(mine['det'], recorded[f'f{t:02}.det'], 1e-4))
    note(path, f'recorded proposals ({len(dense)} frames)', worst | {'det': det})
    assert worst['cls_logits'] <= 1e-4
    assert worst['box_deltas'] <= 1e-4
    assert worst['flow'] <= 1e-3
    assert det >= 0.95


def flow_error(flows, recorded, t, slots, frame_ids):
    """The recorded flows (of some slots, some pixels, and the means of all) of warped frames.

    A key frame that is warped comes first, wherever it stands.
    """
    copies = {frame_id: frame_ids.count(frame_id) for frame_id in frame_ids}
    copies[t] = copies.get(t, 0) - 1  # one of the key frame is not warped
    order = [frame_id for frame_id in dict.fromkeys([t, *frame_ids]) if copies[frame_id] > 0]
    assert len(flows) == len(order)
    worst = 0
    for row, slot in enumerate(recorded[f'f{t:02}.flow_slots']):
        if slots[slot] in order:
            mine = flows[order.index(slots[slot])][:, ::4, ::4]
            worst = max(worst, np.abs(mine - recorded[f'f{t:02}.flow'][row]).max())
    for slot, mean in enumerate(recorded[f'f{t:02}.flow_mean']):
        if slots[slot] in order:
            mine = flows[order.index(slots[slot])].mean((1, 2))
            worst = max(worst, np.abs(mine - mean).max())
    return worst


@every_case
def test_recorded_proposals_give_the_recorded_outputs(path):
    compare_with_recorded_proposals(path, num_dense=2 if 'dff' in path.stem else 1)


@pytest.mark.slow
@every_case
def test_recorded_proposals_give_the_recorded_outputs_in_every_frame(path):
    compare_with_recorded_proposals(path)


@pytest.mark.parametrize(
    'path', [case for case in CASES if len(references_of(case.values[0], 0)) < 20])
def test_frames_give_the_recorded_detections(path):
    """Cases whose first key frame needs few frames; by default these alone run."""
    compare_end_to_end(path, 2, 1)


@pytest.mark.slow
@every_case
def test_frames_give_the_recorded_detections_to_the_end(path):
    compare_end_to_end(path, None, 1)


@every_case
def test_every_slot_holds_the_recorded_frame(path):
    """The key frame stands for itself: in its slot, or (whole video) beside the slots."""
    run = facts(path)
    for t, slots in enumerate(run['slot_frame_ids']):
        mine = references_of(path, t)
        if run['sampler'] and run['sampler']['method'] == 'test_with_adaptive_stride':
            assert mine == [*slots, t]
        elif run['sampler']:
            middle = -run['sampler']['frame_range'][0]
            assert mine == [*slots[:middle], t, *slots[middle + 1:]]
        else:
            assert mine == slots
    golden.note(f'{golden.case_name(path)} reference frames', 'equal')
