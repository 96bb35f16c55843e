"""Detection in frames in memory, from a video file, a camera or a folder."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.registry import DATASETS, MODELS
from mmdet.structures import DetDataSample
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.runner.checkpoint import _load_checkpoint_to_model

from mmvod_plugins.checkpoints import read_checkpoint
from mmvod_plugins.datasets.video_index import single_metainfo
from mmvod_plugins.engine import complete_config, watch_backbone
from mmvod_plugins.models import VideoDetector
from mmvod_plugins.models.key_frame_detector import DetectorMemory, FrameStep
from mmvod_plugins.streaming import VideoStream
from mmvod_plugins.structures import FrameRecord, References

from .session import VideoSession, array_pipeline, encode_frame


def init_video_detector(config: str | Path | Config,
                        checkpoint: str | Path | None = None,
                        device: str = 'cpu',
                        *,
                        trust: bool = False) -> VideoDetector:
    """Build a model, load its weights, set it to testing.

    The model gets the attributes ``cfg`` and ``dataset_meta`` as mmdet's ``init_detector`` gives
    them; class names come from the checkpoint, or else from the config's test data.

    Args:
        config: A config, or its file.
        checkpoint: File or http(s) address of the weights; None for initial ones.
        device: Device of the model.
        trust: Whether the checkpoint may run code while it is read.

    Raises:
        CheckpointError: If the checkpoint is missing, damaged, or would run code.
        TypeError: If the config is not one of a video detector.
        ValueError: If it names two reference policies that differ.
    """
    register_all_modules(init_default_scope=True)
    config = complete_config(config if isinstance(config, Config) else Config.fromfile(config))
    model = MODELS.build(config.model)
    if not isinstance(model, VideoDetector):
        raise TypeError(f'the config builds a {type(model).__name__}, expected a VideoDetector')
    model.dataset_meta = _meta_of_data(config)
    if checkpoint is not None:
        loaded = read_checkpoint(checkpoint, trust=trust)
        _load_checkpoint_to_model(model, loaded)
        meta = loaded.get('meta') or {}
        model.dataset_meta = single_metainfo(meta.get('dataset_meta')) or model.dataset_meta
    model.cfg = config
    watch_backbone(model)
    return model.to(device).eval()


def _meta_of_data(config: Config) -> dict[str, Any]:
    """Metainfo of the config's test data: of the class of the data set, and as the config says."""
    dataset = config.get('test_dataloader', {}).get('dataset', {})
    while dataset.get('dataset') or dataset.get('datasets'):  # a wrapper
        dataset = dataset.get('dataset') or dataset['datasets'][0]
    kind = DATASETS.get(dataset['type']) if isinstance(dataset.get('type'), str) else None
    return {**getattr(kind, 'METAINFO', {}), **(dataset.get('metainfo') or {})}


def detect_frames(model: VideoDetector,
                  frames: Iterable[np.ndarray],
                  video_length: int | None = None,
                  video_id: str = 'video') -> Iterator[DetDataSample]:
    """Detect in the frames of one video as they come.

    Args:
        model: From :func:`init_video_detector`.
        frames: (H, W, 3) images, BGR uint8, in order.
        video_length: Number of frames, see :class:`VideoSession`.
        video_id: Identity of the video, a seed of shuffled references.

    Yields:
        One sample per frame, in order, each as soon as its references are there.

    Raises:
        ValueError: If there are fewer or more frames than ``video_length`` says.
    """
    session = VideoSession(model, video_id, video_length)
    for frame in frames:
        yield from session.push(frame)
    yield from session.close()


@torch.no_grad()
def encode_frames(model: VideoDetector, frames: Iterable[np.ndarray],
                  video_id: Hashable = 'video') -> list[FrameRecord]:
    """Records of the frames of one video or window, for looking into a model's parts.

    Args:
        model: From :func:`init_video_detector`.
        frames: (H, W, 3) images, BGR uint8, in order; all are passed through the network before
            this returns.
        video_id: Identity of the video.
    """
    frames = list(frames)
    pipeline = array_pipeline(model.cfg)
    return [encode_frame(model, pipeline, frame, frame_id, video_id, len(frames))
            for frame_id, frame in enumerate(frames)]


@dataclass(frozen=True)
class TracedFrame:
    """A frame as it was detected.

    Attributes:
        key: Its record.
        step: The step, with enhanced maps.
        memory: Of the video, as the step read it; not to be changed.
        found: Its detections.
    """

    key: FrameRecord
    step: FrameStep
    memory: DetectorMemory
    found: DetDataSample


@torch.no_grad()
def trace_frames(
    model: VideoDetector, frames: Iterable[np.ndarray], video_length: int | None = None,
    video_id: Hashable = 'video'
) -> Iterator[TracedFrame]:
    """Detect as :func:`detect_frames` does, and show what happens, for pictures and measurements.

    Args:
        model: From :func:`init_video_detector`.
        frames: (H, W, 3) images, BGR uint8, in order.
        video_length: Number of frames, see :class:`VideoSession`.
        video_id: Identity of the video.

    Yields:
        Every frame, in order; it is remembered after that.
    """
    stream = VideoStream(model.policy, video_id, video_length, model.init_memory(),
                         model.encoder.shrink)
    pipeline = array_pipeline(model.cfg)

    def ready() -> Iterator[tuple[FrameRecord, References]]:
        for frame_id, frame in enumerate(frames):
            stream.add(frame_id, encode_frame(model, pipeline, frame, frame_id, video_id,
                                              video_length))
            yield from stream.ready()
        yield from stream.close()

    for key, references in ready():
        step = model.key_frames.step(key, references, stream.memory)
        yield TracedFrame(key, step, stream.memory, model.key_frames.result(step))
        model.key_frames.remember(stream.memory, step)
