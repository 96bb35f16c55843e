"""FGFA and DFF in whole detectors: every kind trains, references matter, the backbone rests."""

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS

from mmvod_plugins.models.clip import gather_clips

from ..flow_models import INTERVAL, KINDS, flow_config, flow_model
from ..tiny import batch, detect, numbers, tiny_config, training_batch, video
from .test_mixing import train

FGFA = [kind for kind in KINDS if kind.startswith('fgfa')]
DFF = [kind for kind in KINDS if kind.startswith('dff')]
every_kind = pytest.mark.parametrize('kind', KINDS)


def equal(first, second):
    return [a.shape == b.shape and torch.equal(a, b) for a, b in zip(first, second, strict=True)]


@pytest.mark.slow
@every_kind
def test_fifty_iterations_overfit_a_video(kind):
    # the objectness of YOLOX is a sum over all cells, which starts high
    total = train(flow_model(kind, spread=False), 50, lr=5e-3 if 'yolox' in kind else 1e-3)
    assert np.mean(total[-5:]) < 0.6 * np.mean(total[:5])


@every_kind
def test_the_loss_falls_and_every_parameter_has_a_gradient(kind):
    model = flow_model(kind, spread=False)
    total = train(model, 8, repeat=True)
    assert total[-1] < 0.97 * total[0]
    assert [key for key, parameter in model.named_parameters()
            if parameter.requires_grad and parameter.grad is None] == []


@pytest.mark.parametrize('kind', FGFA)
def test_detections_change_with_the_references(kind):
    """With two frames on each side the last frame is in the windows of frames 2 to 4."""
    model, frames = flow_model(kind), video(5)
    before = numbers(detect(model, frames))
    frames[4] = video(1, seed=9)[0]
    assert equal(before, numbers(detect(model, frames))) == [True, True, False, False, False]


@pytest.mark.parametrize('kind', DFF)
def test_frames_between_look_at_the_last_one_that_passed_the_backbone(kind):
    model, frames = flow_model(kind), video(5)
    before = numbers(detect(model, frames))
    frames[3] = video(1, seed=9)[0]  # frames 0 and 3 pass it
    assert equal(before, numbers(detect(model, frames))) == [True, True, True, False, False]


@pytest.mark.parametrize('kind', DFF)
@pytest.mark.parametrize('batch_size', [1, 4])
def test_dff_runs_the_backbone_on_few_frames(kind, batch_size):
    model, frames, seen = flow_model(kind), video(8), []
    model.detector.backbone.register_forward_hook(lambda _, args, __: seen.append(len(args[0])))
    assert len(detect(model, frames, batch_size=batch_size)) == 8
    assert sum(seen) == 3  # frames 0, 3 and 6


@pytest.mark.parametrize('kind', DFF)
def test_dff_trains_the_backbone_on_the_reference_alone(kind):
    model, seen = flow_model(kind, spread=False), []
    model.detector.backbone.register_forward_hook(lambda _, args, __: seen.append(len(args[0])))
    clips = training_batch(video(6), 4, {'local': [2]}, copies=2)
    model.loss(*model.data_preprocessor(clips, training=True).values())
    assert seen == [2]


@pytest.mark.parametrize('kind', FGFA)
def test_fgfa_runs_the_backbone_once_per_frame(kind):
    model, seen = flow_model(kind), []
    model.detector.backbone.register_forward_hook(lambda _, args, __: seen.append(len(args[0])))
    assert len(detect(model, video(6))) == 6
    assert sum(seen) == 6


def still(model, kind):
    """The same model with the flow of a still world."""
    for name, parameter in model.temporal_neck.motion.named_parameters():
        if name.startswith('predict'):
            torch.nn.init.zeros_(parameter)
    model.temporal_neck.grid = 'exact'
    if kind.startswith('fgfa'):
        model.temporal_neck.warp_key = 'none'
    return model


@every_kind
def test_a_video_of_copies_in_a_still_world_is_the_stock_detector(kind):
    model, frames = still(flow_model(kind), kind), video(1).repeat(4, 1, 1, 1)
    single = flow_config(kind)
    single.pop('temporal_neck')
    single.pop('references')
    single = flow_model(kind, single)
    single.detector.load_state_dict(model.detector.state_dict())
    for mine, theirs in zip(numbers(detect(model, frames)), numbers(detect(single, frames)),
                            strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-3, rtol=1e-4)


@every_kind
def test_a_video_of_one_frame(kind):
    [sample] = detect(flow_model(kind), video(1))
    assert len(sample.pred_instances) > 0
    assert torch.isfinite(sample.pred_instances.scores).all()


@every_kind
def test_training_without_references(kind):
    config = flow_config(kind)
    config.references = None
    model = flow_model(kind, config, spread=False)
    data = model.data_preprocessor(training_batch(video(4), 1, {}), training=True)
    loss, _ = model.parse_losses(model.loss(**data))
    loss.backward()
    assert [key for key, parameter in model.named_parameters()
            if parameter.requires_grad and parameter.grad is None] == []


@every_kind
def test_clips_of_a_batch_do_not_meet_in_the_neck(kind):
    model = flow_model(kind).train()
    model.detector.eval()  # batch norm may see a whole batch
    references = [1, 2] if kind.startswith('fgfa') else [1]
    first, second = (training_batch(video(6, seed), 3, {'local': references}) for seed in (0, 1))
    together = dict(inputs=first['inputs'] + second['inputs'],
                    data_samples=first['data_samples'] + second['data_samples'])

    def enhanced(data):
        data = model.data_preprocessor(data, training=True)
        clips = gather_clips(*data.values(), frozenset())
        frames, _ = model.trainer.enhance(clips.keys(model.trainer.encode(clips)))
        return [frame.maps for frame in frames]

    both, alone = enhanced(together), [*enhanced(first), *enhanced(second)]
    for mine, theirs in zip(both, alone, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-3, rtol=1e-3)


def test_dff_looks_at_one_frame():
    config = flow_config('dff-dc5')
    config.references = dict(type='LocalWindow', radius=1)
    with pytest.raises(ValueError, match=r'names 2 references .* but DFFNeck looks at one'):
        MODELS.build(config)


def test_scale_maps_of_another_width_are_refused():
    config = flow_config('dff-conv4')
    config.temporal_neck.motion.scale_channels = 7
    with pytest.raises(ValueError, match='scale_channels is 7, but the detector gives maps of 32'):
        detect(flow_model('dff-conv4', config), video(2))


@every_kind
def test_still_images_in_training(kind):
    """All references are the image itself; every parameter has a gradient (several processes)."""
    model = flow_model(kind, spread=False)
    count = 2 if kind.startswith('fgfa') else 1
    clips = training_batch(video(1), 0, {'local': [0] * count})
    data = model.data_preprocessor(clips, training=True)
    loss, _ = model.parse_losses(model.loss(**data))
    loss.backward()
    assert [key for key, parameter in model.named_parameters()
            if parameter.requires_grad and parameter.grad is None] == []


def test_dff_of_mmtracking_takes_still_images_as_they_are():
    """The warped map counts zero times: the loss is that of the single-frame detector."""
    model = flow_model('dff-dc5').train()
    clips = training_batch(video(1), 0, {'local': [0]})
    data = model.data_preprocessor(clips, training=True)
    neck = model.temporal_neck
    [record] = model.trainer.encode(gather_clips(*data.values(), frozenset()))
    assert torch.equal(neck(record, {'local': [record]}, None).maps[0], record.maps[0])
    neck.warp_stills = True
    assert not torch.equal(neck(record, {'local': [record]}, None).maps[0], record.maps[0])


@pytest.mark.parametrize(('config', 'says'), [
    (flow_config('fgfa-dc5'), 'maps of frame 1, but FGFANeck'),
    (tiny_config('mega'), 'objects of frame 1, but TemporalRoIHead'),
    (tiny_config('single'), 'maps of frame 1, but the detector')], ids=['neck', 'head', 'stock'])
def test_frames_without_maps_are_refused_where_they_are_needed(config, says):
    config.references = dict(INTERVAL, role='local')
    if 'aggregator' not in config.detector.roi_head and 'temporal_neck' not in config:
        config.temporal_neck = dict(type='STMMNeck', in_channels=32, channels=16)
        says = 'maps of frame 1, but STMMNeck'
    model = MODELS.build(config).eval()
    with pytest.raises(ValueError, match=f'{says} reads them .*: use DFFNeck'):
        detect(model, video(3))


@pytest.mark.parametrize('kind', ['fgfa-yolox', 'dff-dc5'])
def test_another_size_in_a_video_is_refused(kind):
    model = flow_model(kind)
    detect(model, video(3), order=[0])
    with pytest.raises(ValueError, match='frames of a video need one size'):
        detect(model, video(3, shape=(64, 64)), order=[1])


@pytest.mark.parametrize('kind', ['fgfa-fpn', 'dff-conv4'])
def test_padding_of_a_batch_does_not_matter(kind):
    """Frames of two videos of different sizes in one batch are padded, and cropped again."""
    model = flow_model(kind)
    model.encode_batch = 1
    small, large = video(3), video(3, seed=1, shape=(96, 128))
    alone = numbers(detect(model, small, video_id=1))
    found = []
    for t in range(3):
        parts = [batch(small, [t], video_id=1), batch(large, [t], video_id=2)]
        results = model.test_step(dict(
            inputs=[part['inputs'][0] for part in parts],
            data_samples=[part['data_samples'][0] for part in parts]))
        found += [r[0] for r in results if hasattr(r, 'video_data_samples')
                  and r[0].video_id == 1]
    for mine, theirs in zip(numbers(sorted(found, key=lambda s: s.frame_id)), alone, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
