"""Narrow forms of the shipped models, by the names of arguments and not by method.

A new temporal part or detector needs a line here only if it brings a width under a new name.
"""

from __future__ import annotations

import inspect

from mmdet.registry import MODELS
from mmengine.config import ConfigDict

from ..parity.mega_runs import without_pretrained

#: Width of every map, head and branch that nothing else decides.
WIDTH = 16
#: Backbones by type: settings, and the widths of the stages that follow from them.
RESNET = dict(depth=18, base_channels=8), (8, 16, 32, 64)
#: Basic blocks have no deformable convolutions.
DEFORMABLE = dict(depth=50, base_channels=8), (32, 64, 128, 256)
BACKBONES = {
    'ResNeXt': (dict(depth=50, base_channels=8, groups=2), (32, 64, 128, 256)),
    'SwinTransformer': (dict(embed_dims=8, depths=[2, 2, 2, 2], num_heads=[1, 2, 4, 8],
                             window_size=4, drop_path_rate=0.0, convert_weights=False),
                        (8, 16, 32, 64)),
    'FocalNet': (dict(embed_dims=8, depths=[1, 1, 1, 1], num_levels=2), (8, 16, 32, 64)),
    'VGG16': (dict(base_channels=4), (32, )),
    'CSPDarknet': (dict(widen_factor=0.125), (32, 64, 128)),
    'CSPNeXt': (dict(widen_factor=0.125), (32, 64, 128)),
}
#: Arguments of a dense head, a box head or an RPN, where they have them.
HEAD = dict(stacked_convs=1, num_convs=2, conv_out_channels=WIDTH, feat_channels=WIDTH)


def shrink(config: ConfigDict, channels: int = 32, num_classes: int = 4) -> ConfigDict:
    """Narrow a model in place: about an eighth of the width, few blocks, few proposals.

    What distinguishes the models stays: the kind of residual blocks, the reduction of channels or
    none, the stages of the aggregator, a memory or none.

    Args:
        config: Of a model with a ``detector``.
        channels: Width of embeddings and fully connected layers.
        num_classes: Without the background.
    """
    detector = without_pretrained(config).detector
    if config.data_preprocessor.get('std') == [1.0] * 3:
        config.data_preprocessor.std = [60.0] * 3  # random weights want small inputs
    stages = narrow_backbone(detector.backbone)
    width = narrow_neck(detector.get('neck'), stages)
    if config.get('temporal_neck'):
        narrow(config.temporal_neck, width)
    width //= (detector.get('neck') or {}).get('num_slices', 1)
    if 'roi_head' in detector:
        narrow_roi_head(detector, width, channels, num_classes)
    elif 'base' in detector.bbox_head:
        narrow_dense_head(detector.bbox_head, width, channels, num_classes)
    elif 'decoder' in detector:
        narrow_transformer(detector, width, num_classes)
    else:
        narrow_head(detector.bbox_head, in_channels=width, num_classes=num_classes)
    if detector.get('rpn_head'):
        # it sees a map before the neck, or its first slice
        first = detector.rpn_head.type == 'FirstLevelRPNHead' and 'mid_channels' in detector.neck
        narrow_head(detector.rpn_head, in_channels=stages[-2] if first else width)
        anchors = detector.rpn_head.anchor_generator
        anchors.scales = [4] if len(anchors.scales) == 1 else [1, 2]
    narrow_settings(detector)
    return config


def narrow_backbone(backbone: ConfigDict) -> tuple[int, ...]:
    """Narrow a backbone; return the widths of its stages."""
    settings, widths = BACKBONES.get(backbone.type, DEFORMABLE if backbone.get('dcn') else RESNET)
    backbone.update(settings)
    if 'frozen_stages' in backbone:
        backbone.frozen_stages = 0
    return widths


def narrow_neck(neck: ConfigDict | None, stages: tuple[int, ...]) -> int:
    """Narrow a neck, or none (maps of the third stage); return the width of its maps."""
    if neck is None:
        return stages[2]
    several = isinstance(neck.in_channels, list)
    if 'norm_cfg' in neck and neck.norm_cfg.type == 'GN':
        neck.norm_cfg.num_groups = 4
    keeps_width = neck.in_channels == neck.out_channels and 'mid_channels' not in neck
    neck.in_channels = list(stages[-len(neck.in_channels):]) if several else stages[-1]
    neck.out_channels = neck.in_channels if keeps_width else WIDTH
    if 'backbone_channels' in neck:
        neck.backbone_channels = list(stages[-len(neck.in_channels):])
    if 'mid_channels' in neck:
        neck.mid_channels = WIDTH
    return neck.out_channels


def narrow_transformer(detector: ConfigDict, width: int, num_classes: int) -> None:
    """Narrow encoder, decoder and query head for maps of ``width``: two layers, few queries."""
    detector.update(num_queries=20)
    detector.positional_encoding.num_feats = width // 2
    for part in (detector.encoder, detector.decoder):
        part.num_layers = 2
        for attention in ('self_attn_cfg', 'cross_attn_cfg'):
            if attention in part.layer_cfg:
                part.layer_cfg[attention].update(embed_dims=width, num_heads=2)
        part.layer_cfg.ffn_cfg.update(embed_dims=width, feedforward_channels=2 * width)
    head = detector.bbox_head
    head.update(num_classes=num_classes, embed_dims=width)
    if 'aggregator' in head:
        head.feat_channels = head.feat_channels * width // head.aggregator.channels
        narrow(head.aggregator, width)
    detector.test_cfg.max_per_img = 10


def narrow_roi_head(detector: ConfigDict, width: int, channels: int, num_classes: int) -> None:
    """Narrow a RoI head with its pooling, embedding, aggregator and box heads."""
    head = detector.roi_head
    pooled = narrow_pooling(head.bbox_roi_extractor, detector.backbone.type, width)
    if 'in_channels' in head:
        head.in_channels = width
    embedded = pooled
    if 'embedding' in head:
        embedded = channels
        head.embedding.update(in_channels=pooled, out_channels=channels)
        narrow(head.aggregator, channels)
    elif 'aggregator' in head:  # of pooled scores
        grid = head.bbox_head.grid_size
        narrow(head.aggregator, (num_classes + 1) * grid**2)
    if head.get('temporal_roi_align'):
        narrow(head.temporal_roi_align, width)
    for bbox_head in head.bbox_head if isinstance(head.bbox_head, list) else [head.bbox_head]:
        convolves = 'num_convs' in bbox_head  # what is pooled, beside the embeddings
        narrow_head(bbox_head, num_classes=num_classes,
                    in_channels=pooled if convolves else embedded)
        bbox_head.update({name: channels for name in ('embed_channels', 'fc_out_channels')
                          if name in bbox_head})


def narrow_dense_head(head: ConfigDict, width: int, channels: int, num_classes: int) -> None:
    """Narrow a temporal dense head with its stock head and aggregator."""
    narrow_head(head.base, in_channels=width, num_classes=num_classes)
    ratio = head.feat_channels // head.aggregator.channels
    if head.get('embedding'):
        head.embedding.update(in_channels=2 * WIDTH, out_channels=channels)
    narrow(head.aggregator, channels if head.get('embedding') else WIDTH)
    head.feat_channels = ratio * head.aggregator.channels


def narrow_pooling(extractor: ConfigDict, backbone: str, width: int) -> int:
    """Narrow what pools RoIs from maps of ``width``; return the width of its features."""
    if len(extractor.get('featmap_strides', [])) > 1:
        extractor.finest_scale = 14  # small images have small boxes: they use several levels
    if extractor.get('roi_layer', {}).get('type') == 'RoIPool':  # mmcv's needs a GPU
        extractor.roi_layer = dict(type='RoIAlign', output_size=7, sampling_ratio=2)
    if 'depth' not in extractor:
        extractor.update({name: width for name in ('out_channels', ) if name in extractor})
        return width
    extractor.update(BACKBONES.get(backbone, RESNET)[0])  # a residual stage of its own
    if extractor.out_channels is None:
        return 2 * width
    extractor.out_channels = 8
    return 8


def narrow_head(head: ConfigDict, **settings: int) -> None:
    """Narrow a head that sees maps or objects."""
    head.update(settings)
    head.update({name: value for name, value in HEAD.items() if name in head})
    norm = inspect.signature(MODELS.get(head.type)).parameters.get('norm_cfg')
    if norm and (head.get('norm_cfg', norm.default) or {}).get('type') == 'GN':
        head.norm_cfg = dict(type='GN', num_groups=4)


def narrow_settings(detector: ConfigDict) -> None:
    """Few proposals, few samples."""
    training, testing = detector.get('train_cfg') or {}, detector.get('test_cfg') or {}
    for settings in (testing.get('rpn'), training.get('rpn_proposal'), testing):
        if settings and 'nms_pre' in settings:
            settings.update(nms_pre=100, max_per_img=20)
    stages = training.get('rcnn', [])
    for stage in stages if isinstance(stages, list) else [stages]:
        stage.sampler.num = 16


def narrow(part: ConfigDict, width: int) -> None:
    """Narrow an aggregator, a temporal neck or a part of one for maps or objects of ``width``.

    Whatever the class takes counts, its defaults included.
    """
    arguments = inspect.signature(MODELS.get(part.type)).parameters
    values = {name: part.get(name, argument.default) for name, argument in arguments.items()}
    whole = values.get('in_channels', values.get('channels'))
    for name, value in values.items():
        if isinstance(value, dict) and 'type' in value:
            narrow(value, width)
        elif name == 'aggregators':
            for aggregator in value.values():
                narrow(aggregator, width)
        elif name == 'embed_layers':
            part[name] = [(8, kernel) for _, kernel in value]
        elif not value or not isinstance(value, int):
            continue  # none stays none
        elif name in ('channels', 'in_channels'):
            part[name] = value * width // whole
        elif (small := smaller(name, value, width)) != value:
            part[name] = small


def smaller(name: str, value: int, width: int) -> int:
    """A small value of a further argument that is named in every method alike."""
    if name.endswith('_topk'):
        return min(max(value // 9, 3), 20)
    if name == 'scale_channels':
        return width
    return min(value, {'base_channels': 2, 'num_heads': 4, 'memory_size': 4}.get(name, value))
