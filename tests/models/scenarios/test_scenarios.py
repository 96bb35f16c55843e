"""A method is new files: parts outside of the package train, detect, remember and are saved."""

import copy

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import BaseDataElement
from torch.nn import functional

from ..tiny import batch, detect, numbers, tiny_config, training_batch, video
from ..tiny_ogemn import ogemn_config, ogemn_model
from . import parts  # noqa: F401 - registers them
from .detectors import detector_of, video_model

WINDOW = dict(type='LocalWindow', radius=1, num_samples=2)


def pulling_model(**settings):
    config = tiny_config('mega', WINDOW)
    config.detector.roi_head.aggregator = dict(type='PullingAggregator', channels=32)
    config.pop('type')
    return video_model(**config, **settings)


def models(**settings):
    """A model with each of the parts."""
    return {
        'aggregator with a loss': pulling_model(**settings),
        'dense head with a memory': video_model(
            detector_of('retinanet', type='RememberingRetinaHead'), references=WINDOW, **settings),
        'query head': video_model(
            detector_of('deformable_detr', type='AttendingDeformableHead'), references=WINDOW,
            **settings),
        'query head of DINO': video_model(
            detector_of('dino', type='AttendingDINOHead'), references=WINDOW, **settings),
        'neck with scale and memorize': video_model(
            detector_of('retinanet'), references=dict(type='EveryThird'),
            temporal_neck=dict(type='FoundNeck'), **settings),
        'neck and head with memories': ogemn_model(
            'rfcn_r101', config=ConfigDict(ogemn_config('rfcn_r101'), **settings)),
    }


NAMES = tuple(models())
every_part = pytest.mark.parametrize('name', NAMES)


def same(first, second):
    return [a.shape == b.shape and torch.equal(a, b)
            for a, b in zip(numbers(first), numbers(second), strict=True)]


@every_part
def test_it_detects_every_frame_and_other_frames_matter(name):
    model, frames = models()[name], video(6)
    found = detect(model, frames)
    assert [sample.frame_id for sample in found] == list(range(6))
    assert all(len(part) and torch.isfinite(part).all() for part in numbers(found))
    other = frames.clone()
    other[0] = video(1, seed=9)[0]
    after = same(found, detect(model, other))
    remembers = 'memor' in name
    assert after == [False, False] + [not remembers] * 4


@every_part
def test_order_and_batches_do_not_matter(name):
    model, frames = models(encode_batch=1)[name], video(6)
    expected = detect(model, frames)
    assert all(same(expected, detect(model, frames, batch_size=4)))
    assert all(same(expected, detect(model, frames, order=[5, 4, 3, 2, 1, 0])))


@every_part
def test_it_trains_and_every_parameter_has_a_gradient(name):
    model = models()[name].train()
    roles = {role: [2, 4, 1][:count] for role, count in model.policy.draws.items() if count}
    data = model.data_preprocessor(training_batch(video(6), 3, roles, copies=2), training=True)
    losses = model(**data, mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total)
    own = {'aggregator with a loss': 'aggregator.linear', 'query head': 'attention',
           'query head of DINO': 'attention'}.get(name)
    for part in model.parts:
        for key, parameter in part.named_parameters():
            if not parameter.requires_grad:
                continue
            assert parameter.grad is not None
            # the bias of an attention's keys cancels in its softmax
            if own and own in key and 'bias' not in key:
                assert parameter.grad.abs().sum() > 0, key
    if name == 'aggregator with a loss':
        assert losses['loss_pull'] > 0
        model.zero_grad()
        losses_again = model(**model.data_preprocessor(
            training_batch(video(6), 3, roles, copies=2), training=True), mode='loss')
        losses_again['loss_pull'].backward()
        assert model.adapter.head.embedding.fc.weight.grad.abs().sum() > 0
    if name == 'dense head with a memory':
        assert losses['loss_likeness'] > 0


@every_part
@torch.no_grad()
def test_a_step_changes_nothing_and_is_the_same_twice(name):
    model = models()[name]
    data = model.data_preprocessor(batch(video(4), range(4)), False)
    records = list(model.encode(data['inputs'], data['data_samples']))
    memory = model.init_memory()
    references = {'local': records[:3]} if model.policy.draws.get('local') else {}
    model.detect(records[0], references, memory)
    before = copy.deepcopy((records, memory))
    steps = [model.key_frames.step(records[1], references, memory) for _ in range(2)]
    assert torch.equal(steps[0].raw.bboxes, steps[1].raw.bboxes)
    assert torch.equal(steps[0].raw.scores, steps[1].raw.scores)
    assert_alike(before, (records, memory))


def assert_alike(one, other):
    """All tensors that two objects reach are equal."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_alike(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_alike(a, b)
    elif isinstance(one, BaseDataElement):
        assert_alike(one.to_dict(), other.to_dict())
        assert_alike(dict(one.metainfo_items()), dict(other.metainfo_items()))
    elif hasattr(one, '__dict__'):
        assert_alike(vars(one), vars(other))
    else:
        assert one == other


OPTIONS = [dict(score_thr=0.3), dict(score_thr=0.0001), dict(nms=False)]


@pytest.mark.parametrize('name', ['dense head with a memory', 'neck with scale and memorize',
                                  'neck and head with memories'])
@pytest.mark.parametrize('options', OPTIONS, ids=str)
@torch.no_grad()
def test_what_is_remembered_does_not_depend_on_the_output(name, options):
    """Memories get the detections that ``test_cfg`` names, in pixels of the network input."""
    frames = video(5)

    def written(model, rescale=True):
        found, part = [], model.parts[0]
        original = part.write
        part.write = lambda memory, step, boxes: (
            found.append(torch.cat([boxes.bboxes, boxes.scores[:, None]], 1)),
            original(memory, step, boxes))[1]
        for t in range(5):
            data = batch(frames, [t], scale_factor=(0.5, 0.25), ori_shape=(256, 192))
            data = model.data_preprocessor(data, False)
            model.predict(data['inputs'], data['data_samples'], rescale=rescale)
        return found

    expected = written(models()[name])
    assert len(expected) == (5 if 'head' in name else 2)
    assert all(len(part) for part in expected)
    assert_alike(expected, written(models(detections=options)[name]))
    assert_alike(expected, written(models()[name], rescale=False))


# Scales ------------------------------------------------------------------------------------------


@torch.no_grad()
def test_small_frames_are_detected_in_original_pixels_and_not_remembered():
    model, frames = models()['neck with scale and memorize'], video(6)
    data = model.data_preprocessor(batch(frames, range(6)), False)
    records = list(model.encode(data['inputs'], data['data_samples']))
    assert [record.plan.memorize for record in records] == [True, False, False] * 2
    for record in records:
        scale = record.plan.scale
        assert record.sample.img_shape == (64 * scale, 96 * scale)
        assert record.sample.scale_factor == (scale, scale)
        assert record.maps[0].shape[-2:] == ((8, 12) if scale == 1 else (4, 8))  # padded to 32
    memory = model.init_memory()
    found = [model.detect(record, {}, memory) for record in records]
    assert list(memory.neck) == [0, 3]
    small = found[1].pred_instances.bboxes
    assert small[:, 2].max() > 60  # more than the 48 pixels of the small frame
    assert 'scale_factor' in records[1].sample


@torch.no_grad()
def test_a_small_frame_is_the_resized_image():
    model, frames = models()['neck with scale and memorize'], video(2)
    data = model.data_preprocessor(batch(frames, [1]), False)
    [record] = model.encode(data['inputs'], data['data_samples'])
    small = functional.interpolate(data['inputs'][:, 0], size=(32, 48), mode='bilinear')
    small = functional.pad(small, (0, 16))
    for mine, theirs in zip(record.maps, model.detector.extract_feat(small), strict=True):
        torch.testing.assert_close(mine, theirs)
