"""Streams with plain integers as records."""

from itertools import product

import numpy as np
import pytest

from mmvod_plugins.references import ComposedReferences, GlobalShuffle, LocalWindow
from mmvod_plugins.streaming import StreamPool, VideoStream

from ..references.policies import LIVE, POLICIES

every_policy = pytest.mark.parametrize('policy', POLICIES.values(), ids=POLICIES)
live_policy = pytest.mark.parametrize('policy', [POLICIES[name] for name in LIVE], ids=LIVE)


def feed(stream, order, chunk=1):
    """Add frames in an order, ``chunk`` at a time; return what became ready."""
    out = []
    for start in range(0, len(order), chunk):
        for frame_id in order[start:start + chunk]:
            stream.add(frame_id, frame_id)
        out += list(stream.ready())
    return out


def expected(policy, video_length, video_id=0):
    return [(t, policy.frames(t, video_length, video_id)) for t in range(video_length)]


@every_policy
def test_every_key_frame_leaves_once_in_order_with_its_references(policy):
    for length, chunk in product((1, 2, 3, 7, 12), (1, 3)):
        natural = list(range(length))
        for order in (policy.schedule(length), natural, natural[::-1],
                      np.random.default_rng(0).permutation(length).tolist()):
            stream = VideoStream(policy, 0, length)
            assert feed(stream, order, chunk) == expected(policy, length), (order, chunk)
            assert stream.finished
            assert stream.held == []


def measured_peak(stream, order):
    """The most frames that were held at once while the frames came one by one."""
    peak = 0
    for frame_id in order:
        stream.add(frame_id, frame_id)
        peak = max(peak, len(stream.held))
        list(stream.ready())
    assert stream.finished
    return peak


@every_policy
def test_policy_states_its_peak(policy):
    for length in (1, 9, 40):
        stream = VideoStream(policy, 0, length)
        peak = measured_peak(stream, policy.schedule(length))
        assert peak == stream.peak == policy.peak_records(length)


@every_policy
def test_a_bounded_stream_gives_every_key_frame_and_stays_within_its_bound(policy):
    for length in (1, 5, 40):
        least = max(len(policy.needed(key_id, length)) for key_id in range(length))
        for bound in (least, least + 1):
            bounded = ComposedReferences([policy], max_records=bound)
            order = bounded.schedule(length)
            assert feed(VideoStream(bounded, 0, length), order) == expected(policy, length)
            peak = measured_peak(VideoStream(bounded, 0, length), order)
            assert peak == bounded.peak_records(length) <= bound


@pytest.mark.parametrize('bound', [13, 16, 30])
def test_bound_gives_the_same_key_frames(bound):
    free = ComposedReferences([LocalWindow(4), GlobalShuffle(4)])
    capped = ComposedReferences([LocalWindow(4), GlobalShuffle(4)], max_records=bound)
    schedule = capped.schedule(60, 7)
    stream = VideoStream(capped, 7, 60)
    assert feed(stream, schedule) == expected(free, 60, 7)
    assert stream.peak <= bound < free.peak_records(60, 7)
    assert len(schedule) > 60
    assert set(schedule) == set(range(60))


def through(pool, frames):
    """Key frames that leave while frames of one video go through a pool."""
    out = []
    for frame_id in frames:
        stream = pool.stream_for('v', 30, frame_id)
        stream.add(frame_id, frame_id)
        out += [key for key, _ in stream.ready()]
    return out


def test_bounded_video_that_was_cut_off_starts_anew():
    policy = ComposedReferences([LocalWindow(2), GlobalShuffle(3)], max_records=9)
    schedule = policy.schedule(30, 'v')
    for cut in range(1, len(schedule)):
        if schedule[cut] == schedule[0]:
            continue  # a new pass looks like the old one going on; CloseStreamsHook ends that one
        pool = StreamPool(policy)
        through(pool, schedule[:cut])
        with pytest.warns(UserWarning, match='started anew'):
            assert through(pool, schedule) == list(range(30))


def test_bounded_stream_refuses_another_order():
    policy = ComposedReferences([LocalWindow(2), GlobalShuffle(3)], max_records=9)
    wrong = policy.schedule(30, 'v')[1]
    with pytest.raises(ValueError, match='come in the order of the schedule: use VideoStreamSampl'):
        VideoStream(policy, 'v', 30).add(wrong, wrong)


@pytest.mark.parametrize('name', ['window', 'one_sided', 'causal', 'reservoir', 'uniform'])
def test_memory_is_flat_without_a_shuffle(name):
    policy = POLICIES[name]
    assert policy.peak_records(3000) == policy.peak_records(60) < 30


@live_policy
def test_live_stream_equals_known_length(policy):
    for length in (1, 2, 9, 30):
        stream = VideoStream(policy, 0, None)
        out = feed(stream, list(range(length)))
        assert len(out) == max(0, length - policy.lookahead)
        assert out + list(stream.close()) == expected(policy, length)
        assert stream.finished


@live_policy
def test_live_memory_is_flat(policy):
    peaks = []
    for video_length in (60, 3000):
        stream = VideoStream(policy, 0, None)
        feed(stream, list(range(video_length)))
        peaks.append(stream.peak)
    assert peaks[0] == peaks[1] < 30


def test_two_streams_do_not_share_frames():
    policy = LocalWindow(1)
    first, second = VideoStream(policy, 'a', 3), VideoStream(policy, 'b', 3)
    out = []
    for frame_id in range(3):
        first.add(frame_id, ('a', frame_id))
        second.add(frame_id, ('b', frame_id))
        out += [*first.ready(), *second.ready()]
    for key, roles in out:
        assert all(record[0] == key[0] for record in roles['local'])


BAD = [
    ('outside', dict(video_length=3), [3], 'has 3 frames, but frame 3'),
    ('negative', dict(video_length=3), [-1], 'has 3 frames, but frame -1'),
    ('twice', dict(video_length=3), [1, 1], 'frame 1 arrived twice'),
    ('live with a gap', dict(video_length=None), [0, 2], 'frame 1 was due'),
]


@pytest.mark.parametrize(('options', 'frames', 'message'), [row[1:] for row in BAD],
                         ids=[row[0] for row in BAD])
def test_wrong_frames_are_refused(options, frames, message):
    stream = VideoStream(LocalWindow(1), 'v', **options)
    with pytest.raises(ValueError, match=message):
        feed(stream, frames)


def test_unknown_length_is_refused_where_it_is_needed():
    with pytest.raises(ValueError, match='give the length'):
        VideoStream(GlobalShuffle(), 0, None)
    with pytest.raises(ValueError, match='video_length must be at least 1'):
        VideoStream(LocalWindow(), 0, 0)


def test_missing_names_what_the_due_key_frame_waits_for():
    stream = VideoStream(LocalWindow(1), 0, 4)
    feed(stream, [0, 3])
    assert stream.missing() == [1]


def test_pool_keeps_videos_apart_and_forgets_finished_ones():
    pool = StreamPool(LocalWindow(0), init_memory=list)
    first, second = pool.stream_for('a', 2, 0), pool.stream_for('b', 1, 0)
    assert first is not second
    assert first.memory is not second.memory
    feed(second, [0])
    pool.release(second)
    pool.release(first)
    assert len(pool) == 1
    assert pool.stream_for('a', 2, 0) is first


def test_pool_starts_a_video_anew_when_a_frame_comes_again():
    pool = StreamPool(LocalWindow(1))
    first = pool.stream_for('a', 5, 0)
    feed(first, [0, 1])
    with pytest.warns(UserWarning, match='video a is given up .the video started anew.: 4 of 5'):
        assert pool.stream_for('a', 5, 0) is not first


def test_pool_is_bounded():
    pool = StreamPool(LocalWindow(1), max_open=2)
    for video_id in 'ab':
        pool.stream_for(video_id, 5, 0)
    with pytest.warns(UserWarning, match='video a is given up .more than 2'):
        pool.stream_for('c', 5, 0)
    with pytest.warns(UserWarning, match='waits for frames .0, 1.'):
        pool.clear()
    assert len(pool) == 0


def test_mega_peak_is_about_half_of_a_long_video():
    """The whole-video shuffle of MEGA keeps about half of the video; the policy says so."""
    mega = ComposedReferences([LocalWindow(12), GlobalShuffle(10)])
    assert 130 < mega.peak_records(300) < 200
    assert 1300 < mega.peak_records(2898) < 1600
