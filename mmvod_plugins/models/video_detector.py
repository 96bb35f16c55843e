"""The video object detector: a stock mmdet detector with references and temporal parts."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor

from mmvod_plugins.checkpoints import METADATA, adapt_state_dict
from mmvod_plugins.references import build_references
from mmvod_plugins.streaming import StreamPool, VideoStream
from mmvod_plugins.structures import FrameRecord, ObjectStorage, References, track_sample

from . import checks
from .adapters import adapt, build_detector
from .clip_trainer import ClipTrainer
from .compiled_parts import compile_parts
from .frame_encoder import FrameEncoder
from .frozen_parts import FrozenParts
from .key_frame_detector import DetectorMemory, KeyFrameDetector
from .layers.roi_align import use_cpu_roi_align
from .memory_format import use_channels_last
from .selection import OutputOptions
from .temporal_part import TemporalPart


@MODELS.register_module()
class VideoDetector(BaseModel):
    """Detects objects in the key frames of videos with the help of reference frames.

    Every frame passes the detector's backbone, neck and object extraction once (:meth:`encode`);
    every key frame is then enhanced and detected in order (:meth:`detect`). Without references and
    temporal parts it is the stock detector, frame by frame.

    Args:
        detector: Config of an mmdet detector with one or two stages or with queries; its head may
            be a :class:`~mmvod_plugins.models.temporal_part.TemporalHead`.
        references: Config of a reference policy; None for single frames.
        temporal_neck: Config of a :class:`TemporalNeck`.
        data_preprocessor: ``TrackDataPreprocessor`` by default, with the settings of the
            detector's own preprocessor if it has one. Our :class:`VideoDataPreprocessor`, which
            does the same and more, takes the place of one of this name.
        encode_batch: Frames in one pass through the backbone while testing; None: the whole
            batch. With 1, results do not depend on the batch size to the last bit.
        keep_objects: Where and how the objects of waiting frames are held: ``device`` (``'cpu'``
            frees a GPU in long videos) and ``dtype`` of the embeddings (``'float16'``). Feature
            maps, where a method needs them later, stay as they are.
        detections: What testing returns of a frame, the arguments of
            :class:`~mmvod_plugins.models.selection.OutputOptions`: for linking,
            ``dict(nms=False)`` and ``class_scores``, ``relations``.
        frozen: Parts that are not trained, the arguments of
            :class:`~mmvod_plugins.models.frozen_parts.FrozenParts`: ``dict(names=['detector'])``.
        channels_last: Whether the backbone computes with the channels of a cell side by side in
            memory, which is often faster; results differ by rounding.
        compiled: Parts that ``torch.compile`` translates at their first call, the arguments of
            :func:`~mmvod_plugins.models.compiled_parts.compile_parts`:
            ``dict(names=['detector.backbone'])``. Results differ by rounding.
        init_cfg: Initial weights.

    Attributes:
        policy: The reference policy.
        adapter: The steps of the detector's family.
        encoder: Makes records of frames.
        key_frames: Detects in key frames.
        trainer: Computes the losses of clips.
        streams: The open streams of test videos: all that survives between two calls of
            :meth:`predict`.
    """

    def __init__(self,  # noqa: PLR0913 - one for each of the questions of a video detector
                 detector: dict,
                 references: dict | None = None,
                 temporal_neck: dict | None = None,
                 *,
                 data_preprocessor: dict | None = None,
                 encode_batch: int | None = None,
                 keep_objects: dict[str, str] | None = None,
                 detections: dict[str, Any] | None = None,
                 frozen: dict[str, Any] | None = None,
                 channels_last: bool = False,
                 compiled: dict[str, Any] | None = None,
                 init_cfg: dict | None = None) -> None:
        detector = copy.deepcopy(detector)
        own = detector.pop('data_preprocessor', None) or {}
        preprocessor = dict(data_preprocessor or {**own, 'type': 'TrackDataPreprocessor'})
        if preprocessor['type'] == 'TrackDataPreprocessor':  # ours does the same, faster
            preprocessor['type'] = 'VideoDataPreprocessor'
            preprocessor.setdefault('non_blocking', True)  # batches are pinned on a GPU
        super().__init__(MODELS.build(preprocessor), init_cfg)
        self.detector = build_detector(detector)
        use_cpu_roi_align(self.detector)
        if channels_last:
            use_channels_last(self.detector.backbone)
        self.adapter = adapt(self.detector)
        self.temporal_neck = MODELS.build(temporal_neck) if temporal_neck else None
        self.policy = build_references(references)
        self.encode_batch = encode_batch
        storage = ObjectStorage(**(keep_objects or {}))
        self.encoder = FrameEncoder(self.adapter, self.temporal_neck, self.data_preprocessor,
                                    storage)
        self.key_frames = KeyFrameDetector(self.adapter, self.temporal_neck, self.policy, storage,
                                           OutputOptions(**(detections or {})))
        self.trainer = ClipTrainer(self.encoder, self.policy)
        self.streams = StreamPool(self.policy, self.init_memory, self.encoder.shrink)
        checks.check_roles(self.policy, self.parts)
        checks.check_objects(self.temporal_neck, self.adapter.head)
        self.adapter.check(self.output)
        for part in self.parts:
            part.check(self)
        self.frozen = FrozenParts(self, **(frozen or {}))
        if compiled:
            compile_parts(self, **compiled)
        self._register_state_dict_hook(self._name_methods)
        self._register_load_state_dict_pre_hook(self._adapt_checkpoint)

    @property
    def output(self) -> OutputOptions:
        """What testing returns of a frame."""
        return self.key_frames.options

    @property
    def parts(self) -> list[TemporalPart]:
        """The temporal neck and the temporal head, as far as there are any."""
        return self.encoder.parts

    def init_memory(self) -> DetectorMemory:
        """The memory of a new video."""
        return self.key_frames.init_memory()

    def train(self, mode: bool = True) -> VideoDetector:
        """Set the mode; training ends every open stream."""
        if mode and hasattr(self, 'streams'):
            self.streams.clear()
        super().train(mode)
        self.frozen.eval()
        return self

    def forward(self,
                inputs: Tensor,
                data_samples: list[TrackDataSample] | None = None,
                mode: str = 'tensor') -> dict[str, Tensor] | list[TrackDataSample] | tuple:
        """Run :meth:`loss`, :meth:`predict`, or the bare detector (``'tensor'``).

        Args:
            inputs: (B, T, C, H, W), normalised.
            data_samples: B clips of T frames.
            mode: ``'loss'``, ``'predict'`` or ``'tensor'``.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            frames = [sample for clip in data_samples or [] for sample in clip]
            return self.detector(inputs.flatten(0, 1), frames or None, mode='tensor')
        raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}")

    @torch.no_grad()
    def predict(self,
                inputs: Tensor,
                data_samples: list[TrackDataSample],
                rescale: bool = True) -> list[TrackDataSample]:
        """Take the next frames of one or several videos; detect in what became complete.

        Args:
            inputs: (B, T, C, H, W), T is 1 unless whole videos arrive.
            data_samples: B samples of T frames.
            rescale: Whether boxes are returned in pixels of the original image.

        Returns:
            One sample for every frame that was detected, in the order of each video. If there is
            none, a placeholder that mmengine's test loop discards, ``BaseDataElement(loss={})``;
            an empty list raises there.
        """
        results = []
        for record in self.encode(inputs, data_samples):
            place = record.place
            stream = self.streams.stream_for(place.video_id, place.video_length, place.frame_id)
            for sample in self.advance(stream, record, rescale):
                results.append(track_sample([sample]))
            self.streams.release(stream)
        return results or [BaseDataElement(loss={})]

    def encode(self, inputs: Tensor,
               data_samples: list[TrackDataSample]) -> Iterator[FrameRecord]:
        """Pass the frames of a test batch through the network, in order.

        Args:
            inputs: (B, T, C, H, W).
            data_samples: B samples of T frames.
        """
        return self.encoder.encode_batch(inputs, data_samples, self.policy, self.encode_batch)

    def advance(self, stream: VideoStream, record: FrameRecord,
                rescale: bool = True) -> list[DetDataSample]:
        """Add a frame to its stream and detect in the key frames that it completes."""
        checks.check_shape(stream.memory.shapes, record)
        stream.add(record.frame_id, record)
        return self.detect_ready(stream.ready(), stream.memory, rescale)

    def detect_ready(self, ready: Iterable[tuple[FrameRecord, References]],
                     memory: DetectorMemory, rescale: bool = True) -> list[DetDataSample]:
        """Detect in key frames in order, as a stream yields them."""
        return [self.detect(key, references, memory, rescale) for key, references in ready]

    def detect(self,
               key: FrameRecord,
               references: References,
               memory: DetectorMemory,
               rescale: bool = True) -> DetDataSample:
        """Detect in one key frame and remember it; the records stay as they are.

        Args:
            key: Record of the key frame.
            references: Records by role.
            memory: Memory of the video, the only thing that changes.
            rescale: Whether boxes are returned in pixels of the original image.
        """
        step = self.key_frames.step(key, references, memory)
        self.key_frames.remember(memory, step)
        return self.key_frames.result(step, rescale)

    def loss(self, inputs: Tensor, data_samples: list[TrackDataSample]) -> dict[str, Tensor]:
        """Losses of the key frames of clips; with windows, of all their frames.

        Args:
            inputs: (B, T, C, H, W).
            data_samples: B clips of T frames with roles and ground truth.
        """
        return self.trainer.loss(inputs, data_samples)

    def _name_methods(self, _model: object, _weights: object, _prefix: str,
                      metadata: dict[str, Any]) -> None:
        """Name the methods of the temporal parts in the metadata of a state dict."""
        parts = dict(neck=self.temporal_neck, head=self.adapter.head)
        metadata[METADATA] = {name: part.method_name
                              for name, part in parts.items() if part is not None}

    def _adapt_checkpoint(self, state_dict: dict[str, Any], prefix: str, *_: object) -> None:
        """Adapt the checkpoint being loaded: translate names, refuse other methods."""
        if not prefix:
            adapt_state_dict(state_dict, self)
