"""Detection in frames at hand: equal to the test loop, live input, real videos."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmvod_plugins.apis import detect_frames, init_video_detector
from mmvod_plugins.checkpoints import CheckpointError
from mmvod_plugins.models import VideoDetector
from tests.models.tiny import MEGA, ONLINE, SHAPE, detect, numbers, tiny_config, tiny_model, video

DATA = Path(__file__).resolve().parents[3] / 'shared' / 'data'
PIPELINE = [
    dict(type='ClipTransform', transforms=[
        dict(type='LoadVideoFrame'),
        dict(type='Resize', scale=SHAPE[::-1], keep_ratio=True),
    ]),
    dict(type='PackVideoInputs'),
]


def model_file(tmp_path, references):
    """A tiny model as a config and a checkpoint on disk."""
    config = Config(dict(model=tiny_config(references=references),
                         test_dataloader=dict(dataset=dict(pipeline=PIPELINE))))
    config.dump(tmp_path / 'config.py')
    state = tiny_model(references=references).state_dict()
    meta = dict(dataset_meta=dict(classes=('a', 'b', 'c', 'd')))
    torch.save(dict(state_dict=state, meta=meta), tmp_path / 'model.pth')
    return init_video_detector(tmp_path / 'config.py', tmp_path / 'model.pth')


def as_images(frames):
    return [frame.permute(1, 2, 0).numpy() for frame in frames]


@pytest.mark.parametrize('references', [MEGA, ONLINE], ids=['mega', 'online'])
def test_frames_at_hand_give_what_the_test_loop_gives(tmp_path, references):
    model = model_file(tmp_path, references)
    assert model.dataset_meta['classes'] == ('a', 'b', 'c', 'd')
    frames = video(8)
    expected = detect(tiny_model(references=references), frames, video_id='clip')
    found = list(detect_frames(model, as_images(frames), 8, 'clip'))
    assert [sample.frame_id for sample in found] == list(range(8))
    for a, b in zip(numbers(found), numbers(expected), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_live_input_is_detected_as_it_comes(tmp_path):
    model, frames = model_file(tmp_path, ONLINE), video(8)
    found, count = [], 0

    def camera():
        nonlocal count
        for image in as_images(frames):
            assert len(found) == count  # online: every earlier frame is out already
            count += 1
            yield image

    for sample in detect_frames(model, camera(), None, 'clip'):
        found.append(sample)
    expected = list(detect_frames(model, as_images(frames), 8, 'clip'))
    for a, b in zip(numbers(found), numbers(expected), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_wrong_number_of_frames_is_refused(tmp_path):
    model = model_file(tmp_path, MEGA)
    with pytest.raises(ValueError, match='5 frames came but video_length is 8'):
        list(detect_frames(model, as_images(video(5)), 8))
    with pytest.raises(ValueError, match='has 5 frames, but frame 5 arrived'):
        list(detect_frames(model, as_images(video(8)), 5))
    with pytest.raises(ValueError, match='give the length'):
        list(detect_frames(model, as_images(video(5)), None))


def test_other_models_are_refused(tmp_path):
    config = Config(dict(model=tiny_config('single').detector))
    config.dump(tmp_path / 'config.py')
    with pytest.raises(TypeError, match='builds a FasterRCNN, expected a VideoDetector'):
        init_video_detector(tmp_path / 'config.py')


@pytest.mark.parametrize('name', ['highway_motorcycle.mp4', 'pedestrian_street_night.mp4'])
def test_real_video_goes_from_decoding_to_detections(tmp_path, name):
    if not (DATA / name).exists():
        pytest.skip('no real videos beside the repository')
    capture, frames = cv2.VideoCapture(str(DATA / name)), []
    while len(frames) < 12:
        there, frame = capture.read()
        if not there:
            break
        frames.append(frame)
    model = model_file(tmp_path, MEGA)
    assert isinstance(model, VideoDetector)
    found = list(detect_frames(model, frames, len(frames), name))
    assert len(found) == len(frames) >= 8
    height, width = frames[0].shape[:2]
    boxes = np.concatenate([sample.pred_instances.bboxes.numpy() for sample in found])
    assert len(boxes) > 0
    assert boxes.min() >= -1
    assert boxes[:, 2].max() > width / 2  # in pixels of the original frame
    assert boxes.max() <= max(height, width) + 1


def test_a_backbone_that_gives_nan_is_not_silent(tmp_path):
    model = model_file(tmp_path, ONLINE)
    next(model.detector.backbone.parameters()).data.fill_(float('nan'))
    with pytest.raises(FloatingPointError, match=r'the backbone .* gives NaN'):
        list(detect_frames(model, as_images(video(3)), 3))


def test_a_checkpoint_with_code_is_refused(tmp_path):
    model_file(tmp_path, ONLINE)
    torch.save(dict(state_dict={}, meta=Path('x')), tmp_path / 'more.pth')
    with pytest.raises(CheckpointError, match=r'more\.pth .*would run pathlib'):
        init_video_detector(tmp_path / 'config.py', tmp_path / 'more.pth')
    content = torch.load(tmp_path / 'model.pth', weights_only=True)
    torch.save(dict(content, more=Path('x')), tmp_path / 'more.pth')
    init_video_detector(tmp_path / 'config.py', tmp_path / 'more.pth', trust=True)


@pytest.mark.parametrize(('dataset', 'expected'), [
    (dict(type='CocoVIDDataset', metainfo=dict(classes=('a', 'b'))), ('a', 'b')),
    (dict(type='ImageNetVIDDataset'), 'airplane'), (dict(), None)], ids=['config', 'class', 'none'])
def test_names_come_from_the_data_where_the_checkpoint_has_none(tmp_path, dataset, expected):
    model_file(tmp_path, ONLINE)
    config = Config.fromfile(tmp_path / 'config.py')
    config.test_dataloader.dataset.update(dataset)
    for meta in ({}, dict(meta=None), dict(meta=dict(dataset_meta=None))):
        torch.save(dict(state_dict=tiny_model(references=ONLINE).state_dict(), **meta),
                   tmp_path / 'bare.pth')
        classes = init_video_detector(config, tmp_path / 'bare.pth').dataset_meta.get('classes')
        assert expected in (classes, classes and classes[0])
