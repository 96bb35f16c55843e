"""Live input: frames in order, a length that nobody knows, the model's own steps."""

import pytest
import torch

from mmvod_plugins.streaming import VideoStream

from .tiny import MEGA, ONLINE, WINDOW, batch, detect, numbers, tiny_model, video


def live(model, frames):
    """Detect as a camera's loop does; yields the frames that each step gives."""
    stream = VideoStream(model.policy, video_length=None, memory=model.init_memory(),
                         shrink=model.encoder.shrink)
    for frame_id in range(len(frames)):
        data = model.data_preprocessor(batch(frames, [frame_id]), False)
        [record] = model.encode(data['inputs'], data['data_samples'])
        yield model.advance(stream, record)
    yield model.detect_ready(stream.close(), stream.memory)


@torch.no_grad()
@pytest.mark.parametrize(('references', 'delay'), [(ONLINE, 0), (WINDOW, 2), (None, 0)],
                         ids=['online', 'window', 'single frames'])
def test_live_input_gives_the_detections_of_the_whole_video(references, delay):
    frames = video(7)
    model = tiny_model(references=references)
    steps = list(live(model, frames))
    assert [len(step) for step in steps] == [0] * delay + [1] * (7 - delay) + [delay]
    found, expected = [sample for step in steps for sample in step], detect(model, frames)
    for ours, theirs in zip(numbers(found), numbers(expected), strict=True):
        assert torch.equal(ours, theirs)
    assert [sample.frame_id for sample in found] == list(range(7))


def test_a_shuffle_of_the_whole_video_refuses_live_input():
    model = tiny_model(references=MEGA)
    with pytest.raises(ValueError, match=r'GlobalShuffle needs the whole video.*CausalWindow'):
        VideoStream(model.policy, video_length=None)
