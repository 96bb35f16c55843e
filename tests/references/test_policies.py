"""Laws of every reference policy, and tables of single ones."""

from itertools import product

import numpy as np
import pytest
from mmdet.registry import TASK_UTILS
from mmengine.config import Config

from mmvod_plugins.references import (
    CausalWindow,
    ComposedReferences,
    GlobalReservoir,
    GlobalShuffle,
    LocalWindow,
    PrecedingWindow,
    ReferencePolicy,
    ShuffledGroups,
    TrainTestReferences,
    UniformStride,
    build_references,
)

from .policies import LIVE, POLICIES

every_policy = pytest.mark.parametrize('policy', POLICIES.values(), ids=POLICIES)
live_policy = pytest.mark.parametrize('policy', [POLICIES[name] for name in LIVE], ids=LIVE)
LENGTHS = range(1, 10)
KEYS = [(length, key_id) for length in LENGTHS for key_id in range(length)]


@every_policy
def test_training_draws_are_those_that_the_policy_declares(policy):
    for video_length, key_id in KEYS:
        drawn = policy.sample(key_id, video_length, np.random.default_rng(key_id))
        assert {role: len(ids) for role, ids in drawn.items() if ids} == {
            role: count for role, count in policy.draws.items() if count}


@every_policy
def test_roles_of_testing_are_declared(policy):
    for video_length, key_id in KEYS:
        assert policy.frames(key_id, video_length).keys() <= policy.draws.keys()


@every_policy
def test_schedule_names_every_frame_once(policy):
    for video_length in LENGTHS:
        assert sorted(policy.schedule(video_length, video_id=0)) == list(range(video_length))


@every_policy
def test_references_are_pure_and_inside_the_video(policy):
    for video_length, key_id in KEYS:
        roles = policy.frames(key_id, video_length, video_id='a')
        assert roles == policy.frames(key_id, video_length, video_id='a')
        assert all(0 <= t < video_length for ids in roles.values() for t in ids)


@every_policy
def test_schedule_completes_each_key_frame_as_early_as_possible(policy):
    """Before a key frame is complete nothing is loaded that neither it nor an earlier one needs."""
    for video_length in LENGTHS:
        loaded, wanted, schedule = set(), set(), policy.schedule(video_length)
        for key_id in range(video_length):
            wanted |= set(policy.needed(key_id, video_length))
            while not wanted <= loaded:
                frame_id = schedule[len(loaded)]
                assert frame_id in wanted
                loaded.add(frame_id)


@every_policy
def test_samples_have_a_fixed_count_and_stay_inside(policy):
    counts = set()
    for video_length, seed in product(LENGTHS, range(20)):
        key_id = seed % video_length
        roles = policy.sample(key_id, video_length, np.random.default_rng(seed))
        counts.add(tuple((role, len(ids)) for role, ids in roles.items()))
        assert all(0 <= t < video_length for ids in roles.values() for t in ids)
        assert roles == policy.sample(key_id, video_length, np.random.default_rng(seed))
    assert len(counts) == 1


@every_policy
def test_lookahead_is_respected(policy):
    lookahead = np.inf if policy.lookahead is None else policy.lookahead
    for video_length, key_id in KEYS:
        assert max(policy.needed(key_id, video_length)) <= key_id + lookahead


@live_policy
def test_references_do_not_depend_on_a_far_end(policy):
    """What lies beyond the lookahead cannot matter: a live stream relies on it."""
    for key_id in range(12):
        short = policy.frames(key_id, key_id + policy.lookahead + 1)
        assert short == policy.frames(key_id, 30)


@live_policy
def test_still_needed_covers_every_later_use(policy):
    for next_key in range(12):
        later = {t for key in range(next_key, 20) for t in policy.needed(key, 20)}
        for frame_id in range(next_key):
            if frame_id in later:
                assert policy.still_needed(frame_id, next_key)


@pytest.mark.parametrize('name', sorted(set(POLICIES) - set(LIVE)))
def test_policies_of_the_whole_video_refuse_live_input(name):
    with pytest.raises(ValueError, match='give the length of the video'):
        POLICIES[name].still_needed(0, 0)


def test_bound_that_is_too_small_says_what_is_needed():
    with pytest.raises(ValueError, match='needs 5 frames but max_records is 4'):
        LocalWindow(2, max_records=4).schedule(9)


WINDOWS = [
    ('first frame repeats', LocalWindow(2), 0, 9, [0, 0, 0, 1, 2]),
    ('middle', LocalWindow(2), 4, 9, [2, 3, 4, 5, 6]),
    ('last frame repeats', LocalWindow(2), 8, 9, [6, 7, 8, 8, 8]),
    ('stride', LocalWindow(1, stride=3), 4, 9, [1, 4, 7]),
    ('past only', CausalWindow(3), 4, 9, [2, 3, 4]),
    ('one frame', LocalWindow(2), 0, 1, [0, 0, 0, 0, 0]),
    ('spread', UniformStride(4), 2, 10, [0, 3, 6, 9]),
    ('halves to even', UniformStride(3), 0, 6, [0, 2, 5]),
    ('spread over one frame', UniformStride(3), 0, 1, [0, 0, 0]),
    ('spread and key', UniformStride(4, append_key=True), 6, 10, [0, 3, 6, 9, 6]),
]


@pytest.mark.parametrize(('policy', 'key_id', 'video_length', 'expected'),
                         [row[1:] for row in WINDOWS], ids=[row[0] for row in WINDOWS])
def test_table_of_windows(policy, key_id, video_length, expected):
    assert policy.frames(key_id, video_length)[policy.role] == expected


def test_global_set_slides_over_the_shuffled_video():
    policy = GlobalShuffle(3, seed=1)
    order = policy.order(7, 'v')
    sets = [policy.frames(t, 7, 'v')['global'] for t in range(4)]
    assert sets == [[order[2], order[1], order[0]], [order[1], order[0], order[3]],
                    [order[0], order[3], order[4]], [order[3], order[4], order[5]]]
    assert sorted(order) == list(range(7))


def test_global_order_depends_on_seed_and_video():
    orders = {GlobalShuffle(seed=seed).order(50, video) for seed in (0, 1) for video in (3, 4)}
    assert len(orders) == 4


def test_reservoir_is_a_bounded_sample_of_the_past():
    policy = GlobalReservoir(4, seed=3)
    counts = np.zeros(60)
    for video_id in range(300):
        held = policy.frames(60, 61, video_id)['global']
        assert len(held) == len(set(held)) == 4
        counts[held] += 1
    assert policy.frames(0, 61)['global'] == [0]
    assert policy.frames(2, 61)['global'] == [0, 1]
    # 20 expected for each frame: a binomial hardly leaves [5, 40]
    assert counts.min() > 5
    assert counts.max() < 40


def test_reservoir_does_not_depend_on_the_order_of_questions():
    policy = GlobalReservoir(4)
    forward = [policy.frames(t, 500, 'x') for t in (5, 400, 30, 499)]
    assert forward[2] == GlobalReservoir(4).frames(30, 500, 'x')
    assert forward == [policy.frames(t, 500, 'x') for t in (5, 400, 30, 499)]


def test_memory_samples_surround_the_middle_of_the_past():
    policy, rng = PrecedingWindow(25, 12, num_samples=3), np.random.default_rng(0)
    drawn = [policy.sample(60, 200, rng)['memory'] for _ in range(200)]
    assert {t for ids in drawn for t in ids} == set(range(23, 48))
    assert all(len(set(ids)) == 3 for ids in drawn)
    early = [t for _ in range(100) for t in policy.sample(3, 200, rng)['memory']]
    assert max(early) <= 12


def test_window_samples_are_distinct_offsets_behind_the_key():
    policy, rng = LocalWindow(12, num_samples=2, sample_key=True), np.random.default_rng(0)
    drawn = [policy.sample(50, 200, rng)['local'] for _ in range(300)]
    assert all(ids[0] == 50 and ids[1] != ids[2] for ids in drawn)
    assert {t for ids in drawn for t in ids[1:]} == set(range(38, 63))


@pytest.mark.parametrize(('key_id', 'before', 'after'), [
    (50, range(41, 50), range(51, 60)), (3, range(3), range(4, 13)), (0, [0], range(1, 10)),
    (99, range(90, 99), [99])])
def test_bilateral_samples_come_from_both_sides(key_id, before, after):
    """All frames of a side alike; the key frame stands in for a side without frames."""
    policy, rng = LocalWindow(9, num_samples=2, bilateral=True), np.random.default_rng(0)
    drawn = [policy.sample(key_id, 100, rng)['local'] for _ in range(300)]
    assert {ids[0] for ids in drawn} == set(before)
    assert {ids[1] for ids in drawn} == set(after)


def test_training_and_testing_may_differ():
    window, spread = LocalWindow(2, num_samples=3), UniformStride(4, max_records=7)
    policy = TrainTestReferences(window, spread)
    drawn = policy.sample(5, 9, np.random.default_rng(0))
    assert drawn == window.sample(5, 9, np.random.default_rng(0))
    assert policy.frames(5, 9) == spread.frames(5, 9)
    assert policy.max_records == 7
    assert policy.lookahead is None
    assert TrainTestReferences(spread, window).lookahead == 2


def test_policies_build_from_configs_and_compare_by_value():
    config = dict(type='ComposedReferences', policies=[dict(type='LocalWindow', radius=3)])
    first, second = build_references(config), build_references(config)
    assert first == second
    assert first != build_references(dict(type='LocalWindow', radius=3))
    assert build_references(first) is first
    assert 'LocalWindow' in repr(first)


BY_ROLE = dict(
    memory=dict(type='PrecedingWindow', distance=25, radius=12),
    local=dict(type='LocalWindow', radius=12),
    global_=dict(type='GlobalShuffle', num_frames=10))


def composed(child=None, base=BY_ROLE):
    """Policies of a base config with the changes of a child."""
    merged = Config(dict(policies=base))
    merged.merge_from_dict(dict(policies=child or {}))
    return ComposedReferences(merged.policies)


def test_roles_are_keys_in_any_order():
    listed = ComposedReferences([LocalWindow(12), PrecedingWindow(25, 12), GlobalShuffle(10)])
    backwards = dict(reversed(BY_ROLE.items()))
    assert composed() == composed(base=backwards) == listed
    assert list(composed().frames(30, 99)) == list(listed.frames(30, 99))
    assert list(composed().sample(30, 99, np.random.default_rng(0))) == [
        'local', 'memory', 'global']


def test_a_dumped_config_draws_the_same():
    config = Config(dict(references=dict(type='ComposedReferences', policies=BY_ROLE)))
    again = Config.fromstring(config.pretty_text, '.py')
    first, second = build_references(config.references), build_references(again.references)
    assert first.sample(30, 99, np.random.default_rng(0)) == second.sample(
        30, 99, np.random.default_rng(0))
    assert first == second


def test_the_key_is_the_role():
    policy = composed(base=dict(near=dict(type='LocalWindow'), far=dict(type='LocalWindow')))
    assert list(policy.frames(3, 9)) == ['far', 'near']


def test_a_child_config_changes_one_number_or_omits_a_role():
    assert composed(dict(local=dict(radius=6))) == ComposedReferences([
        LocalWindow(6), PrecedingWindow(25, 12), GlobalShuffle(10)])
    assert composed(dict(memory=None)) == ComposedReferences([LocalWindow(12), GlobalShuffle(10)])
    replaced = composed(dict(local=dict(_delete_=True, type='CausalWindow', num_frames=5)))
    assert replaced.policies[0] == CausalWindow(5)


@pytest.mark.parametrize(('key_id', 'expected'), [
    (0, [0, 1, 2, 3]), (2, [0, 1, 2, 3, 4, 5]), (5, [2, 3, 4, 5, 6, 7, 8]), (9, [6, 7, 8, 9])])
def test_a_cut_window_stays_inside_and_repeats_nothing(key_id, expected):
    policy, rng = LocalWindow(3, outside='cut', sample_key=True), np.random.default_rng(0)
    assert policy.frames(key_id, 10) == {'local': expected}
    drawn = [policy.sample(key_id, 10, rng)['local'] for _ in range(100)]
    assert all(key == key_id and len(set(others)) == 2 for key, *others in drawn)
    assert {t for _, *others in drawn for t in others} == set(expected)
    strided = LocalWindow(3, stride=2, outside='cut')
    assert strided.frames(key_id, 10)['local'] == [
        t for t in range(key_id - 6, key_id + 7, 2) if 0 <= t < 10]


def test_an_unknown_outside_is_refused():
    with pytest.raises(ValueError, match=r"outside must be one of \('repeat', 'cut'\), got 'skip'"):
        LocalWindow(3, outside='skip')


@pytest.mark.parametrize(('policies', 'message'), [
    (dict(local=dict(type='LocalWindow', role='near')), "policies.local has the role 'near'"),
    (dict(near=LocalWindow(2)), "policies.near has the role 'local', expected 'near'"),
    (BY_ROLE | {'global': dict(num_frames=5)}, "both 'global' and 'global_'"),
    (BY_ROLE | dict(locl=dict(radius=3)), r"policies.locl has no type, only \['radius'\]"),
    (dict(local=None), 'policies is empty'),
])
def test_roles_that_contradict_their_keys_are_refused(policies, message):
    with pytest.raises(ValueError, match=message):
        ComposedReferences(policies)


def test_every_registered_policy_is_tested():
    known = {type(policy) for policy in POLICIES.values()}
    registered = {
        cls for cls in TASK_UTILS.module_dict.values()
        if isinstance(cls, type) and issubclass(cls, ReferencePolicy)
        and cls.__module__.startswith('mmvod_plugins')
    }
    assert registered <= known


def test_one_stream_shuffles_all_videos_in_turn():
    videos = [['a', 9], ['short', 3], ['b', 9], ['c', 10]]
    policy = build_references(dict(type='ShuffledGroups', num_frames=4, videos=videos))
    groups = {video: {tuple(policy.group(key, length, video)) for key in range(length)}
              for video, length in videos}
    for video, length in videos:
        assert sorted(sum(groups[video], ())) == list(range(length))
    assert groups['a'] != groups['b'], 'numbers are drawn anew'
    assert groups['short'] == {(0, 1, 2)}
    without = ShuffledGroups(4, videos=[video for video in videos if video[0] != 'short'])
    assert without.group(0, 10, 'c') == policy.group(0, 10, 'c'), 'it draws nothing'
    for video, length, message in (('c', 11, "'c' has 11 frames, .* 10:"),
                                   ('d', 9, "'d' has 9 frames, .* it does not occur: list the id")):
        with pytest.raises(ValueError, match=message):
            policy.frames(0, length, video)


@pytest.mark.parametrize('config', [
    dict(type='LocalWindow', radius=-1),
    dict(type='LocalWindow', stride=0),
    dict(type='LocalWindow', num_samples=3, bilateral=True),
    dict(type='GlobalShuffle', num_frames=0),
    dict(type='GlobalReservoir', num_frames=0),
    dict(type='UniformStride', num_frames=0),
    dict(type='LocalWindow', max_records=0),
    dict(type='ComposedReferences', policies=[]),
    dict(type='ComposedReferences', policies=[dict(type='LocalWindow'), dict(type='CausalWindow')]),
])
def test_impossible_settings_are_refused(config):
    with pytest.raises(ValueError, match=r'must|empty|even|same role'):
        build_references(config)
