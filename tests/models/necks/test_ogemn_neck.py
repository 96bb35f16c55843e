"""The pixel memory as a temporal neck, alone and in detectors; and both memories in streams."""

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from mmvod_plugins.models import OGEMNNeck
from mmvod_plugins.references import FramePlan

from ..records import record_of
from ..test_autocast import _operators_of_the_gpu  # noqa: F401 - a fixture
from ..tiny import batch, detect, numbers, sample_of, training_batch, video
from ..tiny_ogemn import KINDS, ogemn_config, ogemn_model
from .test_mixing import train

RFCN = 'rfcn_r101'
every_kind = pytest.mark.parametrize('kind', KINDS)
#: A box that holds the centres of these cells of a map of 4 x 6.
BOX, CELLS = (0.0, 0.0, 39.0, 39.0), [0, 1, 6, 7]


def neck_of(**settings):
    torch.manual_seed(0)
    settings = dict(dict(in_channels=8, num_heads=4, embed_channels=4, temperature=8.0), **settings)
    return OGEMNNeck(**settings).eval()


def record(frame_id=0, grid=(4, 6), channels=(8, ), seed=None):
    """A record of a frame of 64 x 96 pixels, maps of stride 16."""
    generator = torch.Generator().manual_seed(frame_id if seed is None else seed)
    return record_of(sample_of(frame_id, 99),
                     tuple(torch.randn(1, width, *grid, generator=generator) for width in channels))


def found(*boxes, score=0.95):
    return InstanceData(bboxes=torch.tensor(boxes).view(-1, 4),
                        scores=torch.full((len(boxes), ), score),
                        labels=torch.zeros(len(boxes)).long())


# The neck ----------------------------------------------------------------------------------------


@torch.no_grad()
def test_an_empty_memory_leaves_the_maps_themselves():
    neck, key = neck_of(levels=((0, 1), 2), in_channels=(12, 8)), record(channels=(8, 4, 8))
    step = neck.enhance(key, {}, neck.init_memory())
    assert all(mine is theirs for mine, theirs in zip(step.maps, key.maps, strict=True))


@torch.no_grad()
def test_what_is_stored_is_enhanced_and_read_at_any_size():
    neck = neck_of(write_rule=dict(similarity_thr=100.0))  # both objects stay
    memory = neck.init_memory()
    for frame_id in range(2):
        step = neck.enhance(record(frame_id), {}, memory)
        neck.write(memory, step, found(BOX))
    enhanced = step.maps[0][0].flatten(1).T
    assert not torch.equal(step.maps[0], record(1).maps[0])
    [rows] = memory[0].read()
    first = record(0).maps[0][0].flatten(1).T
    assert torch.equal(rows, torch.cat([first[CELLS], enhanced[CELLS]]))
    small = record(5, grid=(2, 3))
    assert neck.enhance(small, {}, memory).maps[0].shape == (1, 8, 2, 3)


@torch.no_grad()
def test_joined_levels_share_a_memory_and_others_pass():
    """Slices of one map are enhanced as the map that they were cut from."""
    whole, sliced = neck_of(), neck_of(levels=((1, 2), ))
    sliced.load_state_dict(whole.state_dict())
    frames = [record(t) for t in range(3)]
    cut = [record_of(frame.sample, (frame.maps[0][:, :2], frame.maps[0][:, :3],
                                    frame.maps[0][:, 3:])) for frame in frames]
    one, other = whole.init_memory(), sliced.init_memory()
    for frame, parts in zip(frames, cut, strict=True):
        step, again = whole.enhance(frame, {}, one), sliced.enhance(parts, {}, other)
        assert torch.equal(torch.cat(again.maps[1:], 1), step.maps[0])
        assert again.maps[0] is parts.maps[0]
        whole.write(one, step, found(BOX))
        sliced.write(other, again, found(BOX))
    assert torch.equal(one[0].read()[0], other[0].read()[0])


@torch.no_grad()
def test_training_reads_all_locations_of_all_earlier_frames():
    neck, key = neck_of(), record(3)
    earlier = [record(0), record(1, grid=(2, 3))]
    step = neck.enhance(key, {'memory': earlier, 'local': [record(9)]}, None)
    rows = [frame.maps[0][0].flatten(1).T for frame in earlier]
    expected = neck.reads[0](key.maps[0][0].flatten(1).T, rows)
    assert torch.equal(step.maps[0][0].flatten(1).T, expected.feats)


@torch.no_grad()
def test_padding_of_a_batch_is_neither_read_nor_enhanced():
    neck, key, earlier = neck_of(), record(1), record(0)
    plain = neck.enhance(key, {'memory': [earlier]}, None).maps[0]

    def padded(frame):
        sample = sample_of(frame.frame_id, 99, pad_shape=(64, 96), batch_input_shape=(96, 128))
        maps = torch.nn.functional.pad(frame.maps[0], (0, 2, 0, 2), value=7.0)
        return record_of(sample, (maps, ))

    found = neck.enhance(padded(key), {'memory': [padded(earlier)]}, None).maps[0]
    torch.testing.assert_close(found[..., :4, :6], plain)
    assert torch.count_nonzero(found[..., 4:, :]) == torch.count_nonzero(found[..., 6:]) == 0


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(levels=()), 'levels is .*, expected one index or more'),
    (dict(levels=((), )), 'levels is .*, expected one index or more'),
    (dict(levels=(0, (1, 0))), 'each once'),
    (dict(levels=(0, 1), strides=(8, )), 'temporal_neck.strides has 1 values for 2 levels'),
    (dict(levels=(0, 1), in_channels=(8, 8, 8)), 'temporal_neck.in_channels has 3 values'),
    (dict(write_rule=dict(max_per_class=0)), 'max_per_class is 0')])
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        neck_of(**settings)


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(levels=(3, )), 'the detector has 2 maps: expected indices from -2 to 1'),
    (dict(levels=(0, -2)), 'names the same of the 2 maps of the detector twice'),
    (dict(in_channels=9), r'the maps of the detector have \[4\] channels: set in_channels=\[4\]'),
    (dict(levels=((0, 1), )), r'have several sizes.*join maps of one stride')])
def test_maps_that_the_settings_do_not_fit_are_refused(settings, message):
    maps = torch.zeros(1, 8, 4, 6), torch.zeros(1, 4, 2, 3)
    with pytest.raises(ValueError, match=message):
        neck_of(**settings).encode(record_of(sample_of(0, 9), maps), None)


# A long life -------------------------------------------------------------------------------------


@torch.no_grad()
def test_the_memory_is_bounded_over_ten_thousand_frames():
    """Objects of changing looks, some similar, and spells without any."""
    neck = neck_of(num_heads=2, write_rule=dict(max_per_class=3))
    memory = neck.init_memory()
    [held] = memory
    generator, sizes = torch.Generator().manual_seed(0), []
    frames = torch.randn(97, 1, 8, 2, 3, generator=generator)
    boxes = 40 * torch.rand(89, 3, 4, generator=generator)
    boxes[..., 2:] += boxes[..., :2]
    scores = 0.85 + 0.15 * torch.rand(83, 3, generator=generator)
    labels = torch.arange(3) % 2
    sample = sample_of(0, 10**4)
    for frame_id in range(10**4):
        step = neck.enhance(record_of(sample, (frames[frame_id % 97], )), {}, memory)
        count = 3 if frame_id % 3 == 0 and frame_id % 500 <= 400 else 0
        neck.write(memory, step, InstanceData(
            bboxes=boxes[frame_id % 89][:count], scores=scores[frame_id % 83][:count],
            labels=labels[:count]))
        sizes.append(len(held))
    assert max(sizes) <= 2 * 3 * 6 + 6
    assert min(sizes[10:]) > 0
    assert len(held.objects) <= 6
    assert sum(len(block) for block in held.read()) == len(held)
    assert all(torch.isfinite(block).all() for block in held.read())


@torch.no_grad()
@pytest.mark.parametrize('score', [0.95, 0.3], ids=['found', 'nothing found'])
def test_a_bad_frame_never_corrupts_the_memory(score):
    """NaN features: this frame is lost, the next one is as if it had not been there."""
    neck = neck_of()
    results = []
    for bad in (False, True):
        memory = neck.init_memory()
        for frame_id in range(3):
            neck.write(memory, neck.enhance(record(frame_id), {}, memory), found(BOX))
        if bad:
            broken = record(3)
            broken.maps[0][0, 0, 0, 0] = float('nan')
            neck.write(memory, neck.enhance(broken, {}, memory), found(BOX, score=score))
        results.append(neck.enhance(record(4), {}, memory).maps[0])
    assert torch.isfinite(results[0]).all()
    assert torch.equal(*results)


# In detectors ------------------------------------------------------------------------------------


@torch.no_grad()
@every_kind
def test_detections_depend_on_earlier_frames_and_on_no_later_one(kind):
    model, frames = ogemn_model(kind), video(5)
    before = numbers(detect(model, frames))
    assert all(len(part) and torch.isfinite(part).all() for part in before)
    other = frames.clone()
    other[2] = video(1, seed=9)[0]
    after = numbers(detect(model, other))
    same = [a.shape == b.shape and torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert same[:3] == [True, True, False]
    assert not all(same[3:])


@torch.no_grad()
@every_kind
def test_without_its_memory_the_model_is_the_static_detector(kind):
    """Every frame as the first of a video: bit for bit; with the memory others differ."""
    model, frames = ogemn_model(kind), video(4)
    with_memory = numbers(detect(model, frames))
    alone = [numbers(detect(model, frames[t:t + 1]))[0] for t in range(4)]
    same = [a.shape == b.shape and torch.equal(a, b)
            for a, b in zip(alone, with_memory, strict=True)]
    assert same[0]
    assert not any(same[1:])
    if kind == 'faster-rcnn_r50-fpn-instance':
        return  # its head has other layers than the stock one
    config = ogemn_config(kind)
    config.temporal_neck = config.references = None
    head = config.detector.get('roi_head', {})
    if head.pop('aggregator', None):
        head.type = 'RFCNRoIHead'
    static = ogemn_model(kind, config=config)
    names = static.state_dict().keys()
    static.load_state_dict({name: value for name, value in model.state_dict().items()
                            if name in names})
    assert all(map(torch.equal, alone, numbers(detect(static, frames))))


@pytest.mark.slow
@every_kind
def test_fifty_iterations_overfit_a_video(kind):
    total = train(ogemn_model(kind, spread=False), 50)
    assert np.mean(total[-5:]) < 0.8 * np.mean(total[:5])


@pytest.mark.parametrize('kind', [
    pytest.param(kind, marks=pytest.mark.slow if kind in ('rfcn_r101-pixel', 'rfcn_r101-instance')
                 else []) for kind in KINDS])
def test_the_loss_falls_and_every_parameter_has_a_gradient(kind):
    config = ogemn_config(kind)
    for part in ('rpn', 'rcnn'):
        if part in config.detector.train_cfg:  # take all of them, so that nothing is drawn
            config.detector.train_cfg[part].sampler.num = 10000
    model = ogemn_model(kind, config=config, spread=False)
    total = train(model, 12, repeat=True, lr=2e-3)
    assert total[-1] < 0.97 * total[0]
    assert [key for key, parameter in model.named_parameters()
            if parameter.requires_grad and parameter.grad is None] == []


@torch.no_grad()
def test_small_frames_read_the_memory_and_do_not_write_it():
    references = dict(type='TrainTestReferences', training=dict(type='PrecedingIntervals'),
                      testing=dict(type='ScaledKeyFrames', interval=3, scale=0.5))
    model, frames = ogemn_model(RFCN, references), video(7)
    data = model.data_preprocessor(batch(frames, range(7)), False)
    memory, sizes = model.init_memory(), []
    for record in model.encode(data['inputs'], data['data_samples']):
        whole = record.plan == FramePlan()
        assert record.plan == FramePlan(scale=1.0 if whole else 0.5, memorize=whole)
        before = [len(memory.neck[0]), memory.head.frame_id]
        found = model.detect(record, {}, memory).pred_instances
        assert found.bboxes[:, 2].max() > 60
        sizes.append([len(memory.neck[0]), memory.head.frame_id])
        assert whole or sizes[-1] == before
    assert [frame_id for _, frame_id in sizes] == [0] * 7
    assert {part.frame_id for part in memory.neck[0].objects} <= {0, 3, 6}
    assert len(memory.neck[0].objects) > 0


@torch.no_grad()
def test_what_is_asked_for_does_not_change_what_is_remembered():
    frames, memories = video(5), []
    for options in (None, dict(score_thr=0.6), dict(nms=False)):
        model = ogemn_model(RFCN, config=ConfigDict(ogemn_config(RFCN), detections=options))
        data = model.data_preprocessor(batch(frames, range(5)), False)
        memory = model.init_memory()
        for record in model.encode(data['inputs'], data['data_samples']):
            model.detect(record, {}, memory)
        memories.append(memory)
    first = memories[0].neck[0]
    assert len(first.objects) > 1
    for memory in memories[1:]:
        assert memory.neck[0].objects == first.objects
        assert torch.equal(memory.neck[0].read()[0], first.read()[0])
        assert torch.equal(memory.head.read()[0], memories[0].head.read()[0])


@torch.no_grad()
@pytest.mark.parametrize('kind', [RFCN, 'faster-rcnn_r50-fpn'])
def test_frames_without_detections_are_detected_all_the_same(kind):
    config = ogemn_config(kind)
    config.detector.test_cfg.rcnn.score_thr = 0.999
    model, memory = ogemn_model(kind, config=config), None
    data = model.data_preprocessor(batch(video(5), range(5)), False)
    memory = model.init_memory()
    for record in model.encode(data['inputs'], data['data_samples']):
        assert len(model.detect(record, {}, memory).pred_instances) == 0
        assert memory.neck[0].num_irrelevant > 0
        assert memory.neck[0].objects == []


def test_autocast_trains_and_detects():
    model = ogemn_model(RFCN, spread=False).train()
    clips = model.data_preprocessor(training_batch(video(6), 4, {'memory': [1, 2, 3]}), True)
    with torch.autocast('cpu', torch.bfloat16):
        loss, _ = model.parse_losses(model(**clips, mode='loss'))
    loss.backward()
    for part in (model.temporal_neck.reads[0], model.detector.roi_head.aggregator.read):
        assert all(parameter.grad.abs().sum() > 0 for parameter in part.parameters())
    model = ogemn_model(RFCN)
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        assert all(torch.isfinite(part).all() for part in numbers(detect(model, video(4))))
