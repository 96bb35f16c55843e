"""Run our models as the recorded runs of YOLOV did."""

from __future__ import annotations

import copy
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData

from mmvod_plugins.models import VideoDetector

from .golden import load, meta
from .mega_runs import BASES
from .seeded_weights_yolov import make_weights

CONFIGS = {'yolox_s': 'yolox-s', 'yolov_s': 'yolov-s', 'yolovpp_s': 'yolovpp-s'}


def build(name: str, folder: Path, seed: int | None = None, **changes: Any) -> VideoDetector:
    """A model with the generated weights, loaded as users load a published file.

    Args:
        name: ``yolox_s``, ``yolov_s`` or ``yolovpp_s``.
        folder: The recorded set.
        seed: Of the weights; by default that of the set.
        changes: Of the config, by key with dots.
    """
    config = Config.fromfile(BASES / f'{CONFIGS[name]}.py')
    config.merge_from_dict({f'model.{key}': value for key, value in changes.items()})
    model = MODELS.build(copy.deepcopy(config.model)).eval()
    found = model.load_state_dict(
        weights(name, folder, seed or meta(folder)['weights_seed']), strict=False)
    assert not found.unexpected_keys
    assert not [key for key in found.missing_keys if 'num_batches_tracked' not in key]
    return model


@lru_cache(maxsize=2)
def weights(name: str, folder: Path, seed: int) -> dict[str, torch.Tensor]:
    """Generated weights under the published names."""
    shapes = json.loads((folder / f'{name}.keys.json').read_text())['shapes']
    return {key: torch.from_numpy(value)
            for key, value in make_weights(shapes, seed).items()}


def video(folder: Path, num_frames: int | None = None) -> torch.Tensor:
    """Frames (T, 3, H, W) as the network sees them."""
    frames = load(folder / 'video.npz')['frames'][:num_frames]
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float()


def clip_of(frames: torch.Tensor, first: int = 0, length: int | None = None,
            **metainfo: Any) -> TrackDataSample:
    """A clip of frames of one video."""
    shape = tuple(frames.shape[-2:])
    clip = TrackDataSample()
    clip.video_data_samples = [
        DetDataSample(metainfo=dict(
            img_id=t, video_id=0, frame_id=t, ori_video_length=length or len(frames),
            img_shape=shape, ori_shape=shape, pad_shape=shape, scale_factor=(1.0, 1.0),
            batch_input_shape=shape, img_path=f'{t}.png', **metainfo))
        for t in range(first, first + len(frames))]
    return clip


def run(model: VideoDetector, frames: torch.Tensor) -> dict[str, np.ndarray]:
    """Detect in a video, with the arrays of a recorded run."""
    head = model.detector.bbox_head
    points: list[np.ndarray] = []
    steps: dict[int, tuple] = {}

    def select(found, rule=head.selection):
        points.append(rule(found))
        return points[-1]

    def step(key, aggregated, alone, own=head._step):
        logits = None if alone else head._logits(key.objects, aggregated.feats)
        steps[key.frame_id] = (key.objects, logits)
        return own(key, aggregated, alone=alone)

    head.selection, head._step = select, step
    with torch.no_grad():
        results = model.predict(frames[None], [clip_of(frames)])
    found = [result.video_data_samples[0].pred_instances for result in results]
    ordered = [steps[t] for t in range(len(frames))]
    arrays = dict(
        sel_count=np.array([len(part) for part in points]), sel_idx=np.concatenate(points),
        sel=np.concatenate([_rows(objects) for objects, _ in ordered]),
        det_count=np.array([len(part) for part in found]),
        det=np.concatenate([_detections(part) for part in found]))
    logits = [part for _, part in ordered if part is not None]
    if logits:
        arrays['cls_logits'] = np.concatenate([part[0] for part in logits])
        if logits[0][1] is not None:
            arrays['obj_logits'] = np.concatenate([part[1] for part in logits])
    return arrays


def _rows(objects: Any) -> np.ndarray:
    best, label = objects.class_probs.max(1)
    return torch.cat([objects.boxes, objects.objectness[:, None], best[:, None],
                      label[:, None].float(), objects.class_probs], 1).numpy()


def _detections(found: InstanceData) -> np.ndarray:
    """The recorded columns; the score is one number here, not a product of two."""
    ones = torch.ones_like(found.scores)
    return torch.cat([found.bboxes, torch.stack([found.scores, ones, found.labels.float()], 1)],
                     1).numpy()


