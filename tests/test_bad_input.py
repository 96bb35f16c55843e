"""Bad input from end to end; single functions have their own tests (see docs/bad_input.md)."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmvod_plugins.engine import VideoRunner
from tests.datasets.tiny_vid import make_tiny_vid
from tests.models.tiny import (
    MEGA,
    ONLINE,
    WINDOW,
    detect,
    numbers,
    tiny_model,
    training_batch,
    video,
)
from tests.tools.tiny_video import settings_of

LARGE = dict(
    type='ComposedReferences',
    policies=[
        dict(type='LocalWindow', radius=20, num_samples=30, sample_key=True),
        dict(type='PrecedingWindow', distance=50, radius=30, num_samples=5),
        dict(type='GlobalShuffle', num_frames=40, num_samples=20),
    ])
POLICIES = {'mega': MEGA, 'online': ONLINE, 'window': WINDOW, 'larger than the video': LARGE}


# Videos and references ---------------------------------------------------------------------------


@pytest.mark.parametrize('references', POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize('length', [1, 2, 3])
def test_videos_shorter_than_the_references_are_detected(references, length):
    found = detect(tiny_model(references=references), video(length))
    assert [sample.frame_id for sample in found] == list(range(length))
    assert all(len(sample.pred_instances) for sample in found)


def test_references_larger_than_the_video_train():
    """A policy draws a fixed number of references; frames of short videos repeat."""
    model = tiny_model(references=LARGE).train()
    roles = {'local': [0, 1] * 15 + [0], 'memory': [0] * 5, 'global': [1, 0] * 10}
    assert torch.isfinite(loss_of(model, training_batch(video(2), 1, roles)))


ROLES = {'local': [6, 5, 8], 'memory': [0, 1, 2], 'global': [3, 9]}


def loss_of(model, data):
    losses = model(**model.data_preprocessor(data, True), mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    return total


# Proposals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize('count', [0, 1, 5])
def test_few_proposals_train(count):
    """Fewer than the 8 of a reference frame; without any, ground truth alone trains."""
    model = tiny_model().train()
    rpn = model.detector.rpn_head
    for config in (rpn.test_cfg, model.detector.train_cfg.rpn_proposal):
        config.max_per_img = max(count, 1)
        config.min_bbox_size = 1000 if count == 0 else -1
    assert torch.isfinite(loss_of(model, training_batch(video(10), 6, ROLES)))


@pytest.mark.parametrize('frame_ids', [{0}, {3}, {6}, {2, 3, 4}, set(range(7))])
def test_single_frames_without_proposals_do_not_harm_the_others(frame_ids):
    model = tiny_model()
    original = model.detector.rpn_head.predict

    def predict(feats, samples, rescale):
        results = original(feats, samples, rescale=rescale)
        return [part[:0] if sample.frame_id in frame_ids else part
                for part, sample in zip(results, samples, strict=True)]

    model.detector.rpn_head.predict = predict
    for sample in detect(model, video(7)):
        assert (len(sample.pred_instances) == 0) == (sample.frame_id in frame_ids)
        assert all(torch.isfinite(part).all() for part in numbers([sample]))


# Whole runs --------------------------------------------------------------------------------------


def runner_of(tmp_path, change=lambda content: None, **options):
    """A runner on tiny videos whose annotation file was changed."""
    path = make_tiny_vid(tmp_path / 'videos', lengths=(4, 3))
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    config = Config(settings_of(path, path.parent, 3))
    config.merge_from_dict({'work_dir': str(tmp_path / 'work'), 'log_level': 'ERROR',
                            'experiment_name': tmp_path.name} | options)
    return VideoRunner.from_cfg(config)


def detected_by(runner, monkeypatch):
    """Numbers of all frames that a test detects: (video, frame)."""
    found, original = [], runner.model.detect

    def keep(key, references, memory, rescale=True):
        sample = original(key, references, memory, rescale)
        found.append((sample.video_id, sample.frame_id))
        return sample

    monkeypatch.setattr(runner.model, 'detect', keep)
    return found


@pytest.mark.parametrize('spoil', [
    pytest.param(Path.unlink, id='missing'),
    pytest.param(lambda path: path.write_bytes(path.read_bytes()[:60]), id='cut',
                 marks=pytest.mark.slow)])
def test_a_bad_file_does_not_end_a_test(tmp_path, monkeypatch, spoil):
    runner = runner_of(tmp_path)
    spoil(tmp_path / 'videos/video_0/000002.jpg')
    found = detected_by(runner, monkeypatch)
    with pytest.warns(UserWarning, match=r'000002.jpg cannot be .*; a grey frame is used instead'):
        metrics = runner.test()
    assert found == [(1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1), (2, 2)]
    assert 'coco/bbox_mAP_50' in metrics


def test_a_bad_file_does_not_end_a_training(tmp_path):
    runner = runner_of(tmp_path, **{'train_cfg.max_iters': 4, 'train_cfg.val_interval': 99})
    for frame_id in range(3):
        (tmp_path / f'videos/video_1/{frame_id:06d}.jpg').unlink()
    with pytest.warns(UserWarning, match=r'jpg cannot be read .*; another sample is drawn'):
        runner.train()
    assert (tmp_path / 'work/iter_4.pth').is_file()


def test_a_loss_that_is_not_finite_keeps_what_was_saved(tmp_path):
    runner = runner_of(tmp_path, **{'train_cfg.max_iters': 9, 'optim_wrapper.optimizer.lr': 1e30,
                                    'default_hooks.checkpoint.interval': 1})
    with pytest.raises(FloatingPointError, match=r'not finite .*video_\d/\d+.jpg.*--resume'):
        runner.train()
    assert (tmp_path / 'work/last_checkpoint').is_file()


def empty_frames(content):
    """Leave the annotations of the first frame alone."""
    content['annotations'] = [a for a in content['annotations'] if a['image_id'] == 1]


def bad_boxes(content):
    """Zero area, outside of the image, of a frame that does not exist."""
    first, second, third = content['annotations'][:3]
    first.update(bbox=[5, 5, 0, 0], area=0)
    second.update(bbox=[500, 5, 9, 9])
    third.update(image_id=99)


@pytest.mark.parametrize('change', [empty_frames, bad_boxes])
@pytest.mark.filterwarnings('ignore:.*boxes were dropped:UserWarning')
@pytest.mark.filterwarnings('ignore:.*annotations belong to images:UserWarning')
def test_poor_annotations_train_and_test(tmp_path, monkeypatch, change):
    runner = runner_of(tmp_path, change, **{'train_cfg.max_iters': 2, 'train_cfg.val_interval': 2})
    found = detected_by(runner, monkeypatch)
    runner.train()
    assert len(found) == 7
