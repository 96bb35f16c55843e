"""Detect in frames that a program has at hand: a video file, a camera, a folder."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.runner import load_checkpoint

from mmvod_plugins.engine import complete_config
from mmvod_plugins.models import VideoDetector
from mmvod_plugins.streaming import VideoStream
from mmvod_plugins.structures import FrameRecord


def init_video_detector(config: str | Path | Config,
                        checkpoint: str | Path | None = None,
                        device: str = 'cpu') -> VideoDetector:
    """Build a model, load its weights, set it to testing.

    The model gets the attributes ``cfg`` and ``dataset_meta`` as mmdet's ``init_detector`` gives
    them; class names come from the checkpoint.

    Raises:
        TypeError: If the config is not one of a video detector.
        ValueError: If it names two reference policies that differ.
    """
    register_all_modules(init_default_scope=True)
    config = complete_config(config if isinstance(config, Config) else Config.fromfile(config))
    model = MODELS.build(config.model)
    if not isinstance(model, VideoDetector):
        raise TypeError(f'the config builds a {type(model).__name__}, expected a VideoDetector')
    model.dataset_meta = {}
    if checkpoint is not None:
        loaded = load_checkpoint(model, str(checkpoint), map_location='cpu')
        model.dataset_meta = loaded.get('meta', {}).get('dataset_meta', {})
    model.cfg = config
    return model.to(device).eval()


def detect_frames(model: VideoDetector,
                  frames: Iterable[np.ndarray],
                  video_length: int | None = None,
                  video_id: str = 'video') -> Iterator[DetDataSample]:
    """Detect in the frames of one video as they come.

    Args:
        model: From :func:`init_video_detector`.
        frames: (H, W, 3) images, BGR uint8, in order.
        video_length: Number of frames; None for a live input, which needs a causal policy or a
            window. Policies of the whole video (``GlobalShuffle``) need the length. A policy's
            ``max_records`` is not obeyed: it needs some frames a second time.
        video_id: Identity of the video, a seed of shuffled references.

    Yields:
        One sample per frame, in order, each as soon as its references are there.

    Raises:
        ValueError: If there are fewer or more frames than ``video_length`` says.
    """
    pipeline = array_pipeline(model.cfg)
    policy = copy.copy(model.references)
    policy.max_records = None
    stream = VideoStream(policy, video_id, video_length, model.init_memory())
    count = 0
    for frame in frames:
        yield from _step(model, stream, pipeline, frame, count)
        count += 1
    with torch.no_grad():
        last = model.detect_ready(stream.close(), stream.memory)
    yield from (sample[0] for sample in last)
    if not stream.finished:
        raise ValueError(f'{video_id}: {count} frames came but video_length is {video_length}; '
                         f'frames from {stream.next_key} on are not detected. Count the frames '
                         'before, or use a causal policy with video_length=None')


@torch.no_grad()
def encode_frames(model: VideoDetector, frames: Iterable[np.ndarray],
                  video_id: Hashable = 'video') -> list[FrameRecord]:
    """What a model keeps of the frames of one video or window, for looking into its parts.

    Args:
        model: From :func:`init_video_detector`.
        frames: (H, W, 3) images, BGR uint8, in order; all are passed through the network before
            this returns.
        video_id: Identity of the video.
    """
    frames = list(frames)
    pipeline = array_pipeline(model.cfg)
    return [_encode(model, pipeline, frame, frame_id, video_id, len(frames))
            for frame_id, frame in enumerate(frames)]


def array_pipeline(config: Config) -> Compose:
    """The config's test pipeline for images in memory: without the transforms that load."""
    steps = []
    for step in config.test_dataloader.dataset.pipeline:
        parts = [t for t in step.get('transforms', []) if not t['type'].startswith('Load')]
        if step.get('transforms') is not None and not parts:
            continue
        steps.append(dict(step, transforms=parts) if parts else step)
    return Compose(steps)


@torch.no_grad()
def _step(model: VideoDetector, stream: VideoStream, pipeline: Compose, frame: np.ndarray,
          frame_id: int) -> Iterator[DetDataSample]:
    """Add one frame; yield what became complete."""
    record = _encode(model, pipeline, frame, frame_id, stream.video_id, stream.video_length)
    yield from (sample[0] for sample in model.advance(stream, record))


def _encode(model: VideoDetector, pipeline: Compose, frame: np.ndarray, frame_id: int,
            video_id: Hashable, video_length: int | None) -> FrameRecord:
    """Pass one frame through the network."""
    shape = frame.shape[:2]
    info: dict[str, Any] = dict(
        img=frame, img_shape=shape, ori_shape=shape, img_id=frame_id, frame_id=frame_id,
        img_path=f'{video_id}: frame {frame_id}', video_id=video_id,
        video_length=1, ori_video_length=video_length)
    packed = pipeline({key: [value] for key, value in info.items()})
    data = model.data_preprocessor(
        dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']]))
    [record] = model.encode_all(data['inputs'], data['data_samples'])
    return record
