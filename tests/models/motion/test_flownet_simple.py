"""The flow network: sizes, padding, its start, published names."""

import pytest
import torch
from mmengine.runner.checkpoint import load_checkpoint

from mmvod_plugins.checkpoints.flownet import flownet_name, rename_flownet
from mmvod_plugins.models import FlowNetSimple

MEAN = [0.4, 0.4, 0.5]


def network(**options):
    torch.manual_seed(0)
    net = FlowNetSimple(**{'input_mean': MEAN, 'base_channels': 2, **options})
    net.init_weights()
    return net.eval()


def images(count, height, width, seed=0):
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(('options', 'expected'), [
    (dict(), {(64, 96): (64, 96), (50, 70): (56, 72), (9, 3): (8, 8)}),
    (dict(output='stride_16', downsample='average', decoder_bias=True, scale_channels=5),
     {(64, 96): (4, 6), (50, 70): (4, 5), (9, 3): (1, 1), (1, 1): (1, 1)}),
], ids=['image', 'stride_16'])
@torch.no_grad()
def test_sizes(options, expected):
    net = network(**options)
    for (height, width), size in expected.items():
        key, others = (net.prepare(images(n, height, width), (height, width)) for n in (1, 3))
        motion = net(key, others)
        assert motion.flow.shape == (3, 2, *size)
        assert (motion.scale is None) == ('scale_channels' not in options)
        if motion.scale is not None:
            assert motion.scale.shape == (3, 5, *size)


@torch.no_grad()
def test_it_starts_with_a_still_world_and_factors_of_one():
    net = network(output='stride_16', scale_channels=4)
    motion = net(net.prepare(images(1, 64, 96), (64, 96)),
                 net.prepare(images(2, 64, 96, 1), (64, 96)))
    assert 0 < motion.flow.abs().max() < 0.05
    torch.testing.assert_close(motion.scale, torch.ones(2, 4, 4, 6), atol=0.05, rtol=0)


def test_scales_start_at_one_where_the_pretrained_network_has_none(tmp_path):
    path = str(tmp_path / 'flownet.pth')
    torch.save(network().state_dict(), path)
    net = network(output='stride_16', decoder_bias=True, scale_channels=4,
                  init_cfg=dict(type='Pretrained', checkpoint=path))
    assert torch.equal(net.conv1[0].conv.weight, torch.load(path)['conv1.0.conv.weight'])
    assert not net.predict_scale.weight.any()


@torch.no_grad()
def test_what_the_padding_holds_does_not_matter():
    net = network()
    frame = images(1, 64, 96)
    other = frame.clone()
    other[..., 50:, :] = 7
    other[..., 80:] = -7
    assert torch.equal(net.prepare(frame, (50, 80)), net.prepare(other, (50, 80)))
    assert torch.equal(frame, images(1, 64, 96))


@torch.no_grad()
def test_the_input_is_pixels_in_0_to_1_minus_the_mean():
    pixels = torch.full((1, 3, 4, 4), 51.0)
    wanted = torch.tensor(MEAN).view(1, 3, 1, 1)
    seen = network().prepare(pixels, (4, 4))
    torch.testing.assert_close(seen, (0.2 - wanted).expand(1, 3, 2, 2))


@torch.no_grad()
def test_pairs_do_not_depend_on_one_another():
    net = network()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    key, others = (net.prepare(images(n, 64, 96, n), (64, 96)) for n in (1, 3))
    together = net(key, others).flow
    alone = torch.cat([net(key, other[None]).flow for other in others])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-3)


# Published names ---------------------------------------------------------------------------------

THEIRS = {
    'flow_conv1.weight': 'conv1.0.conv.weight', 'conv2.bias': 'conv2.0.conv.bias',
    'conv3_1.weight': 'conv3.1.conv.weight', 'conv6_1.bias': 'conv6.1.conv.bias',
    'Convolution1.weight': 'predict_flow6.conv.weight',
    'Convolution5.bias': 'predict_flow.conv.bias', 'deconv5.weight': 'deconv5.conv.weight',
    'upsample_flow6to5.bias': 'upsample_flow5.conv.bias',
    'Convolution5_scale.weight': 'predict_scale.weight', 'embed_conv1.weight': None,
}


def test_names_of_mega_pytorch():
    assert {name: flownet_name(name) for name in THEIRS} == THEIRS


@pytest.mark.parametrize('prefix', ['', 'flownet.', 'module.flownet.'])
def test_a_file_of_mega_pytorch_starts_the_network(prefix, tmp_path):
    options = dict(output='stride_16', decoder_bias=True, scale_channels=4)
    source, net = network(**options), network(**options)
    for parameter in source.parameters():
        torch.nn.init.normal_(parameter)
    ours = {value: key for key, value in THEIRS.items() if value}
    names = {}
    for name in source.state_dict():
        level, part = name.partition('.')[::2]
        names[name] = ours.get(name) or {
            'predict_flow5': 'Convolution2', 'predict_flow4': 'Convolution3',
            'predict_flow3': 'Convolution4', 'predict_flow6': 'Convolution1',
            'predict_flow': 'Convolution5', 'upsample_flow5': 'upsample_flow6to5',
            'upsample_flow4': 'upsample_flow5to4', 'upsample_flow3': 'upsample_flow4to3',
            'upsample_flow2': 'upsample_flow3to2'}.get(
                level, level if level.startswith('deconv') else
                ('flow_' if level == 'conv1' else '') + level + '_1' * part.startswith('1')
            ) + '.' + name.rpartition('.')[2]
    stored = {prefix + names[name]: value for name, value in source.state_dict().items()}
    torch.save(stored, tmp_path / 'flownet.ckpt')
    load_checkpoint(net, str(tmp_path / 'flownet.ckpt'), strict=True)
    for name, value in net.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


@pytest.mark.parametrize('wrap', [
    lambda weights: weights,
    lambda weights: {'state_dict': {f'motion.{key}': value for key, value in weights.items()}
                     | {'detector.backbone.conv1.weight': 0}},
    lambda weights: {'state_dict': {f'temporal_neck.motion.{key}': value
                                    for key, value in weights.items()}},
], ids=['flow network', 'FGFA of MMTracking', 'our own'])
def test_own_names_stay_and_the_rest_of_a_model_goes(wrap):
    weights = dict.fromkeys(network().state_dict(), 0)
    assert rename_flownet(wrap(weights)) == weights


def test_a_whole_model_of_mega_pytorch_starts_the_network():
    theirs = {f'module.flownet.{name}': 0 for name, ours in THEIRS.items() if ours}
    other = {'module.backbone.body.stem.conv1.weight': 1, 'module.embednet.embed_conv1.weight': 1}
    expected = {name: 0 for name in THEIRS.values() if name}
    assert rename_flownet({'model': theirs | other}) == expected


def test_a_file_without_flow_network_is_refused():
    with pytest.raises(ValueError, match='holds no weights of FlowNetS: its first keys are'):
        network().load_state_dict({'conv1.weight': torch.zeros(1)})


@torch.no_grad()
def test_a_network_that_was_trained_on_bgr_gets_bgr():
    bgr, rgb = network(channel_order='bgr'), network()
    frame = images(1, 8, 8)
    torch.testing.assert_close(bgr.prepare(frame, (8, 8)), rgb.prepare(frame.flip(1), (8, 8)))


@pytest.mark.parametrize(('options', 'says'), [
    (dict(downsample='nearest'), "downsample must be 'bilinear'"),
    (dict(output='stride_8'), "output 'image' or 'stride_16'"),
    (dict(scale_channels=4), "scale_channels needs output='stride_16'"),
    (dict(input_mean=[0.4]), 'input_mean needs three numbers'),
    (dict(channel_order='gbr'), "channel_order 'rgb' or 'bgr'"),
    (dict(img_norm=dict(mean=[0.0] * 3, input_mean=[0.4] * 3)),
     r'img_norm is no longer needed: .* by input_mean=\[0.4, 0.4, 0.4\]'),
])
def test_wrong_options_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        FlowNetSimple(**options)
