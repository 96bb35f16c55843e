"""The rules in the runtime are the policies of ``mmvod_plugins.references``, frame by frame."""

import numpy as np
import pytest

from mmvod_plugins.deployment.onnx_runtime import _Policies
from mmvod_plugins.deployment.policies import most_frames, policy_settings
from mmvod_plugins.references import build_references
from mmvod_plugins.streaming import VideoStream

ROLES = frozenset({'local', 'global', 'memory'})
POLICIES = dict(
    window=dict(type='LocalWindow', radius=3),
    sides=dict(type='LocalWindow', radius=(1, 4), stride=2),
    cut=dict(type='LocalWindow', radius=(4, 2), stride=2, outside='cut'),
    causal=dict(type='CausalWindow', num_frames=4),
    shuffle=dict(type='GlobalShuffle', num_frames=4, seed=3),
    spread=dict(type='UniformStride', num_frames=5),
    spread_and_key=dict(type='UniformStride', num_frames=4, append_key=True),
    reservoir=dict(type='GlobalReservoir', num_frames=3, seed=1),
    mega=dict(type='ComposedReferences', policies=dict(
        local=dict(type='LocalWindow', radius=2),
        memory=dict(type='PrecedingWindow'),
        global_=dict(type='GlobalShuffle', num_frames=3))),
    online=dict(type='ComposedReferences', policies=[
        dict(type='CausalWindow', num_frames=3), dict(type='GlobalReservoir', num_frames=2)]),
    selsa=dict(type='TrainTestReferences', training=dict(type='LocalWindow'),
               testing=dict(type='UniformStride', num_frames=3, role='global')))


def pair(name, video_id='clip'):
    policy = build_references(POLICIES[name])
    settings = policy_settings(policy, ROLES)
    return policy, _Policies(settings, video_id), most_frames(settings)


@pytest.mark.parametrize('name', POLICIES)
def test_the_same_frames_in_the_same_order(name):
    policy, rules, most = pair(name)
    assert rules.lookahead == policy.lookahead
    for length in (1, 2, 5, 13, 40):
        for key in range(length):
            frames = rules.frames(key, length)
            assert frames == policy.frames(key, length, 'clip')
            assert {role: len(ids) <= most[role] for role, ids in frames.items()} == (
                dict.fromkeys(most, True))
        assert rules.last_use(length) == policy.last_use(length, 'clip')


@pytest.mark.parametrize('name', [
    name for name in POLICIES if build_references(POLICIES[name]).lookahead is not None])
def test_live_streams_let_go_of_the_same_frames(name):
    policy, rules, _ = pair(name, 7)
    for key in range(1, 60):
        assert [rules.still_needed(t, key) for t in range(key + 3)] == [
            policy.still_needed(t, key, 7) for t in range(key + 3)]


def test_a_long_reservoir_is_that_of_the_policy():
    """Priorities are drawn in blocks of 256; an earlier frame may be asked for again."""
    policy, rules, _ = pair('reservoir')
    for key in [*range(600), 250, 256]:
        assert rules.frames(key, 600) == policy.frames(key, 600, 'clip')


@pytest.mark.parametrize('length', [None, 12])
@pytest.mark.parametrize('name', POLICIES)
def test_key_frames_are_complete_when_they_are_in_a_stream(name, length):
    policy, rules, _ = pair(name)
    if length is None and rules.lookahead is None:
        pytest.skip('needs the length')
    stream, held, ours = VideoStream(policy, 'clip', length), {}, 0
    for frame in range(12):
        stream.add(frame, frame)
        theirs = [key for key, _ in stream.ready()]
        held[frame], found = frame, []
        while (length is None or ours < length) and rules.ready(
                ours, frame + 1, length, held) is not None:
            found.append(ours)
            ours += 1
        assert found == theirs


@pytest.mark.parametrize(('policy', 'message'), [
    (dict(type='InterleavedWindows'), 'InterleavedWindows cannot be exported; these can: Causal'),
    (None, 'KeyFrameOnly cannot be exported'),
    (dict(type='PrecedingWindow'), 'names no references while testing'),
])
def test_other_policies_are_refused(policy, message):
    with pytest.raises(ValueError, match=message):
        policy_settings(build_references(policy), ROLES)


def test_roles_that_the_head_does_not_know_are_left_out():
    policy = build_references(POLICIES['mega'])
    assert [part['role'] for part in policy_settings(policy, frozenset({'local'}))] == ['local']


def test_the_seed_is_the_video():
    first, second = (pair('shuffle', name)[1].frames(0, 1000) for name in ('a', 'b'))
    assert first != second
    assert np.unique(first['global']).size == 4
