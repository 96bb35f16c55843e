"""A plain mmdet checkpoint of COCO's 80 classes starts a model of 30 classes, in every family."""

import copy
import re
import warnings
from pathlib import Path

import mmdet
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.runner.checkpoint import load_state_dict

from ..models.flow_models import flow_config, flow_model
from ..models.tiny_static import static_config
from ..models.tiny_stmn import stmn_config, stmn_model
from ..parity.mega_runs import without_pretrained

MODEL_ZOO = Path(mmdet.__file__).parent / '.mim/configs'
#: A shipped config of mmdet for every family, and its layers that depend on the classes.
FAMILIES = {
    'faster_rcnn/faster-rcnn_r50_fpn_1x': {'roi_head.bbox_head.fc_cls',
                                           'roi_head.bbox_head.fc_reg'},
    'cascade_rcnn/cascade-rcnn_r50_fpn_1x': {'roi_head.bbox_head.*.fc_cls'},
    'retinanet/retinanet_r50_fpn_1x': {'bbox_head.retina_cls'},
    'atss/atss_r50_fpn_1x': {'bbox_head.atss_cls'},
    'yolox/yolox_s_8xb8-300e': {'bbox_head.multi_level_conv_cls.*'},
    'rtmdet/rtmdet_tiny_8xb32-300e': {'bbox_head.rtm_cls.*'},
    'deformable_detr/deformable-detr_r50_16xb2-50e': {'bbox_head.cls_branches.*'},
    'dino/dino-4scale_r50_8xb2-12e': {'bbox_head.cls_branches.*',
                                      'dn_query_generator.label_embedding'},
}
every_family = pytest.mark.parametrize('family', FAMILIES, ids=lambda name: name.split('/')[0])


def family_config(family, num_classes=80):
    """A detector of mmdet's model zoo with fewer layers."""
    config = without_pretrained(Config.fromfile(MODEL_ZOO / f'{family}_coco.py').model)
    if config.backbone.type == 'ResNet':
        config.backbone.depth = 18
        config.neck.in_channels = [width // 4 for width in config.neck.in_channels]
    for head in box_heads(config):
        head.update({name: 32 for name in ('fc_out_channels', ) if name in head})
    for part in ('encoder', 'decoder'):
        if part in config:
            config[part].num_layers = 1
    set_classes(config, num_classes)
    return config


def set_classes(config, num_classes):
    for head in box_heads(config):
        head.num_classes = num_classes


def box_heads(config):
    heads = config.get('bbox_head') or config.roi_head.bbox_head
    return heads if isinstance(heads, list) else [heads]


def built(config, seed=0):
    torch.manual_seed(seed)
    model = MODELS.build(copy.deepcopy(config))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


def in_video_detector(config):
    return built(dict(type='VideoDetector', detector=config), seed=1)


def layer(key):
    """The layer of a tensor, with ``*`` for indices."""
    return re.sub(r'\.\d+(?=\.|$)', '.*', key.rpartition('.')[0])


def assert_started(model, plain, last):
    """All weights are those of the plain detector but for the last layers, which stay."""
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.warns(UserWarning, match='another number of classes or anchors') as caught:
        load_state_dict(model, plain.state_dict())
    left_out = set()
    started = model.detector.state_dict()
    for key, value in plain.state_dict().items():
        if key.startswith('neck.last_conv.') and key not in started:
            continue
        own = started[key]
        if own.shape == value.shape:
            assert torch.equal(own, value), key
            continue
        assert torch.equal(own, before[f'detector.{key}']), key
        assert any(f"'detector.{key}'" in str(warning.message) for warning in caught), key
        left_out.add(layer(key))
    assert left_out == last


@every_family
def test_all_but_the_last_layers_start(family):
    plain = built(family_config(family))
    assert_started(in_video_detector(family_config(family, 30)), plain, FAMILIES[family])


@every_family
def test_a_file_of_the_same_classes_loads_completely(family):
    plain, model = built(family_config(family)), in_video_detector(family_config(family))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        load_state_dict(model, plain.state_dict(), strict=True)
    for key, value in model.detector.state_dict().items():
        assert torch.equal(value, plain.state_dict()[key]), key


@every_family
def test_another_width_is_another_architecture(family):
    """With other classes too: what differs is named by a layer that is no last one."""
    plain, config = built(family_config(family)), family_config(family, 30)
    if config.backbone.type == 'ResNet':
        config.backbone.base_channels = 32
    else:
        config.backbone.widen_factor /= 2
    config.neck.in_channels = [width // 2 for width in config.neck.in_channels]
    model = in_video_detector(config)
    first = next(key for key, value in plain.state_dict().items()
                 if value.shape != model.detector.state_dict()[key].shape)
    assert first.startswith('backbone.')
    with pytest.raises(ValueError, match=f'another architecture: .* detector.{re.escape(first)}: '):
        load_state_dict(model, plain.state_dict())


def test_another_number_of_levels_is_another_architecture():
    """It changes the first dimension of layers in encoder and decoder alone."""
    config = family_config('dino/dino-4scale_r50_8xb2-12e', 30)
    plain = built(config)
    config.num_feature_levels = config.neck.num_outs = 5
    for part, attention in (('encoder', 'self_attn_cfg'), ('decoder', 'cross_attn_cfg')):
        config[part].layer_cfg[attention].num_levels = 5
    with pytest.raises(ValueError, match=r'another architecture: .*(level_embed|sampling_offsets)'):
        load_state_dict(in_video_detector(config), plain.state_dict())


def test_other_anchors_leave_out_the_last_layers_of_the_rpn():
    family = 'faster_rcnn/faster-rcnn_r50_fpn_1x'
    config = family_config(family)
    config.rpn_head.anchor_generator.scales = [4, 8]
    assert_started(in_video_detector(config), built(family_config(family)),
                   {'rpn_head.rpn_cls', 'rpn_head.rpn_reg'})


def test_boxes_for_every_class_leave_out_one_box_for_all():
    family = 'faster_rcnn/faster-rcnn_r50_fpn_1x'
    config = family_config(family)
    config.roi_head.bbox_head.reg_class_agnostic = True
    assert_started(in_video_detector(config), built(family_config(family)),
                   {'roi_head.bbox_head.fc_reg'})


def test_position_sensitive_maps_are_last_layers():
    config = static_config('rfcn_r50').detector
    plain = built(config)
    set_classes(config, 9)
    assert_started(in_video_detector(config), plain, {'roi_head.bbox_head.fc_cls'})


# Models that wrap such a detector ----------------------------------------------------------------


@pytest.mark.parametrize(('kind', 'last'), [
    ('fgfa-fpn', {'roi_head.bbox_head.fc_cls', 'roi_head.bbox_head.fc_reg'}),
    ('fgfa-retinanet', {'bbox_head.retina_cls'}),
    ('fgfa-atss', {'bbox_head.atss_cls'}),
    ('fgfa-yolox', {'bbox_head.multi_level_conv_cls.*'}),
])
def test_flow_guided_models_start_from_a_plain_detector(kind, last):
    config = flow_config(kind)
    detector = copy.deepcopy(config.detector)
    set_classes(detector, 80)
    assert_started(flow_model(kind, config), built(detector), last)


@pytest.mark.parametrize(('kind', 'last'), [
    ('faster-rcnn_r50-fpn', {'roi_head.bbox_head.fc_cls', 'roi_head.bbox_head.fc_reg'}),
    ('retinanet_r50-fpn', {'bbox_head.retina_cls'}),
    ('rfcn_r101', {'roi_head.bbox_head.fc_cls'}),
])
def test_stmn_starts_from_a_plain_detector(kind, last):
    config = stmn_config(kind)
    detector = copy.deepcopy(config.detector)
    set_classes(detector, 80)
    if kind == 'rfcn_r101':
        detector.neck.last_conv = True  # the memories replace it
    assert_started(stmn_model(kind, config=config), built(detector), last)
