"""Small models that are real: the shipped configs with a narrow backbone and few objects."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.config import Config, ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from mmvod_plugins.models import VideoDetector

from ..parity.mega_runs import BASES, without_pretrained
from .tiny_necks import narrow_neck
from .tiny_static import SHRINK, shrink_dense

SHAPE = (64, 96)
WINDOW = dict(type='LocalWindow', radius=2, num_samples=2, sample_key=True)
MEGA = dict(
    type='ComposedReferences',
    policies=[
        WINDOW,
        dict(type='PrecedingWindow', distance=5, radius=2, num_samples=3),
        dict(type='GlobalShuffle', num_frames=3, num_samples=2),
    ])
ONLINE = dict(
    type='ComposedReferences',
    policies=[dict(type='CausalWindow', num_frames=5), dict(type='GlobalReservoir', num_frames=3)])


def shrink(config: ConfigDict, channels: int = 32, num_classes: int = 4) -> ConfigDict:
    """Narrow a model in place: an eighth of the width, few blocks, few proposals.

    What distinguishes the models stays: the kind of residual blocks, the reduction of channels or
    none, the stages of the aggregator, a memory or none.
    """
    neck = config.pop('temporal_neck', None)
    kind = config.detector.get('neck', {}).get('type')
    if 'bbox_head' in config.detector:
        shrink_dense(config, num_classes)
    elif kind in SHRINK:
        SHRINK[kind](config, num_classes=num_classes)
    else:
        stage = {'FPN': shrink_fpn, None: shrink_conv4}.get(kind, shrink_dc5)
        stage(config, channels, num_classes)
    if neck is not None:
        width = config.detector.get('neck', {}).get('out_channels', 32)
        config.temporal_neck = narrow_neck(without_pretrained(neck), width)
    return config


def shrink_conv4(config: ConfigDict, channels: int = 32, num_classes: int = 4) -> ConfigDict:
    """Narrow a model with its RPN on conv4 in place, as :func:`shrink`."""
    detector = without_pretrained(config).detector
    head = detector.roi_head
    config.data_preprocessor.std = [60.0] * 3
    block = dict(depth=18, base_channels=8)
    conv4 = 32
    if detector.backbone.type == 'ResNeXt':
        block, conv4 = dict(depth=50, base_channels=8, groups=2), 128
    detector.backbone.update(frozen_stages=0, **block)
    detector.rpn_head.update(in_channels=conv4, feat_channels=16)
    detector.rpn_head.anchor_generator.scales = [1, 2]
    head.bbox_roi_extractor.update(block)
    pooled = 2 * conv4
    if head.bbox_roi_extractor.out_channels is not None:
        head.bbox_roi_extractor.out_channels = pooled = 8
    head.bbox_head.num_classes = num_classes
    if head.type == 'TemporalRoIHead':
        head.embedding.update(in_channels=pooled, out_channels=channels)
        aggregator = head.aggregator
        aggregator.channels = channels
        if aggregator.type == 'MEGAAggregator':
            aggregator.update(num_heads=4, reference_topk=8, distilled_topk=3,
                              memory_size=min(aggregator.memory_size, 4))
        elif aggregator.type == 'RDNAggregator':
            aggregator.update(num_heads=4, reference_topk=8, distilled_topk=3)
        head.bbox_head.in_channels = channels
    else:
        head.bbox_head.update(in_channels=pooled, fc_out_channels=channels)
    for rpn in (detector.test_cfg.rpn, detector.train_cfg.rpn_proposal):
        rpn.update(nms_pre=100, max_per_img=20)
    detector.train_cfg.rcnn.sampler.num = 16
    return config


def shrink_dc5(config: ConfigDict, channels: int = 32, num_classes: int = 4) -> ConfigDict:
    """Narrow a DC5 model of MMTracking's kind in place, as :func:`shrink`."""
    detector = without_pretrained(config).detector
    head = detector.roi_head
    block = dict(depth=18, base_channels=8)
    width = 64
    if detector.backbone.type == 'ResNeXt':
        block, width = dict(depth=50, base_channels=8, groups=2), 256
    detector.backbone.update(frozen_stages=0, **block)
    detector.neck.update(in_channels=[width], out_channels=16)
    detector.rpn_head.update(in_channels=16, feat_channels=16)
    detector.rpn_head.anchor_generator.scales = [1, 2]
    head.bbox_roi_extractor.out_channels = 16
    if 'embedding' in head:
        head.embedding.update(in_channels=16, out_channels=channels)
        head.aggregator.update(channels=channels, num_heads=4, reference_topk=20)
        head.bbox_head.in_channels = channels
    else:
        head.bbox_head.update(in_channels=16, fc_out_channels=channels)
    if head.get('temporal_roi_align'):
        head.temporal_roi_align.channels = 16
    head.bbox_head.num_classes = num_classes
    for rpn in (detector.test_cfg.rpn, detector.train_cfg.rpn_proposal):
        rpn.update(nms_pre=100, max_per_img=20)
    detector.train_cfg.rcnn.sampler.num = 16
    return config


def shrink_fpn(config: ConfigDict, channels: int = 32, num_classes: int = 4) -> ConfigDict:
    """Narrow a model with a pyramid in place, as :func:`shrink`: one stage or a cascade."""
    detector = without_pretrained(config).detector
    head = detector.roi_head
    if detector.backbone.type == 'SwinTransformer':
        detector.backbone.update(embed_dims=8, depths=[2, 2, 2, 2], num_heads=[1, 2, 4, 8],
                                 window_size=4, drop_path_rate=0.0, convert_weights=False)
    else:
        detector.backbone.update(frozen_stages=0, depth=18, base_channels=8)
    detector.neck.update(in_channels=[8, 16, 32, 64], out_channels=16)
    detector.rpn_head.update(in_channels=16, feat_channels=16)
    detector.rpn_head.anchor_generator.scales = [4]
    head.bbox_roi_extractor.update(out_channels=16, finest_scale=14)
    widths = dict(in_channels=16, fc_out_channels=channels)
    if 'embedding' in head:
        widths = dict(in_channels=channels)
        head.embedding.update(in_channels=16, out_channels=channels)
        head.aggregator.update(channels=channels, num_heads=4, reference_topk=20)
        if head.aggregator.type == 'MEGAAggregator':
            head.aggregator.update(reference_topk=8, distilled_topk=3, memory_size=4)
    for bbox_head in head.bbox_head if isinstance(head.bbox_head, list) else [head.bbox_head]:
        bbox_head.update(num_classes=num_classes, **widths)
        if 'num_convs' in bbox_head:  # of Double-Head R-CNN
            bbox_head.update(in_channels=16, num_convs=2, conv_out_channels=16)
        if 'embed_channels' in bbox_head:
            bbox_head.embed_channels = channels
    for rpn in (detector.test_cfg.rpn, detector.train_cfg.rpn_proposal):
        rpn.update(nms_pre=100, max_per_img=20)
    stages = detector.train_cfg.rcnn
    for stage in stages if isinstance(stages, list) else [stages]:
        stage.sampler.num = 16
    return config


def selsa_config(name: str = 'selsa') -> ConfigDict:
    """Config of a tiny SELSA (``'selsa'``) or with Temporal RoI Align (``'selsa-troialign'``)."""
    return shrink_dc5(Config.fromfile(BASES / f'{name}_faster-rcnn_r50-dc5.py').model)


def tiny_config(method: str = 'mega', references: dict | None = MEGA,
                **aggregator: Any) -> ConfigDict:
    """Config of a tiny model; ``method`` is ``'mega'``, ``'rdn'``, ``'rdn-base'``, ``'single'``."""
    name = {'single': '', 'rdn': 'rdn-base_'}.get(method, f'{method}_') + 'faster-rcnn'
    config = shrink(Config.fromfile(BASES / f'{name}_r50-conv4-dc5.py').model)
    if method != 'single':
        config.references = references
        if method == 'rdn':
            config.detector.roi_head.aggregator.num_advanced_stages = 1
        config.detector.roi_head.aggregator.update(aggregator)
    return config


def tiny_model(method: str = 'mega', references: dict | None = MEGA, seed: int = 0,
               **aggregator: Any) -> VideoDetector:
    """A tiny model with random weights that are large enough for references to matter."""
    torch.manual_seed(seed)
    model = MODELS.build(tiny_config(method, references, **aggregator))
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            std = 0.1 if name.endswith(('rpn_reg.weight', 'fc_reg.weight')) else 1.0
            torch.nn.init.normal_(parameter, std=std / parameter[0].numel()**0.5)
        elif 'location.bias' in name:
            torch.nn.init.constant_(parameter, 0.8)
    return model.eval()


def video(length: int, seed: int = 0, shape: tuple[int, int] = SHAPE) -> Tensor:
    """Random frames, (L, 3, H, W) uint8."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (length, 3, *shape), dtype=torch.uint8, generator=generator)


def sample_of(frame_id: int, video_length: int, shape: tuple[int, int] = SHAPE,
              **meta: Any) -> DetDataSample:
    """A frame's sample with one ground-truth box."""
    sample = DetDataSample(metainfo=dict(
        video_id=0, frame_id=frame_id, ori_video_length=video_length, img_id=frame_id,
        img_path=f'frame{frame_id}.jpg', img_shape=shape, ori_shape=shape,
        scale_factor=(1.0, 1.0)) | meta)
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[8.0 + frame_id, 10.0, 40.0 + frame_id, 44.0]]),
        labels=torch.tensor([1]))
    sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long())
    return sample


def clip_of(samples: list[DetDataSample]) -> TrackDataSample:
    """Samples of frames as one track sample."""
    clip = TrackDataSample()
    clip.video_data_samples = samples
    return clip


def batch(frames: Tensor, frame_ids: list[int], **meta: Any) -> dict[str, Any]:
    """A test batch of frames of one video, as a data loader gives it."""
    shape = tuple(frames.shape[-2:])
    return dict(
        inputs=[frames[t][None] for t in frame_ids],
        data_samples=[clip_of([sample_of(t, len(frames), shape, **meta)]) for t in frame_ids])


def training_batch(frames: Tensor, key_id: int, roles: dict[str, list[int]],
                   copies: int = 1) -> dict[str, Any]:
    """Training clips with given references."""
    order = [('key', key_id), *((role, t) for role, ids in roles.items() for t in ids)]
    shape = tuple(frames.shape[-2:])
    clips = [
        clip_of([sample_of(t, len(frames), shape, role=role) for role, t in order])
        for _ in range(copies)
    ]
    inputs = torch.stack([frames[t] for _, t in order])
    return dict(inputs=[inputs] * copies, data_samples=clips)


def detect(model: VideoDetector, frames: Tensor, order: list[int] | None = None,
           batch_size: int = 1, **meta: Any) -> list[DetDataSample]:
    """Run a video through ``test_step``; return the samples as they come out."""
    order = model.policy.schedule(len(frames), meta.get('video_id', 0)) if order is None \
        else order
    out = []
    for start in range(0, len(order), batch_size):
        results = model.test_step(batch(frames, order[start:start + batch_size], **meta))
        out += [result[0] for result in results if isinstance(result, TrackDataSample)]
    return out


def numbers(samples: list[DetDataSample]) -> list[Tensor]:
    """(N, 6) boxes, scores and labels of every sample."""
    return [
        torch.cat([
            s.pred_instances.bboxes, s.pred_instances.scores[:, None],
            s.pred_instances.labels[:, None].float()
        ], dim=1) for s in samples
    ]
