"""The video detector: equal to stock mmdet, each frame once, no state, any order."""

import copy

import pytest
import torch
from mmdet.models.data_preprocessors import TrackDataPreprocessor
from mmdet.registry import MODELS
from mmdet.structures import TrackDataSample
from mmengine.config import ConfigDict
from mmengine.structures import BaseDataElement

from mmvod_plugins.engine import watch_backbone
from mmvod_plugins.models import NeckStep, TemporalNeck, VideoDataPreprocessor, VideoDetector
from mmvod_plugins.models.layers.roi_align import use_cpu_roi_align

from .tiny import (
    MEGA,
    ONLINE,
    SHAPE,
    WINDOW,
    batch,
    clip_of,
    detect,
    numbers,
    sample_of,
    tiny_config,
    tiny_model,
    training_batch,
    video,
)

ROLES = {'local': [6, 5, 8], 'memory': [0, 1, 2], 'global': [3, 9]}


def assert_same(first, second, **tolerance):
    assert len(first) == len(second)
    for a, b in zip(numbers(first), numbers(second), strict=True):
        torch.testing.assert_close(a, b, **(tolerance or dict(rtol=0, atol=0)))


def assert_same_losses(model, plain):
    """A video model's losses are those of the plain detector, for clips without references."""
    data = training_batch(video(3), 1, {}, copies=2)
    flat = dict(inputs=[clip[0] for clip in data['inputs']],
                data_samples=[clip[0] for clip in data['data_samples']])
    torch.manual_seed(3)
    losses = losses_of(model, data)
    torch.manual_seed(3)
    expected = losses_of(plain, flat)
    assert set(losses) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, rtol=0, atol=0)


def plain_detector(model, config, *, same_sums=True):
    """The wrapped detector as a plain mmdet model with the same weights and preprocessing.

    ``same_sums``: its RoIAlign has the order of sums of those of video detectors on a CPU.
    """
    settings = copy.deepcopy(config.detector)
    settings.data_preprocessor = ConfigDict(config.data_preprocessor, type='DetDataPreprocessor')
    plain = MODELS.build(settings)
    if same_sums:
        use_cpu_roi_align(plain)
    plain.load_state_dict(model.detector.state_dict())
    return plain.eval()


@torch.no_grad()
@pytest.mark.parametrize('shape', [SHAPE, (50, 70)])
def test_without_references_detections_equal_stock_mmdet_bit_for_bit(shape):
    config = tiny_config('single')
    model = tiny_model('single')
    plain = plain_detector(model, config)
    frames = video(4, shape=shape)
    found = detect(model, frames)
    assert max(len(s.pred_instances) for s in found) > 5
    for frame, sample in zip(frames, found, strict=True):
        expected = plain.test_step(
            dict(inputs=[frame], data_samples=[sample_of(sample.frame_id, 4, shape)]))
        assert_same(expected, [sample])


def test_without_references_losses_equal_stock_mmdet():
    config, model = tiny_config('single'), tiny_model('single').train()
    plain = plain_detector(model, config).train()
    assert_same_losses(model, plain)


@pytest.mark.parametrize('references', [MEGA, ONLINE, WINDOW], ids=['mega', 'online', 'window'])
def test_every_frame_is_detected_once_and_in_order(references):
    found = detect(tiny_model(references=references), video(9))
    assert [sample.frame_id for sample in found] == list(range(9))


@pytest.mark.parametrize('references', [MEGA, ONLINE], ids=['mega', 'online'])
def test_every_frame_passes_backbone_rpn_and_embedding_once(references):
    model, passed = tiny_model(references=references), {'backbone': 0, 'rpn': 0, 'embedding': 0}
    parts = {'backbone': model.detector.backbone, 'rpn': model.detector.rpn_head}
    for name, part in parts.items():
        part.register_forward_hook(
            lambda _, args, __, name=name: passed.__setitem__(
                name, passed[name] + len(args[0] if name == 'backbone' else args[0][0])))
    model.adapter.head.embedding.register_forward_hook(
        lambda *_: passed.__setitem__('embedding', passed['embedding'] + 1))
    detect(model, video(11))
    assert passed == {'backbone': 11, 'rpn': 11, 'embedding': 11}


ORDERS = {'scheduled': None, 'natural': list(range(9)), 'reversed': list(range(9))[::-1]}


@pytest.mark.parametrize('references', [MEGA, ONLINE], ids=['mega', 'online'])
def test_any_order_gives_the_same_bits(references):
    frames, model = video(9), tiny_model(references=references)
    expected = detect(model, frames)
    for order in ORDERS.values():
        assert_same(detect(model, frames, order), expected)


@pytest.mark.parametrize('batch_size', [2, 3, 20])
def test_batch_size_does_not_change_a_bit_with_one_frame_per_pass(batch_size):
    frames, model = video(9), tiny_model()
    expected = detect(model, frames)
    model.encode_batch = 1
    assert_same(detect(model, frames, batch_size=batch_size), expected)


def test_a_backbone_with_channels_last_gives_the_same_maps_within_rounding():
    frames, model = video(9), tiny_model()
    config = tiny_config()
    config.channels_last = True
    other = MODELS.build(config).eval()
    other.load_state_dict(model.state_dict())
    conv = next(module for module in other.detector.backbone.modules()
                if isinstance(module, torch.nn.Conv2d) and module.in_channels > 1)
    assert conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert len(detect(other, frames)) == 9
    maps, expected = (m.double().adapter.maps(frames.double()) for m in (other, model))
    assert all(level.is_contiguous() for level in maps)
    torch.testing.assert_close(maps, expected, rtol=1e-9, atol=1e-9)


PARTS = ['detector.backbone', 'detector.rpn_head']


def compiled_model(**compiled):
    config = tiny_config()
    config.compiled = dict(compiled)
    return MODELS.build(config).eval()


@pytest.mark.skipif(not hasattr(torch.nn.Module, 'compile'), reason='torch before 2.2')
def test_compiled_parts_detect_the_same():
    """A backend that only counts needs no compiler of C++."""
    frames, model, graphs = video(9), tiny_model(), []

    def count(graph, _):
        graphs.append(graph)
        return graph.forward

    other = compiled_model(names=PARTS, backend=count)
    other.load_state_dict(model.state_dict())
    assert_same(detect(other, frames), detect(model, frames), rtol=1e-4, atol=1e-4)
    assert len(graphs) >= len(PARTS)


@pytest.mark.skipif(not hasattr(torch.nn.Module, 'compile'), reason='torch before 2.2')
def test_maps_of_a_compiled_backbone_are_in_the_usual_order():
    model = compiled_model(names='detector.backbone', backend='eager')
    model.detector.backbone.to(memory_format=torch.channels_last)
    assert all(level.is_contiguous() for level in model.adapter.maps(video(2).float()))


@pytest.mark.skipif(not hasattr(torch.nn.Module, 'compile'), reason='torch before 2.2')
def test_a_compiled_backbone_is_still_watched():
    model = compiled_model(names=['detector.backbone'], backend='aot_eager')
    watch_backbone(model)
    detect(model, video(3))
    next(model.detector.backbone.parameters()).data.fill_(float('nan'))
    with pytest.raises(FloatingPointError, match='gives NaN'):
        detect(model, video(3))


@pytest.mark.parametrize(('compiled', 'message'), [
    (dict(names=['backbone']), r"no part 'backbone'.*detector\.backbone"),
    (dict(names=['detector.roi_head']), 'called as a whole'),
    (dict(names=['detector.backbone'], mode='reduce-overhead'), 'CUDA graphs'),
    (dict(names=['detector.backbone'], backend='cudagraphs'), 'CUDA graphs')])
def test_what_cannot_be_compiled_is_said(compiled, message):
    with pytest.raises(ValueError, match=message):
        compiled_model(**compiled)


def test_batched_encoding_agrees_within_rounding():
    frames, model = video(9), tiny_model()
    expected = detect(model, frames)
    assert_same(detect(model, frames, batch_size=4), expected, rtol=0, atol=0.01)


def test_a_whole_video_in_one_sample_is_detected():
    frames, model = video(6), tiny_model()
    expected = detect(model, frames, list(range(6)))
    model.encode_batch = 1
    clip = clip_of([sample_of(t, 6) for t in range(6)])
    results = model.test_step(dict(inputs=[frames], data_samples=[clip]))
    assert_same([result[0] for result in results], expected)


def test_padding_of_a_batch_is_cropped():
    """A small video in a batch with a large one is detected as if it were alone."""
    small, large = video(3, shape=(48, 64)), video(3, seed=1)
    model = tiny_model(references=WINDOW)
    alone = detect(model, small, list(range(3)))
    found = []
    for t in range(3):
        mixed = [batch(small, [t]), batch(large, [t], video_id=1)]
        results = model.test_step({
            key: [value for part in mixed for value in part[key]] for key in mixed[0]
        })
        found += [r[0] for r in results if isinstance(r, TrackDataSample) and r[0].video_id == 0]
    assert_same(found, alone)


def test_two_videos_in_turn_do_not_mix():
    first, second, model = video(6), video(6, seed=1), tiny_model()
    alone = [detect(model, first), detect(model, second, video_id=1)]
    together = {0: [], 1: []}
    schedules = [model.policy.schedule(6, 0), model.policy.schedule(6, 1)]
    for a, b in zip(*schedules, strict=True):
        for frames, frame_id, video_id in ((first, a, 0), (second, b, 1)):
            results = model.test_step(batch(frames, [frame_id], video_id=video_id))
            together[video_id] += [r[0] for r in results if isinstance(r, TrackDataSample)]
    assert_same(together[0], alone[0])
    assert_same(together[1], alone[1])


def test_references_change_detections():
    frames, other = video(7), video(7, seed=9)
    other[3] = frames[3]
    model = tiny_model()
    first, second = detect(model, frames)[3], detect(model, other)[3]
    assert not torch.equal(numbers([first])[0][:5], numbers([second])[0][:5])


def test_memory_changes_detections_only_after_it_was_written():
    frames = video(9)
    remembering, forgetful = tiny_model(), tiny_model(memory_size=0)
    first, second = detect(remembering, frames), detect(forgetful, frames)
    assert_same(first[:1], second[:1])
    assert not torch.equal(numbers(first[8:])[0][:5], numbers(second[8:])[0][:5])


def test_nothing_of_a_video_is_left_behind():
    model = tiny_model()
    before = set(vars(model))
    state = {key: value.clone() for key, value in model.state_dict().items()}
    detect(model, video(7))
    assert len(model.streams) == 0
    assert set(vars(model)) == before
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())


@pytest.mark.slow
def test_online_memory_is_flat_over_thousands_of_frames():
    model = tiny_model(references=ONLINE)
    frames = video(4)
    peaks = []
    original = model.advance

    def advance(stream, record, rescale=True):
        peaks.append(stream.peak)
        return original(stream, record, rescale)

    model.advance = advance
    for frame_id in range(2500):
        sample = sample_of(frame_id, 2500)
        model.test_step(dict(inputs=[frames[frame_id % 4][None]], data_samples=[clip_of([sample])]))
    assert max(peaks[100:]) == peaks[100] < 10


def test_shuffle_keeps_its_stated_peak_and_the_bound_gives_the_same_detections():
    frames, model = video(40), tiny_model()
    peaks = []
    original = model.streams.release
    model.streams.release = lambda stream: (peaks.append(stream.peak), original(stream))
    expected = detect(model, frames)
    assert max(peaks) == model.policy.peak_records(40, 0)
    capped = tiny_model(references=MEGA | dict(max_records=10))
    assert_same(detect(capped, frames), expected)
    assert len(capped.policy.schedule(40, 0)) > 40


def test_objects_can_wait_in_half_precision():
    frames = video(9)
    config = tiny_config()
    config.keep_objects = dict(device='cpu', dtype='float16')
    model = MODELS.build(config).eval()
    full = tiny_model()
    model.load_state_dict(full.state_dict())
    kept = []
    original = model.advance
    model.advance = lambda stream, record, rescale: (
        kept.append(record.objects.feats.dtype), original(stream, record, rescale))[1]
    for half, exact in zip(detect(model, frames), detect(full, frames), strict=True):
        scores = exact.pred_instances.scores[:10]
        torch.testing.assert_close(half.pred_instances.scores[:10], scores, rtol=0, atol=0.02)
    assert set(kept) == {torch.float16}
    with pytest.raises(ValueError, match="such as 'float16', got 'int8'"):
        VideoDetector(tiny_config('single').detector, keep_objects=dict(dtype='int8'))


def test_unfinished_step_returns_what_the_stock_loop_takes():
    model = tiny_model()
    results = model.test_step(batch(video(9), [0]))
    assert [type(r) for r in results] == [BaseDataElement]
    assert results[0].keys() == ['loss']
    with pytest.warns(UserWarning, match='9 of 9 frames have no detections'):
        model.train()


def test_a_restarted_video_begins_anew():
    frames, model = video(5), tiny_model()
    expected = detect(model, frames)
    model.test_step(batch(frames, [0]))
    model.test_step(batch(frames, [1]))
    with pytest.warns(UserWarning, match='started anew'):
        assert_same(detect(model, frames), expected)


def test_one_frame_video_and_still_image():
    model = tiny_model()
    assert len(detect(model, video(1))) == 1
    sample = sample_of(0, 1)
    for key in ('video_id', 'frame_id', 'ori_video_length'):
        sample.pop(key)
    results = model.test_step(dict(inputs=[video(1)], data_samples=[clip_of([sample])]))
    assert len(results[0][0].pred_instances) > 0


def test_changed_frame_size_is_refused_with_the_file():
    model = tiny_model()
    model.test_step(batch(video(5), [0]))
    with pytest.raises(ValueError, match=r'frame1.jpg.* is \(48, 64\).*earlier .* \(64, 96'):
        model.test_step(batch(video(5, shape=(48, 64)), [1]))


def test_frames_without_proposals_are_detected_empty():
    model = tiny_model()
    model.detector.test_cfg.rpn.min_bbox_size = 1000
    model.detector.rpn_head.test_cfg.min_bbox_size = 1000
    found = detect(model, video(4))
    assert [len(sample.pred_instances) for sample in found] == [0] * 4


def test_fewer_proposals_than_topk():
    model = tiny_model()
    model.detector.rpn_head.test_cfg.max_per_img = 5
    found = detect(model, video(6))
    assert len(found) == 6
    assert all(torch.isfinite(part).all() for part in numbers(found))


# Training ---------------------------------------------------------------------------------------


def losses_of(model, data):
    torch.manual_seed(1)
    return model(**model.data_preprocessor(copy.deepcopy(data), True), mode='loss')


def test_several_clips_train_together():
    model = tiny_model().train()
    losses = losses_of(model, training_batch(video(10), 6, ROLES, copies=2))
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total)
    grads = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    assert all(grad is not None for grad in grads.values()), [n for n in grads if grads[n] is None]


def test_frames_that_play_two_roles_are_computed_once():
    model, frames = tiny_model().train(), []
    model.detector.backbone.register_forward_hook(lambda _, args, __: frames.append(len(args[0])))
    losses_of(model, training_batch(video(10), 6, {'local': [6, 6, 8], 'memory': [8, 1, 1],
                                                   'global': [8, 9]}))
    assert frames == [3, 1]  # 6, 8, 9 with gradient; 1 without


def test_memory_frames_get_no_gradient():
    model = tiny_model().train()
    seen = []
    model.detector.backbone.register_forward_hook(
        lambda _, __, out: seen.append(out[0].requires_grad))
    losses_of(model, training_batch(video(10), 6, ROLES))
    assert seen == [True, False]


def test_empty_annotation_trains():
    model = tiny_model().train()
    data = training_batch(video(10), 6, ROLES)
    for sample in data['data_samples'][0]:
        sample.gt_instances = sample.gt_instances[:0]
    total, _ = model.parse_losses(losses_of(model, data))
    total.backward()
    assert torch.isfinite(total)


def test_loss_that_is_not_finite_names_the_files():
    model = tiny_model().train()
    torch.nn.init.constant_(model.detector.roi_head.bbox_head.fc_cls.weight, float('nan'))
    with pytest.raises(FloatingPointError, match=r'loss_cls.*frame6.jpg.*--resume'):
        losses_of(model, training_batch(video(10), 6, ROLES))


def test_references_of_another_policy_are_refused():
    model = tiny_model().train()
    with pytest.raises(ValueError, match=r'model\.references alone .* SampleReferenceFrames'):
        losses_of(model, training_batch(video(10), 6, {'local': [5]}))


def test_clip_without_roles_names_the_transforms():
    model = tiny_model().train()
    data = training_batch(video(10), 6, ROLES)
    for sample in data['data_samples'][0]:
        sample.pop('role')
    with pytest.raises(KeyError, match='SampleReferenceFrames'):
        losses_of(model, data)


def test_roles_that_nobody_reads_are_refused():
    config = tiny_config(references=dict(type='LocalWindow', role='nearby'))
    with pytest.raises(ValueError, match=r"roles \['nearby'\].*knows \['global', 'local', 'memory"):
        MODELS.build(config)


def test_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="must be 'loss'"):
        tiny_model()(torch.zeros(1, 1, 3, 64, 96), mode='train')


# A temporal neck with the stock head --------------------------------------------------------------


class MeanNeck(TemporalNeck):
    """The mean of the window's maps, and a count of frames as memory."""

    def init_memory(self):
        return []

    def enhance(self, key, references, memory):
        maps = tuple(
            torch.stack(level).mean(0)
            for level in zip(*(record.maps for record in references['local']), strict=True))
        return NeckStep(maps, to_memory=key.frame_id)

    def write(self, memory, step, found):
        memory.append(step.to_memory)


def neck_model(references=WINDOW):
    MODELS.register_module(module=MeanNeck, force=True)
    config = tiny_config('single')
    config.update(references=references, temporal_neck=dict(type='MeanNeck'))
    single = tiny_model('single')
    model = MODELS.build(config)
    model.load_state_dict(single.state_dict())
    return model.eval(), single


def test_neck_over_copies_of_the_key_is_the_stock_detector():
    model, single = neck_model()
    still = video(1).expand(5, -1, -1, -1)
    assert_same(detect(model, still), detect(single, still), rtol=1e-4, atol=1e-3)


def test_neck_sees_references_and_its_memory_in_order():
    model, single = neck_model()
    memories = []
    original = model.detect
    model.detect = lambda key, references, memory, rescale: (
        memories.append(memory.neck), original(key, references, memory, rescale))[1]
    frames = video(5)
    found = detect(model, frames)
    assert memories[-1] == [0, 1, 2, 3, 4]
    assert not torch.equal(numbers(found)[2][:3], numbers(detect(single, frames))[2][:3])


def test_neck_trains_with_its_references():
    model, _ = neck_model()
    frames = video(10)
    losses = losses_of(model.train(), training_batch(frames, 6, {'local': [6, 5, 8]}))
    total, _ = model.parse_losses(losses)
    total.backward()
    assert model.detector.backbone.layer3[0].conv1.weight.grad.abs().sum() > 0


def test_settings_of_an_image_detector_are_taken_over():
    """A stock mmdet config with its own preprocessor can be dropped in."""
    config = tiny_config('single')
    detector = config.detector
    detector.data_preprocessor = dict(type='DetDataPreprocessor', mean=[1, 2, 3], std=[1, 1, 1],
                                      pad_size_divisor=32, batch_augments=None)
    model = VideoDetector(detector)
    assert isinstance(model.data_preprocessor, VideoDataPreprocessor)
    assert model.data_preprocessor.mean.flatten().tolist() == [1, 2, 3]
    assert model.data_preprocessor.pad_size_divisor == 32


def test_clips_reach_the_device_as_mmdet_moves_them(monkeypatch):
    """The same values and metainfo, but no tensor is formatted as text on the way."""
    model = tiny_model('single')
    data = training_batch(video(3), 1, {})
    ours = copy.deepcopy(model.data_preprocessor)
    expected = TrackDataPreprocessor(mean=[0, 0, 0], std=[1, 1, 1]).cast_data(data)

    def fail(*_):
        raise AssertionError('a tensor was formatted')

    monkeypatch.setattr(torch.Tensor, '__repr__', fail)
    moved = ours.cast_data(data)
    assert moved.keys() == expected.keys()
    for clip, other, given in zip(moved['data_samples'], expected['data_samples'],
                                  data['data_samples'], strict=True):
        assert clip is not given
        assert clip.metainfo == other.metainfo
        assert len(clip) == len(other)
        for frame, same in zip(clip, other, strict=True):
            assert frame.metainfo == same.metainfo
            assert torch.equal(frame.gt_instances.bboxes, same.gt_instances.bboxes)
            assert torch.equal(frame.gt_instances.labels, same.gt_instances.labels)


# Refusals ---------------------------------------------------------------------------------------


def test_detecting_leaves_the_record_s_sample_as_it_is():
    model = tiny_model()
    records = []
    original = model.detect
    model.detect = lambda key, *args: (records.append(key), original(key, *args))[1]
    detect(model, video(5))
    assert all('pred_instances' not in record.sample for record in records)
    assert 'gt_instances' in repr(records[0].sample)


def test_a_detected_frame_keeps_only_its_objects_as_a_reference():
    model = tiny_model()
    held = []
    original = model.advance
    model.advance = lambda stream, *args: (original(stream, *args), held.extend(
        (t < stream.next_key, len(record.objects)) for t, record in stream._records.items()))[0]
    detect(model, video(5))
    assert set(held) == {(True, 8), (False, 20)}


def test_detectors_of_other_kinds_are_refused_by_name():
    class Strange(torch.nn.Module):
        pass

    MODELS.register_module(module=Strange, force=True)
    with pytest.raises(TypeError, match=r'Strange is of no family .* TwoStageDetector, Detection'):
        VideoDetector(dict(type='Strange'))


def test_masks_are_refused():
    config = tiny_config()
    config.detector.roi_head.mask_roi_extractor = config.detector.roi_head.bbox_roi_extractor
    config.detector.roi_head.mask_head = dict(
        type='FCNMaskHead', num_convs=1, in_channels=8, num_classes=4,
        loss_mask=dict(type='CrossEntropyLoss', use_mask=True))
    with pytest.raises(ValueError, match='omit mask_head'):
        MODELS.build(config)
