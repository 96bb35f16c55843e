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

from ..parity.mega_runs import BASES
from .narrow import shrink

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


def selsa_config(name: str = 'selsa') -> ConfigDict:
    """Config of a tiny SELSA (``'selsa'``) or with Temporal RoI Align (``'selsa-troialign'``)."""
    return shrink(Config.fromfile(BASES / f'{name}_faster-rcnn_r50-dc5.py').model)


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
