"""Sessions: frames pushed one by one; any number of them share a model."""

import threading

import numpy as np
import pytest
import torch

from mmvod_plugins.apis import VideoSession
from mmvod_plugins.references import GlobalReservoir, global_reservoir
from tests.models.tiny import MEGA, ONLINE, WINDOW, detect, numbers, tiny_model, video

from .test_inference import as_images, model_file


def run(session, frames):
    """What every push and the end of a video give."""
    return [*(session.push(image) for image in as_images(frames)), session.close()]


def assert_same(found, expected):
    for a, b in zip(numbers(found), numbers(expected), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(('references', 'delay'), [(ONLINE, 0), (WINDOW, 2), (None, 0)],
                         ids=['online', 'window', 'single frames'])
def test_every_push_gives_the_frames_that_it_completes(tmp_path, references, delay):
    model, frames = model_file(tmp_path, references), video(7)
    session = VideoSession(model, 0)
    steps = run(session, frames)
    assert session.delay == delay
    assert [len(step) for step in steps] == [0] * delay + [1] * (7 - delay) + [delay]
    found = [sample for step in steps for sample in step]
    assert [sample.frame_id for sample in found] == list(range(7))
    assert_same(found, detect(tiny_model(references=references), frames))
    assert session.num_frames == 7


def test_with_a_length_the_whole_video_is_at_hand(tmp_path):
    model, frames = model_file(tmp_path, MEGA), video(7)
    session = VideoSession(model, 0, video_length=7)
    assert session.delay is None
    found = [sample for step in run(session, frames) for sample in step]
    assert_same(found, detect(tiny_model(references=MEGA), frames))
    with pytest.raises(ValueError, match='GlobalShuffle needs the whole video'):
        VideoSession(model)


@pytest.mark.parametrize('ids', [(0, 0), (None, None), ('a', 'b')], ids=str)
def test_sessions_in_turn_do_not_mix(tmp_path, ids):
    model, videos = model_file(tmp_path, ONLINE), [video(6), video(6, seed=1)]
    sessions = [VideoSession(model, i) for i in ids]
    alone = [[sample for step in run(VideoSession(model, session.video_id), frames)
              for sample in step] for session, frames in zip(sessions, videos, strict=True)]
    together = [[], []]
    for images in zip(*map(as_images, videos), strict=True):
        for found, session, image in zip(together, sessions, images, strict=True):
            found += session.push(image)
    for found, session, expected in zip(together, sessions, alone, strict=True):
        assert_same([*found, *session.close()], expected)


def test_sessions_in_threads_do_not_mix(tmp_path):
    model, frames = model_file(tmp_path, ONLINE), [video(6, seed=i) for i in range(3)]
    alone = [[sample for step in run(VideoSession(model, 'same'), part) for sample in step]
             for part in frames]
    found = [None] * 3

    def work(i):
        steps = run(VideoSession(model, 'same'), frames[i])
        found[i] = [sample for step in steps for sample in step]

    threads = [threading.Thread(target=work, args=(i, )) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, expected in zip(found, alone, strict=True):
        assert_same(one, expected)


def test_ids_of_their_own_differ(tmp_path):
    model = model_file(tmp_path, None)
    assert VideoSession(model).video_id != VideoSession(model).video_id


def test_what_a_session_refuses(tmp_path):
    model, images = model_file(tmp_path, ONLINE), as_images(video(3))
    session = VideoSession(model, 'clip')
    session.push(images[0])
    with pytest.raises(ValueError, match=r'clip: frame 1.*need one size'):
        session.push(images[1][:32])
    assert len(session.push(images[1])) == 1  # nothing was lost
    assert session.close() == session.close() == []
    with pytest.raises(ValueError, match='the session is closed; make a new VideoSession'):
        session.push(images[2])
    short = VideoSession(model, 'clip', video_length=3)
    short.push(images[0])
    with pytest.raises(ValueError, match='1 frames came but video_length is 3'):
        short.close()


def test_grey_frames_are_detected_as_colour_frames_without_colour(tmp_path):
    model, frames = model_file(tmp_path, None), [image[..., 0] for image in as_images(video(2))]
    colour, grey = VideoSession(model, 0), VideoSession(model, 0)
    for i, frame in enumerate(frames):
        expected = colour.push(np.repeat(frame[..., None], 3, axis=2))
        assert_same(grey.push(frame if i else frame[..., None]), expected)


@pytest.mark.parametrize('frame', [
    None, np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8),
    np.zeros(9, np.uint8), 'frame.jpg'], ids=['None', 'RGBA', 'float', 'empty', 'row', 'path'])
def test_what_is_no_image_is_refused_by_its_number(tmp_path, frame):
    session = VideoSession(model_file(tmp_path, None), 'clip')
    session.push(as_images(video(1))[0])
    with pytest.raises(ValueError, match=r'clip: frame 1 is .*expected a uint8 array \(H, W, 3\)'):
        session.push(frame)


def test_streams_of_one_id_share_the_reservoir_s_history(monkeypatch):
    """Wherever each of them is: no priority is drawn twice."""
    drawn, original = [], global_reservoir.video_rng
    monkeypatch.setattr(global_reservoir, 'video_rng',
                        lambda *args: drawn.append(args) or original(*args))
    policy = GlobalReservoir(10)
    for t in range(5000, 5040):
        policy.frames(t, t + 1, 'camera')
        policy.frames(t - 3000, t + 1, 'camera')
    assert len(drawn) == len(set(drawn)) == 20  # blocks of 256 frames
    fresh = GlobalReservoir(10)
    for t in (3, 700, 2000, 5039):
        assert fresh.frames(t, t + 1, 'camera') == policy.frames(t, t + 1, 'camera')


def test_the_memo_of_the_reservoir_is_bounded_and_no_part_of_its_value():
    policy = GlobalReservoir(4)
    for i in range(200):
        policy.frames(300, 301, i)
    assert len(policy._histories) == 64
    assert max(len(history.entries) for history in policy._histories.values()) < 100
    assert policy == GlobalReservoir(4)
    assert '_histories' not in repr(policy)
