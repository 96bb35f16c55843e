"""From frames to detections as mega.pytorch: single frame, FGFA, DFF, RDN and MEGA."""

import numpy as np
import pytest

from mmvod_plugins.models import VideoDetector

from . import compare_runs, golden, mega_runs

#: Radius of the recorded windows.
RADII = {'fgfa': 9, 'mega': 12, 'rdn': 18}
CASES = golden.cases('mega_pytorch/e2e_*.npz')


def method_of(path):
    facts = golden.meta(path.parent)
    return facts['models'][path.stem.removeprefix('e2e_')]


def compare(path, num_frames=None):
    recorded = dict(golden.load(path))
    frames = mega_runs.images(path)
    length = len(recorded['prop_count'])
    num_keys = min(num_frames or length, length)
    model = mega_runs.build(path)
    mine = mega_runs.run(model, frames, num_keys)
    for frame_id in recorded['logit_frames']:
        # mmdet has no boxes for the background, their first class
        recorded[f'deltas_{frame_id}'] = recorded[f'deltas_{frame_id}'][:, 4:]
    assert len(mine['det_count']) == num_keys
    check_memory(mine['memory'], recorded)
    worst = compare_runs.compare(recorded, mine)
    limits = golden.meta(path.parent)['tolerances'][path.stem.removeprefix('e2e_')]
    golden.note(f'{golden.case_name(path)} ({num_keys} frames)',
                ', '.join(f'{name} {worst[name]:.1e}/{limit:.0e}'
                          for name, limit in limits.items()))
    beyond = {name: worst[name] for name, limit in limits.items() if worst[name] > limit}
    assert not beyond, f'beyond the recorded tolerances {limits}: {beyond}'
    assert any(frame_id < num_keys for frame_id in recorded['logit_frames'])
    return model, frames, recorded


@pytest.mark.parametrize('path', CASES)
def test_detections_agree(path):
    """Long videos for 16 frames."""
    model, frames, recorded = compare(path, num_frames=16)
    check_reference_proposals(model, frames, recorded)


@pytest.mark.slow
@pytest.mark.parametrize('path', CASES)
def test_detections_agree_to_the_end(path):
    compare(path)


def check_reference_proposals(model: VideoDetector, frames, recorded):
    """The best 75 proposals of a frame are its proposals as a reference."""
    if 'ref_frames' not in recorded:
        return
    ends = np.cumsum(recorded['ref_count'])
    mine = mega_runs.reference_proposals(model, frames, int(recorded['ref_frames'][1]))
    theirs = recorded['ref_boxes'][ends[0]:ends[1]]
    distance = np.abs(mine.numpy()[:, None] - theirs[None]).max(axis=2)
    assert distance.min(axis=0).max() < 0.01
    assert distance.min(axis=1).max() < 0.01


def check_memory(mine, recorded):
    """The Long Range Memory holds at every step the frames that were recorded."""
    if 'sched_mem0' not in recorded:
        return
    first = int(recorded.get('cur_frame_at_0', 0))
    for t, frames in enumerate(mine):
        expected = [frame for frame in recorded['sched_mem0'][t].tolist() if frame >= 0]
        assert [frame or first for frame in frames] == expected


@pytest.mark.parametrize(
    'path', [case for case in CASES if 'sched_window' in golden.load(case.values[0])])
def test_reference_frames_agree(path):
    """Window and global set of every step are those that were recorded."""
    recorded = golden.load(path)
    radius = RADII[method_of(path).partition('_')[0]]
    length = mega_runs.video_length(recorded)
    local = mega_runs.LocalWindow(radius)
    shuffle = mega_runs.RecordedShuffle(recorded['perm']) if 'perm' in recorded else None
    # the loader's fault shows another frame in the place of frame 0
    first = int(recorded.get('cur_frame_at_0', 0))
    for t in range(len(recorded['prop_count'])):
        window = [frame or first for frame in local.frames(t, length)['local']]
        assert window == recorded['sched_window'][t].tolist()
        if shuffle is not None:
            ids = shuffle.frames(t, length)['global']
            assert sorted(ids) == sorted(recorded['sched_global_set'][t].tolist())
    golden.note(f'{golden.case_name(path)} schedule', 'equal')
