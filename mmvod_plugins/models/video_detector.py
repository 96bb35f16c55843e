"""A video object detector: a stock mmdet detector, references, and what they enhance."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor

from mmvod_plugins.checkpoints import adapt_state_dict
from mmvod_plugins.references import build_references
from mmvod_plugins.streaming import StreamPool, VideoStream
from mmvod_plugins.structures import FrameRecord, ObjectStorage

from . import checks, detector_steps
from .dense_heads import FirstLevelRPNHead
from .detection_options import DetectionOptions
from .necks import in_time
from .video_encoding import maps_of, objects_of
from .video_training import VideoTraining


@dataclass
class DetectorMemory:
    """What is remembered of one video.

    Attributes:
        neck: Memory of the temporal neck.
        roi_head: Memory of the temporal RoI head.
        img_shape: (height, width) of the video's frames in the network, None before the first.
        pending: What earlier key frames found in frames that are yet to come, by frame.
    """

    neck: Any = None
    roi_head: Any = None
    img_shape: tuple[int, int] | None = None
    pending: dict[int, list[InstanceData]] = field(default_factory=dict)


@MODELS.register_module()
class VideoDetector(VideoTraining):
    """Detects objects in the key frames of videos with the help of reference frames.

    Every frame passes the detector's backbone, neck, RPN and RoI embedding once
    (:meth:`encode`); every key frame is then enhanced and detected in order (:meth:`detect`).
    Without references and temporal parts it is the stock detector, frame by frame.

    Args:
        detector: Config of an mmdet detector with one or two stages; its RoI head may be a
            :class:`TemporalRoIHead` or :class:`TemporalCascadeRoIHead`.
        references: Config of a reference policy; None for single frames.
        temporal_neck: Config of a :class:`TemporalNeck`.
        data_preprocessor: ``TrackDataPreprocessor`` by default, with the settings of the
            detector's own preprocessor if it has one.
        encode_batch: Frames in one pass through the backbone while testing; None for as many as
            arrive together. With 1, results do not depend on the batch size to the last bit.
        keep_objects: Where and how the objects of waiting frames are kept: ``device`` (``'cpu'``
            frees a GPU in long videos) and ``dtype`` of the embeddings (``'float16'``). Feature
            maps, where a method needs them later, stay as they are.
        detections: What testing returns of a frame, the arguments of
            :class:`~mmvod_plugins.models.detection_options.DetectionOptions`: for linking,
            ``dict(nms=False)`` and ``class_scores``, ``relations``.
        init_cfg: Initial weights.

    Attributes:
        streams: The open streams of test videos: all that survives between two calls of
            :meth:`predict`.
    """

    def __init__(self,
                 detector: dict,
                 references: dict | None = None,
                 temporal_neck: dict | None = None,
                 *,
                 data_preprocessor: dict | None = None,
                 encode_batch: int | None = None,
                 keep_objects: dict[str, str] | None = None,
                 detections: dict[str, Any] | None = None,
                 init_cfg: dict | None = None) -> None:
        detector = copy.deepcopy(detector)
        own = detector.pop('data_preprocessor', None) or {}
        preprocessor = data_preprocessor or {**own, 'type': 'TrackDataPreprocessor'}
        super().__init__(MODELS.build(preprocessor), init_cfg)
        self.detector = MODELS.build(detector)
        checks.check_detector(self.detector)
        self.temporal_neck = MODELS.build(temporal_neck) if temporal_neck else None
        self.references = build_references(references)
        self.encode_batch = encode_batch
        self.storage = ObjectStorage(**(keep_objects or {}))
        self.detections = DetectionOptions(**(detections or {}))
        self.streams = StreamPool(self.references, self.init_memory)
        checks.check_roles(self.references, self._parts())
        checks.check_detections(self.detections, self.detector, self.roi_head)
        checks.check_inputs(self.references, self.temporal_neck)
        checks.check_neck(self, self.references, self.temporal_neck)
        checks.check_windows(self.references, self.detector, self.temporal_neck, self.roi_head)
        self._register_load_state_dict_pre_hook(self._adapt_checkpoint)

    def init_memory(self) -> DetectorMemory:
        """The memory of a new video."""
        neck, head = self.temporal_neck, self.roi_head
        return DetectorMemory(
            neck=neck.init_memory() if neck else None,
            roi_head=head.init_memory() if head else None)

    def train(self, mode: bool = True) -> VideoDetector:
        """Set the mode; training ends every open stream."""
        if mode and hasattr(self, 'streams'):
            self.streams.clear()
        return super().train(mode)

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
            none, a single ``BaseDataElement(loss={})``: mmengine's test loop takes it away and
            goes on, where an empty list would stop it.
        """
        results = []
        for record in self.encode_all(inputs, data_samples):
            meta = record.sample.metainfo
            video_id = meta.get('video_id', f'image {meta.get("img_id")}')
            stream = self.streams.stream_for(
                video_id, meta.get('ori_video_length', 1), record.frame_id)
            results += self.advance(stream, record, rescale)
            self.streams.release(stream)
        return results or [BaseDataElement(loss={})]

    def advance(self, stream: VideoStream, record: FrameRecord,
                rescale: bool = True) -> list[TrackDataSample]:
        """Add a frame to its stream and detect in the key frames that it completes."""
        memory = stream.memory
        memory.img_shape = checks.check_shape(memory.img_shape, stream.video_id, record)
        if record.frame_id < stream.next_key:  # loaded again, as a reference alone
            self._let_go(record)
        stream.add(record.frame_id, record)
        return self.detect_ready(stream.ready(), memory, rescale)

    def detect_ready(self, ready: Iterator[tuple[FrameRecord, dict[str, list[FrameRecord]]]],
                     memory: DetectorMemory, rescale: bool = True) -> list[TrackDataSample]:
        """Detect in key frames in order, as a stream yields them."""
        results = []
        for key, references in ready:
            result = TrackDataSample()
            result.video_data_samples = [self.detect(key, references, memory, rescale)]
            results.append(result)
        return results

    def detect(self,
               key: FrameRecord,
               references: dict[str, list[FrameRecord]],
               memory: DetectorMemory,
               rescale: bool = True) -> DetDataSample:
        """Detect in one key frame and remember it.

        Args:
            key: Record of the key frame.
            references: Records by role.
            memory: Memory of the video.
            rescale: Whether boxes are returned in pixels of the original image.
        """
        sample = key.sample.new()
        suppressed = detector_steps.suppresses(self.detector, self.detections)
        sample.set_metainfo({'suppressed': suppressed})
        if self.references.detects_references:
            sample.pred_instances = self._detect_window(key, references, memory, rescale)
            return sample
        feats, enhanced = key.feats, None
        if self.temporal_neck is not None:
            enhanced = self.temporal_neck(key, self.temporal_neck.known(references), memory.neck)
            feats = enhanced.feats
        if self.roi_head is None:
            sample.pred_instances = detector_steps.predict(self.detector, feats, [sample], rescale,
                                                           self.detections)[0]
        else:
            self._detect_objects(sample, key, feats, references, memory, rescale)
        if enhanced is not None:
            self.temporal_neck.write(memory.neck, enhanced, sample)
        return sample

    def _detect_objects(self, sample: DetDataSample, key: FrameRecord, feats: tuple[Tensor, ...],
                        references: dict[str, list[FrameRecord]], memory: DetectorMemory,
                        rescale: bool) -> None:
        """Detect with the temporal RoI head into a sample, and remember the objects."""
        head, objects = self.roi_head, key.objects
        if objects is None or self.temporal_neck is not None:
            objects = self._objects(feats, [sample])[0]
        objects = self.storage.load(objects, like=next(head.embedding.parameters()))
        if head.needs_maps:
            objects = head.align(objects, feats, maps_of(references))
        topk = head.reference_topk
        roles = {
            role: [
                self.storage.load(part.top(topk), like=objects.feats)
                for part in objects_of(records)
            ]
            for role, records in references.items() if role in head.roles
        }
        sample.pred_instances, aggregated = head.detect(
            objects, roles, memory.roi_head, sample.metainfo, rescale, self.detections,
            feats if head.needs_key_maps else None)
        if self.detections.relations:
            sample.relations = aggregated.relation_stage.weights_to(key.frame_id + 1)
        head.write(memory.roi_head, aggregated, sample)
        self._let_go(key)

    def _detect_window(self, key: FrameRecord, references: dict[str, list[FrameRecord]],
                       memory: DetectorMemory, rescale: bool) -> InstanceData:
        """Detect in every frame of the key frame's window; pool what windows found in the key.

        A key frame without a window has been in those of earlier ones.
        """
        references = self.temporal_neck.known(references)
        if any(references.values()) or key.frame_id not in memory.pending:
            window = in_time(key, references)
            [maps] = self.temporal_neck.enhance_all([window])
            feats = tuple(torch.cat(level) for level in zip(*maps, strict=True))
            raw = detector_steps.predict_raw(self.detector, feats,
                                             [record.sample for record in window], rescale,
                                             self.detections, self._known_proposals(window))
            for record, found in zip(window, raw, strict=True):
                memory.pending.setdefault(record.frame_id, []).append(found)
        return detector_steps.select(self.detector, memory.pending.pop(key.frame_id),
                                     self.detections)

    def _known_proposals(self, window: list[FrameRecord]) -> list[InstanceData] | None:
        """Proposals of frames whose RPN sees what no window changes: found once, then kept."""
        rpn_head = getattr(self.detector, 'rpn_head', None)
        if not (isinstance(rpn_head, FirstLevelRPNHead)
                and self.temporal_neck.leaves_first_map(len(window[0].feats))):
            return None
        for record in window:
            if 'proposals' not in record.extras:
                [record.extras['proposals']] = detector_steps.propose(
                    self.detector, record.feats, [record.sample])
        return [record.extras['proposals'].new() for record in window]

    def _adapt_checkpoint(self, state_dict: dict[str, Any], prefix: str, *_: object) -> None:
        """Translate published checkpoints before their weights are copied."""
        if not prefix:
            adapt_state_dict(state_dict, self)
