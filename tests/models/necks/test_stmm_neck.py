"""STMM as a temporal neck: directions, streams, levels, and the detector whose place it takes."""

import warnings

import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict

from mmvod_plugins.models import STMMNeck, key_frame_detector
from mmvod_plugins.models.layers import bn_star

from ..records import record_of
from ..tiny import detect, numbers, sample_of, tiny_model, training_batch, video
from ..tiny_stmn import CENTRED, KINDS, ONLINE, WIDTH, stmn_config, stmn_model

RFCN = 'rfcn_r101'
every_kind = pytest.mark.parametrize('kind', KINDS)


def neck_of(**settings):
    torch.manual_seed(0)
    neck = STMMNeck(**dict(dict(in_channels=8, channels=4, replaces='conv'), **settings))
    return neck.double().eval()


def records(length, sizes=((5, 6), ), channels=8):
    generator = torch.Generator().manual_seed(0)
    return [record_of(sample_of(t, length), tuple(
        torch.randn(1, channels, *size, generator=generator).double() for size in sizes))
        for t in range(length)]


# Directions and streams --------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize('bidirectional', [True, False])
def test_one_frame_alone_is_as_in_the_whole_window(bidirectional):
    neck = neck_of(bidirectional=bidirectional, channels=4 if bidirectional else 8)
    window = records(5)
    [every] = neck.enhance_windows([window])
    for t, key in enumerate(window):
        alone = neck(key, {'local': window[::-1]}, None)
        torch.testing.assert_close(alone.maps, every[t].maps)


@torch.no_grad()
def test_windows_side_by_side_are_as_each_alone():
    """Of several lengths and sizes."""
    neck = neck_of(levels=(0, 1))
    small, large = records(6, sizes=((5, 6), (2, 3))), records(3, sizes=((6, 6), (2, 3)))
    windows = [small[:3], large, small[3:], small[1:3], small[4:5]]
    for window, together in zip(windows, neck.enhance_windows(windows), strict=True):
        [alone] = neck.enhance_windows([window])
        for one, other in zip(together, alone, strict=True):
            torch.testing.assert_close(one.maps, other.maps)


@torch.no_grad()
def test_a_window_backwards_in_time_swaps_the_directions():
    neck = neck_of()
    level = neck.levels[0]
    window = records(4)
    forward = [step.maps[0] for step in neck.enhance_windows([window])[0]]
    level.forward_cell, level.backward_cell = level.backward_cell, level.forward_cell
    backward = [step.maps[0] for step in neck.enhance_windows([window[::-1]])[0]][::-1]
    for one, other in zip(forward, backward, strict=True):
        torch.testing.assert_close(one, torch.cat([other[:, 4:], other[:, :4]], dim=1))


@torch.no_grad()
@pytest.mark.parametrize('stride', [1, 3])
def test_a_stream_carries_what_one_run_over_its_sequence_gives(stride):
    neck = neck_of(bidirectional=False, channels=8, stride=stride)
    frames, memory, online = records(7), neck.init_memory(), []
    for frame in frames:
        step = neck(frame, {'local': [frame]}, memory)
        neck.write(memory, step, None)
        online.append(step.maps[0])
    for phase in range(stride):
        [sequence] = neck.enhance_windows([frames[phase::stride]])
        for one, other in zip(online[phase::stride], sequence, strict=True):
            torch.testing.assert_close(one, other.maps[0])


@torch.no_grad()
def test_online_no_frame_sees_a_later_one_and_every_frame_sees_all_before():
    model, frames = stmn_model(RFCN, ONLINE, bidirectional=False, channels=WIDTH), video(5)
    found = numbers(detect(model, frames))
    for t in (0, 3):
        other = frames.clone()
        other[t] = video(1, seed=9)[0]
        changed = [a.shape != b.shape or not torch.equal(a, b)
                   for a, b in zip(numbers(detect(model, other)), found, strict=True)]
        assert changed == [False] * t + [True] * (5 - t)


# Levels ------------------------------------------------------------------------------------------


@torch.no_grad()
def test_other_levels_pass_and_each_level_has_cells_of_its_own():
    neck = neck_of(levels=(0, -1), replaces=None)
    torch.nn.init.normal_(neck.levels[0].reduction.weight)
    torch.nn.init.normal_(neck.levels[1].reduction.weight)
    window = records(3, sizes=((5, 6), (3, 4), (1, 1)))
    for record, step in zip(window, neck.enhance_windows([window])[0], strict=True):
        feats = step.maps
        assert feats[1] is record.maps[1]
        alone = neck(record, {'local': window}, None).maps
        for before, one, other in zip(record.maps, feats, alone, strict=True):
            assert before.shape == one.shape
            torch.testing.assert_close(one, other)
        assert not torch.equal(feats[0], record.maps[0])
        assert not torch.equal(feats[2], record.maps[2])


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(channels=8), 'set channels to 4, or omit `replaces`'),
    (dict(levels=(0, 1), channels=(4, 4, 4)), 'temporal_neck.channels has 3 values for 2 levels'),
    (dict(stride=0), 'temporal_neck.stride is 0, expected 1 or more'),
    (dict(levels=(0, 0)), r'temporal_neck.levels is \(0, 0\), expected .* each once'),
    (dict(levels=()), r'temporal_neck.levels is \(\), expected one index or more'),
])
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        neck_of(**settings)


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(levels=(0, 7)), r'temporal_neck.levels is \(0, 7\), .* 5 maps: expected .* -5 to 4'),
    (dict(levels=(0, -5)), r'temporal_neck.levels is \(0, -5\), which names the same .* twice'),
    (dict(levels=(0, 1), in_channels=(16, 8)),
     r'in_channels is \[16, 8\] for the levels \(0, 1\), .* have \[16, 16\] channels: set'),
])
@pytest.mark.parametrize('training', [False, True])
def test_maps_that_the_settings_do_not_fit_are_refused(settings, message, training):
    model, frames = stmn_model('retinanet_r50-fpn', CENTRED, **settings), video(5)
    clip = model.data_preprocessor(training_batch(frames, 0, {'window': [2, 4]}), training=True)
    with pytest.raises(ValueError, match=message):
        model.train()(**clip, mode='loss') if training else detect(model, frames)


def test_memories_in_both_directions_that_never_see_a_reference_are_told(monkeypatch):
    told = []
    monkeypatch.setattr(key_frame_detector, 'warn_without_references', told.append)
    for references, settings in ((CENTRED, {}), (ONLINE, {}),
                                 (ONLINE, dict(bidirectional=False, channels=WIDTH))):
        detect(stmn_model(RFCN, references, **settings), video(2))
    assert told == ['STMN'] * 2  # ONLINE with both directions


# In the place of a convolution, or beside a detector ---------------------------------------------


def static_rfcn():
    """The static detector, as a model whose names are those of a checkpoint."""
    config = stmn_config(RFCN)
    config.pop('temporal_neck')
    config.references = None
    config.detector.neck.last_conv = True
    return stmn_model(RFCN, config=config)


@torch.no_grad()
def test_a_static_checkpoint_starts_both_directions():
    static, model = static_rfcn(), stmn_model(RFCN)
    random = model.temporal_neck.levels[0].forward_cell.u.weight.clone()
    with pytest.warns(UserWarning, match=(
            r"start from \['detector.neck.last_conv.conv.bias', .* those of "
            r"\['levels.\*.backward_cell.u', 'levels.\*.backward_cell.u_r', .*'levels")):
        load_state_dict(model, static.state_dict(), strict=False)
    weight, bias = static.detector.neck.last_conv.conv.parameters()
    level = model.temporal_neck.levels[0]
    halves = slice(0, WIDTH // 2), slice(WIDTH // 2, WIDTH)
    for cell, rows in zip((level.forward_cell, level.backward_cell), halves, strict=True):
        for conv in (cell.w_z, cell.w_r, cell.w):
            assert torch.equal(conv.weight, weight[rows])
            assert torch.equal(conv.bias, bias[rows])
    assert torch.equal(level.forward_cell.u.weight, random)
    # one frame: what the detector's convolution gave, times its own gate
    [sample] = [sample_of(0, 1)]
    image = torch.rand(1, 3, 64, 96)
    whole, before = static.detector.extract_feat(image), model.detector.extract_feat(image)
    [[step]] = model.temporal_neck.enhance_windows([[record_of(sample, before)]])
    conv4, memory = step.maps
    assert torch.equal(conv4, whole[0])
    gates = torch.cat([bn_star(whole[1][:, :WIDTH // 2]), bn_star(whole[1][:, WIDTH // 2:])], dim=1)
    torch.testing.assert_close(memory, gates * whole[1])


def test_a_trained_checkpoint_is_loaded_as_it_is():
    one, other = stmn_model(RFCN), stmn_model(RFCN, spread=False)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        load_state_dict(other, one.state_dict(), strict=True)
    for name, value in other.state_dict().items():
        assert torch.equal(value, one.state_dict()[name])


def test_the_checkpoint_of_another_method_is_refused():
    stmn, mega = stmn_model('faster-rcnn_r50-conv4-dc5'), tiny_model('mega')
    with pytest.raises(ValueError, match=r'holds STMN .* but the model is MEGA'):
        load_state_dict(mega, stmn.state_dict())
    with pytest.warns(UserWarning, match='without temporal neck'), \
            pytest.raises(ValueError, match=r'holds MEGA .* but the model is STMN'):
        load_state_dict(stmn, mega.state_dict())


def test_a_convolution_that_is_still_there_is_refused():
    config = stmn_config(RFCN)
    config.detector.neck.last_conv = True
    with pytest.raises(ValueError, match=r'found the module detector\.neck\.last_conv\.conv, .* '
                                         r'last_conv=False'):
        stmn_model(RFCN, config=config)


@pytest.mark.parametrize('change', ['missing', 'shape'])
def test_a_checkpoint_without_the_convolution_is_refused(change):
    weights = static_rfcn().state_dict()
    if change == 'missing':
        weights = {key: value for key, value in weights.items() if 'last_conv' not in key}
    else:
        weights['detector.neck.last_conv.conv.weight'] = torch.zeros(8, 16, 3, 3)
    with pytest.raises(ValueError, match=r'replaces is .*expected .* \(16, 16, 3, 3\).*static'):
        load_state_dict(stmn_model(RFCN), weights)


@torch.no_grad()
@pytest.mark.parametrize('channels', [4, 3, 8])
def test_cells_beside_a_detector_start_as_those_of_the_identity(channels):
    neck, [frame] = neck_of(replaces=None, channels=channels), records(1)
    level, feat = neck.levels[0], frame.maps[0]
    rectified = feat.relu().repeat(1, 2, 1, 1)
    for i, cell in enumerate((level.forward_cell, level.backward_cell)):
        part = rectified[:, i * channels:(i + 1) * channels]
        torch.testing.assert_close(cell(feat)[0].memory, bn_star(part) * part)


@torch.no_grad()
@pytest.mark.parametrize('kind', [kind for kind in KINDS if kind != RFCN])
def test_a_trained_detector_stays_as_it_is_until_the_neck_is_trained(kind):
    config = stmn_config(kind, CENTRED)
    config.pop('temporal_neck')
    config.references = None
    static = stmn_model(kind, config=config)
    model = stmn_model(kind, CENTRED, spread=False)
    with pytest.warns(UserWarning, match=(
            r"those of \['levels.\*.backward_cell', 'levels.\*.forward_cell', "
            r"'levels.\*.reduction'\] keep their initial weights and need training")):
        load_state_dict(model, static.state_dict(), strict=False)
    frames = video(3)
    for one, other in zip(numbers(detect(static, frames)), numbers(detect(model, frames)),
                          strict=True):
        assert len(one)
        assert torch.equal(one, other)


@torch.no_grad()
@pytest.mark.parametrize('side_by_side', [True, False])
def test_feature_convolutions_that_run_once_per_frame_change_nothing(side_by_side):
    sizes = dict(levels=(0, 1)), ((5, 6), (2, 3))
    once, every_time = neck_of(**sizes[0]), neck_of(project_once=False, **sizes[0])
    window = records(4, sizes=sizes[1])
    calls = []
    once.levels[0].forward_cell.w.register_forward_hook(lambda *_: calls.append(1))
    encoded = records(4, sizes=sizes[1])
    for record in encoded:
        record.extras.update(once.encode(record, None))
    assert every_time.encode(window[0], None) == {}
    if side_by_side:
        [plain], [kept] = every_time.enhance_windows([window]), once.enhance_windows([encoded])
    else:
        plain, kept = ([neck(key, {'local': frames}, None) for key in frames]
                       for neck, frames in ((every_time, window), (once, encoded)))
    for one, other in zip(plain, kept, strict=True):
        torch.testing.assert_close(one.maps, other.maps)
    assert len(calls) == 4
