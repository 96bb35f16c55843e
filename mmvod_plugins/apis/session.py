"""A session: frames of one video go in as they come, detections come out."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmdet.structures import DetDataSample
from mmengine.config import Config

from mmvod_plugins.models import VideoDetector
from mmvod_plugins.models.checks import check_shape
from mmvod_plugins.streaming import VideoStream
from mmvod_plugins.structures import FrameRecord

_numbers = itertools.count()


class VideoSession:
    """Detects in the frames of one video, pushed one by one.

    Everything that a session remembers is its own: any number of sessions may share a model, in
    turn or from several threads, also under equal ids.

    Args:
        model: From :func:`~mmvod_plugins.apis.init_video_detector`.
        video_id: Identity of the video, a seed of shuffled references; None: a number of its own.
        video_length: Number of frames; None for a live input, which needs a policy that looks a
            bounded number of frames ahead. A policy's ``max_records`` is not obeyed: it needs
            some frames a second time.

    Raises:
        ValueError: If the policy needs the length and there is none.
    """

    def __init__(self, model: VideoDetector, video_id: Hashable | None = None,
                 video_length: int | None = None) -> None:
        self.model = model
        self.video_id = f'session {next(_numbers)}' if video_id is None else video_id
        policy = copy.copy(model.policy)
        policy.max_records = None
        self._pipeline = array_pipeline(model.cfg)
        self._stream: VideoStream[FrameRecord] = VideoStream(
            policy, self.video_id, video_length, model.init_memory(), model.encoder.shrink)
        self._count = 0
        self._closed = False

    @property
    def delay(self) -> int | None:
        """Frames that must follow a frame before it is detected; None: possibly all of them."""
        return self._stream.policy.lookahead

    @property
    def num_frames(self) -> int:
        """Frames that were pushed."""
        return self._count

    @torch.no_grad()
    def push(self, frame: np.ndarray) -> list[DetDataSample]:
        """Take the next frame; detect in the frames that it completes.

        Args:
            frame: (H, W, 3), BGR uint8; or grey, (H, W) or (H, W, 1).

        Returns:
            One sample for each detected frame, in order; often one, ``delay`` frames late.

        Raises:
            ValueError: If the session is closed, the video has no more frames, or the frame is no
                image or of another size than the first.
        """
        return self.push_frames([frame])

    @torch.no_grad()
    def push_frames(self, frames: Sequence[np.ndarray]) -> list[DetDataSample]:
        """Take the next frames, which pass the network together, as :meth:`push` takes one.

        Args:
            frames: As for :meth:`push`. They come out one call later than one by one, at most.

        Raises:
            ValueError: As :meth:`push`; none of the frames is taken then.
        """
        if self._closed:
            raise ValueError(f'{self.video_id}: the session is closed; make a new VideoSession for '
                             'more frames')
        memory, found = self._stream.memory, []
        records = list(encode_batch(self.model, self._pipeline, frames, self._count, self.video_id,
                                    self._stream.video_length))
        for record in records:
            check_shape(memory.shapes, record)
        for record in records:
            self._stream.add(self._count, record)
            self._count += 1
            found += self.model.detect_ready(self._stream.ready(), memory)
        return found

    @torch.no_grad()
    def close(self) -> list[DetDataSample]:
        """End the video; detect in the frames that waited for more.

        Raises:
            ValueError: If fewer frames came than ``video_length`` says.
        """
        if self._closed:
            return []
        self._closed = True
        last = self.model.detect_ready(self._stream.close(), self._stream.memory)
        if not self._stream.finished:
            raise ValueError(
                f'{self.video_id}: {self._count} frames came but video_length is '
                f'{self._stream.video_length}; frames from {self._stream.next_key} on are not '
                'detected. Count the frames before, or use a causal policy with '
                'video_length=None')
        return last


def array_pipeline(config: Config) -> Compose:
    """The config's test pipeline for images in memory: without the transforms that load."""
    steps = []
    for step in config.test_dataloader.dataset.pipeline:
        parts = [t for t in step.get('transforms', []) if not t['type'].startswith('Load')]
        if step.get('transforms') is not None and not parts:
            continue
        steps.append(dict(step, transforms=parts) if parts else step)
    return Compose(steps)


def as_bgr(frame: np.ndarray, name: str) -> np.ndarray:
    """A colour image (H, W, 3) from a colour or a grey one.

    Args:
        frame: uint8, (H, W, 3), (H, W, 1) or (H, W).
        name: Name of the frame in errors.

    Raises:
        ValueError: If it is no such image, with its shape and type.
    """
    shape = getattr(frame, 'shape', None)
    grey = shape is not None and (len(shape) == 2 or (len(shape) == 3 and shape[2] == 1))
    colour = shape is not None and len(shape) == 3 and shape[2] == 3
    if not (grey or colour) or frame.dtype != np.uint8 or 0 in shape:
        raise ValueError(f'{name} is {type(frame).__name__} of shape {shape} and type '
                         f'{getattr(frame, "dtype", None)}: expected a uint8 array (H, W, 3), BGR, '
                         'or a grey one, (H, W)')
    return np.repeat(frame.reshape(*shape[:2], 1), 3, axis=2) if grey else frame


def encode_frame(model: VideoDetector, pipeline: Compose, frame: np.ndarray, frame_id: int,
                 video_id: Hashable, video_length: int | None) -> FrameRecord:
    """Pass one frame through the network.

    Args:
        model: In evaluation mode.
        pipeline: From :func:`array_pipeline`.
        frame: (H, W, 3), BGR uint8.
        frame_id: Its number in the video.
        video_id: Identity of the video.
        video_length: Number of frames of the video, or None.
    """
    [record] = encode_batch(model, pipeline, [frame], frame_id, video_id, video_length)
    return record


def encode_batch(model: VideoDetector, pipeline: Compose,
                 frames: Sequence[np.ndarray], first: int, video_id: Hashable,
                 video_length: int | None) -> Iterator[FrameRecord]:
    """Pass frames in a row through the network together, those of one size at once.

    Args:
        model: In evaluation mode.
        pipeline: From :func:`array_pipeline`.
        frames: (H, W, 3) each, BGR uint8; at least one.
        first: Number of the first of them in the video.
        video_id: Identity of the video.
        video_length: Number of frames of the video, or None.
    """
    packed = []
    for frame_id, image in enumerate(frames, first):
        name = f'{video_id}: frame {frame_id}'
        frame = as_bgr(image, name)
        shape = frame.shape[:2]
        info: dict[str, Any] = dict(
            img=frame, img_shape=shape, ori_shape=shape, img_id=frame_id, frame_id=frame_id,
            img_path=name, video_id=video_id, video_length=1, ori_video_length=video_length)
        packed.append(pipeline({key: [value] for key, value in info.items()}))
    data = model.data_preprocessor({
        key: [part[key] for part in packed] for key in ('inputs', 'data_samples')})
    return model.encode(data['inputs'], data['data_samples'])
