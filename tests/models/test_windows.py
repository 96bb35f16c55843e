"""Windows whose every frame is detected: pooled before suppression, trained on all frames."""

import dataclasses

import numpy as np
import pytest
import torch
from mmcv.ops import batched_nms
from mmcv.ops.nms import ext_module
from mmdet.models.layers import multiclass_nms
from mmdet.registry import MODELS
from mmdet.structures import TrackDataSample
from torch.nn import functional

from mmvod_plugins.models import NeckStep, TemporalNeck
from mmvod_plugins.models.checks import check_roles
from mmvod_plugins.models.selection import OutputOptions
from mmvod_plugins.references import build_references

from .records import record_of
from .test_live import live
from .tiny import batch, detect, numbers, tiny_config, training_batch, video
from .tiny_stmn import CENTRED, KINDS, ONLINE, WIDTH, WINDOWS, stmn_config, stmn_model

RFCN = 'rfcn_r101'
RETINA = 'retinanet_r50-fpn'
every_kind = pytest.mark.parametrize('kind', KINDS)
#: R-FCN's head, one with layers for each RoI, and a dense one; the others among the slow tests.
one_of_each_head = pytest.mark.parametrize('kind', [
    pytest.param(kind, marks=pytest.mark.slow if kind == 'faster-rcnn_r50-fpn' else [])
    for kind in KINDS])
#: Windows of three frames of a video of nine, every second one.
OF_NINE = [[0, 2, 4], [1, 3, 5], [2, 4, 6], [3, 5, 7], [4, 6, 8]]


def one_by_one(kind, references=None, **settings):
    """A model whose results are to be compared to the last bit."""
    config = stmn_config(kind, references)
    for key, value in dict(encode_batch=1, **settings).items():
        config[key] = value  # update() would merge dicts
    return stmn_model(kind, config=config)


def records_of(model, frames):
    data = model.data_preprocessor(batch(frames, range(len(frames))), False)
    return list(model.encode(data['inputs'], data['data_samples']))


def enhanced_records(model, records):
    """Records of a window with enhanced maps."""
    [steps] = model.temporal_neck.enhance_windows([records])
    return [dataclasses.replace(record, maps=step.maps)
            for record, step in zip(records, steps, strict=True)]


def assert_detections(samples):
    """Every frame has some, and all are numbers: boxes with NaN scores would leave silently."""
    for part in numbers(samples):
        assert len(part)
        assert torch.isfinite(part).all()


def assert_same(first, second):
    for one, other in zip(numbers(first), numbers(second), strict=True):
        assert torch.equal(one, other)


# Testing -----------------------------------------------------------------------------------------


@one_of_each_head
@torch.no_grad()
def test_detections_are_those_of_all_windows_suppressed_once(kind):
    """The plain form: every window on its own, mmdet's suppression on all boxes of a frame."""
    model, frames = one_by_one(kind), video(9)
    records = records_of(model, frames)
    raw = {t: [] for t in range(9)}
    for window in OF_NINE:
        every = enhanced_records(model, [records[t] for t in window])
        maps = tuple(torch.cat(level) for level in zip(*(r.maps for r in every), strict=True))
        for t, part in zip(window, model.adapter.raw(maps, every, OutputOptions()), strict=True):
            raw[t].append(part)
    assert [len(parts) for parts in raw.values()] == [1, 1, 2, 2, 3, 2, 2, 1, 1]
    for t, sample in enumerate(detect(model, frames)):
        assert sample.frame_id == t
        boxes, scores = (torch.cat([part[key] for part in raw[t]]) for key in ('bboxes', 'scores'))
        if kind == RETINA:
            labels, config = torch.cat([part.labels for part in raw[t]]), model.detector.test_cfg
            found, kept = batched_nms(boxes, scores, labels, config.nms)
            labels, limit = labels[kept], config.max_per_img
        else:
            config = model.detector.test_cfg.rcnn
            found, labels = multiclass_nms(boxes, scores, config.score_thr, config.nms)
            limit = config.max_per_img
        expected = torch.cat([found, labels[:, None].float()], dim=1)[:limit]
        assert len(expected)
        # the RPN saw one frame at a time in the one, a whole window in the other
        torch.testing.assert_close(numbers([sample])[0], expected, rtol=1e-4, atol=1e-3)


def test_the_rpn_of_r_fcn_sees_every_frame_once():
    """No window changes its map; where one does, it runs in every window."""
    model, seen = one_by_one('rfcn_r101'), []
    model.detector.rpn_head.register_forward_hook(
        lambda _, args, __: seen.append(len(args[0][0])))
    assert len(detect(model, video(9))) == 9
    assert sum(seen) == 9


@torch.no_grad()
def test_padding_of_a_batch_does_not_enter_the_memories():
    model = one_by_one('rfcn_r101')
    neck, [record] = model.temporal_neck, records_of(model, video(1))
    wide = record_of(record.sample.new(),
                     tuple(functional.pad(level, (0, 3, 0, 2)) for level in record.maps))
    height, width = record.maps[-1].shape[-2:]
    wide.sample.set_metainfo(dict(pad_shape=(height * 16, width * 16),
                                  batch_input_shape=((height + 2) * 16, (width + 3) * 16)))
    [[alone]], [[padded]] = neck.enhance_windows([[record]]), neck.enhance_windows([[wide]])
    padded, alone = padded.maps[-1], alone.maps[-1]
    assert padded.shape == wide.maps[-1].shape
    torch.testing.assert_close(padded[..., :height, :width], alone)
    assert padded[..., height:, :].abs().sum() == 0
    enhanced = neck(wide, {'local': [wide]}, None).maps[-1]
    torch.testing.assert_close(enhanced, padded)


@every_kind
@torch.no_grad()
def test_a_single_window_is_suppressed_as_mmdet_does(kind):
    model, frames = one_by_one(kind), video(1)
    [record] = records_of(model, frames)
    [[step]] = model.temporal_neck.enhance_windows([[record]])
    detector = model.detector
    if kind == RETINA:
        [expected] = detector.bbox_head.predict(step.maps, [record.sample], rescale=True)
    else:
        proposals = detector.rpn_head.predict(step.maps, [record.sample], rescale=False)
        [expected] = detector.roi_head.predict(step.maps, proposals, [record.sample], rescale=True)
    [found] = detect(model, frames)
    assert len(expected)
    torch.testing.assert_close(found.pred_instances.bboxes, expected.bboxes, rtol=0, atol=0)
    torch.testing.assert_close(found.pred_instances.scores, expected.scores, rtol=0, atol=0)
    assert torch.equal(found.pred_instances.labels, expected.labels)


@pytest.mark.parametrize(('references', 'recurrences'), [(WINDOWS, 5), (CENTRED, 0)])
def test_each_frame_passes_the_network_once_and_each_window_the_recurrence(references, recurrences,
                                                                         monkeypatch):
    model = one_by_one(RFCN, references)
    calls = dict(backbone=0, enhance_windows=0, level=0)
    model.detector.backbone.register_forward_hook(
        lambda *_: calls.update(backbone=calls['backbone'] + 1))
    model.temporal_neck.levels[0].register_forward_hook(
        lambda *_: calls.update(level=calls['level'] + 1))
    enhance_windows = model.temporal_neck.enhance_windows

    def counted(windows):
        calls['enhance_windows'] += len(windows)
        return enhance_windows(windows)

    monkeypatch.setattr(model.temporal_neck, 'enhance_windows', counted)
    found = detect(model, video(9))
    assert calls == dict(backbone=9, enhance_windows=recurrences, level=recurrences)
    assert [sample.frame_id for sample in found] == list(range(9))


@pytest.mark.parametrize('kind', [RFCN, pytest.param(RETINA, marks=pytest.mark.slow)])
def test_any_order_and_batch_gives_the_same_bits(kind):
    model, frames = one_by_one(kind), video(8)
    expected = detect(model, frames)
    for order, size in ((range(8), 1), (range(7, -1, -1), 1), (None, 3)):
        assert_same(detect(model, frames, order and list(order), size), expected)
    assert len(model.streams) == 0


def test_a_bound_on_the_records_gives_the_same_detections():
    frames, bounded = video(9), one_by_one(RFCN, dict(WINDOWS, max_records=4))
    assert len(bounded.policy.schedule(9)) > 9
    assert_same(detect(bounded, frames), detect(one_by_one(RFCN), frames))


def test_two_videos_in_turn_do_not_mix():
    model, videos = one_by_one(RFCN), [video(7), video(7, seed=1)]
    alone = [detect(model, frames, video_id=i) for i, frames in enumerate(videos)]
    together = [[], []]
    for t in range(7):
        for i, frames in enumerate(videos):
            found = model.test_step(batch(frames, [t], video_id=i))
            together[i] += [part[0] for part in found if isinstance(part, TrackDataSample)]
    for one, other in zip(together, alone, strict=True):
        assert_same(one, other)


@torch.no_grad()
@pytest.mark.parametrize(('references', 'delay'), [(WINDOWS, 4), (CENTRED, 4), (ONLINE, 0)])
def test_live_input_gives_the_detections_of_the_whole_video(references, delay):
    settings = {} if references is not ONLINE else dict(temporal_neck=dict(
        type='STMMNeck', in_channels=WIDTH, channels=WIDTH, bidirectional=False, stride=2,
        replaces='detector.neck.last_conv.conv'))
    model, frames = one_by_one(RFCN, references, **settings), video(9)
    steps = list(live(model, frames))
    assert [len(step) for step in steps] == [0] * delay + [1] * (9 - delay) + [delay]
    assert_same([sample for step in steps for sample in step], detect(model, frames))


@torch.no_grad()
def test_nothing_waits_at_the_end_of_a_video():
    model, frames = one_by_one(RFCN), video(9)
    memory, records = model.init_memory(), records_of(model, frames)
    for t, key in enumerate(records):
        ids = model.policy.frames(t, 9)
        model.detect(key, {role: [records[i] for i in rows] for role, rows in ids.items()}, memory)
        assert all(t < i <= t + 4 for i in memory.pending)
    assert memory.pending == {}


@pytest.mark.parametrize('length', [1, 2, 3, 5])
@pytest.mark.parametrize('references', [WINDOWS, CENTRED])
def test_sequences_shorter_than_the_window(length, references):
    found = detect(one_by_one(RFCN, references), video(length))
    assert [sample.frame_id for sample in found] == list(range(length))
    assert_detections(found)


@pytest.mark.parametrize('kind', [RFCN, RETINA])
@pytest.mark.parametrize('shape', [(16, 16), (24, 40)])
def test_maps_smaller_than_the_neighbourhood(kind, shape):
    found = detect(one_by_one(kind), video(5, shape=shape))
    assert_detections(found)


def test_frames_of_another_size_are_refused():
    model = one_by_one(RFCN)
    model.test_step(batch(video(6), [0]))
    with pytest.raises(ValueError, match='frames of a video need one size'):
        model.test_step(batch(video(6, shape=(48, 64)), [1]))


def test_details_of_detections_are_pooled_too():
    detailed = one_by_one(RFCN, detections=dict(class_scores=True))
    plain, everything = one_by_one(RFCN), one_by_one(
        RFCN, detections=dict(nms=False, score_thr=0.0, class_scores=True))
    frames = video(7)
    assert_same(detect(detailed, frames), detect(plain, frames))
    rows = [sample.pred_instances for sample in detect(everything, frames)]
    num_classes = rows[0].class_scores.shape[1]
    proposals = [len(row) // num_classes for row in rows]
    assert all(len(row) == num_classes * (int(row.proposal_ids.max()) + 1) for row in rows)
    # frame 2 is in two windows of the sequence 0, 2, 4, 6; frame 0 is in one
    assert proposals[2] == 2 * proposals[0]


def test_a_dense_head_without_suppression_pools_as_many():
    model = one_by_one(RETINA, detections=dict(nms=False, score_thr=0.0))
    counts = [len(sample.pred_instances) for sample in detect(model, video(7, shape=(32, 32)))]
    assert counts[2] == 2 * counts[0]


# Training ----------------------------------------------------------------------------------------


def training_step(model, frames, key_id):
    """The model in training, and the batch of one clip."""
    roles = model.policy.sample(key_id, len(frames), np.random.default_rng(0))
    data = model.data_preprocessor(training_batch(frames, key_id, roles), training=True)
    model.train()
    torch.manual_seed(3)  # of the samplers
    return model, data


@every_kind
def test_every_frame_of_a_clip_has_a_loss(kind, monkeypatch):
    model, data = training_step(stmn_model(kind), video(9), 4)
    seen = []
    monkeypatch.setattr(
        model.adapter, 'loss',
        lambda feats, samples, _: seen.append((feats, samples)) or dict(loss=feats[0].sum()))
    model(**data, mode='loss')
    [(feats, samples)] = seen
    assert [sample.frame_id for sample in samples] == [4, 6, 8]
    assert {level.shape[0] for level in feats} == {3}


def test_the_loss_changes_with_the_truth_of_every_frame():
    def total(model, data):
        return model.parse_losses(model(**data, mode='loss'))[0].item()

    model = stmn_model(RETINA)
    expected = total(*training_step(model, video(9), 4))
    for t in range(3):
        model, data = training_step(model, video(9), 4)
        data['data_samples'][0][t].gt_instances.bboxes[:] = torch.tensor([0.0, 0.0, 20.0, 20.0])
        assert total(model, data) != expected


@every_kind
def test_a_still_image_is_a_window_of_one_frame(kind, monkeypatch):
    """Its repeated frames are computed once, and counted once."""
    model, data = training_step(stmn_model(kind), video(1), 0)
    assert data['inputs'].shape[1] == 3
    calls = []
    model.detector.backbone.register_forward_hook(lambda _, args, __: calls.append(len(args[0])))
    steps = []
    loss = model.adapter.loss
    monkeypatch.setattr(model.adapter, 'loss',
                        lambda *args: steps.append(len(args[1])) or loss(*args))
    value, _ = model.parse_losses(model(**data, mode='loss'))
    value.backward()
    assert (calls, steps) == ([1], [1])
    assert [key for key, parameter in model.named_parameters()
            if parameter.requires_grad and parameter.grad is None] == []


def test_clips_of_a_batch_do_not_mix():
    """Maps of the clips of a batch are those of each alone."""
    model = stmn_model(RFCN).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    enhanced = []
    model.detector.roi_head.reduction.register_forward_pre_hook(
        lambda _, args: enhanced.append(args[0].detach()))
    clips = [training_batch(video(9, seed=i), 2, {'window': [4, 6]}) for i in range(2)]
    both = {key: clips[0][key] + clips[1][key] for key in clips[0]}
    for clip in (both, *clips):
        model(**model.data_preprocessor(clip, training=True), mode='loss')
    together, *alone = enhanced
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('kind', [RFCN, RETINA])
def test_a_clip_without_annotated_boxes_trains(kind):
    model, data = training_step(stmn_model(kind), video(9), 0)
    for sample in data['data_samples'][0]:
        sample.gt_instances = sample.gt_instances[:0]
    value, _ = model.parse_losses(model(**data, mode='loss'))
    assert torch.isfinite(value)


@every_kind
def test_a_still_image_and_a_clip_in_one_batch_train_every_parameter(kind, monkeypatch):
    model = stmn_model(kind)
    clips = []
    for frames, key_id in ((video(1, seed=1), 0), (video(9), 4)):
        roles = model.policy.sample(key_id, len(frames), np.random.default_rng(0))
        clips.append(training_batch(frames, key_id, roles))
    data = model.data_preprocessor(
        {key: clips[0][key] + clips[1][key] for key in clips[0]}, training=True)
    steps, loss = [], model.adapter.loss
    monkeypatch.setattr(model.adapter, 'loss',
                        lambda *args: steps.append(len(args[1])) or loss(*args))
    torch.manual_seed(3)  # of the samplers
    value, _ = model.parse_losses(model.train()(**data, mode='loss'))
    value.backward()
    assert steps == [4]
    assert torch.isfinite(value)
    assert [key for key, parameter in model.named_parameters()
            if parameter.requires_grad and parameter.grad is None] == []


@pytest.mark.parametrize('kind', [RFCN, RETINA])
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast_trains(kind, dtype, monkeypatch):
    """On a CPU mmcv's suppression, of an RPN in training, gets single precision."""
    nms = ext_module.nms
    monkeypatch.setattr(ext_module, 'nms', lambda boxes, scores, **settings: nms(
        boxes.float(), scores.float(), **settings))
    model, data = training_step(stmn_model(kind), video(9), 4)
    with torch.autocast('cpu', dtype=dtype):
        value, _ = model.parse_losses(model(**data, mode='loss'))
    value.backward()
    assert torch.isfinite(value)
    assert all(torch.isfinite(p.grad).all() for p in model.temporal_neck.parameters())


# What does not go together -----------------------------------------------------------------------


class KeyFrameNeck(TemporalNeck):
    """Enhances nothing but the key frame, by nothing."""

    def enhance(self, key, references, memory):
        return NeckStep(key.maps)


def test_a_neck_that_does_not_know_windows_is_refused():
    with pytest.raises(ValueError, match=r"roles \['window'\], but the model knows \['local'\]"):
        check_roles(build_references(WINDOWS), [KeyFrameNeck()])


def test_a_dense_head_without_boxes_before_suppression_is_refused():
    model = one_by_one(RETINA)
    model.detector.bbox_head = MODELS.build(dict(
        type='CenterNetHead', in_channels=16, feat_channels=16, num_classes=4))
    with pytest.raises(ValueError, match='CenterNetHead has no boxes before it'):
        detect(model, video(5))


def test_a_head_that_does_not_know_windows_is_refused():
    config = tiny_config('mega', WINDOWS)
    config.temporal_neck = dict(type='STMMNeck', in_channels=32, channels=16)
    with pytest.raises(ValueError, match='and TemporalRoIHead in the key frame alone'):
        MODELS.build(config)


def test_clips_of_another_policy_are_refused():
    model = stmn_model(RFCN)
    data = model.data_preprocessor(training_batch(video(9), 4, {'local': [6, 8]}), training=True)
    with pytest.raises(ValueError, match=r"name the policy in model\.references"):
        model.train()(**data, mode='loss')
