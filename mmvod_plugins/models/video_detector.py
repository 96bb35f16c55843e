"""A video object detector: a stock mmdet detector, references, and what they enhance."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor

from mmvod_plugins.checkpoints import adapt_state_dict
from mmvod_plugins.references import build_references
from mmvod_plugins.streaming import StreamPool, VideoStream
from mmvod_plugins.structures import FrameRecord, ObjectFeatures, ObjectStorage
from mmvod_plugins.utils.autocast import without_graph

from . import checks, detector_steps
from .clip import ClipBatch, gather_clips
from .detection_options import DetectionOptions
from .roi_heads import BaseTemporalRoIHead


@dataclass
class DetectorMemory:
    """What is remembered of one video.

    Attributes:
        neck: Memory of the temporal neck.
        roi_head: Memory of the temporal RoI head.
        img_shape: (height, width) of the video's frames in the network, None before the first.
    """

    neck: Any = None
    roi_head: Any = None
    img_shape: tuple[int, int] | None = None


@MODELS.register_module()
class VideoDetector(BaseModel):
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
        self._register_load_state_dict_pre_hook(self._adapt_checkpoint)

    @property
    def roi_head(self) -> BaseTemporalRoIHead | None:
        """The detector's temporal RoI head, if it has one."""
        head = getattr(self.detector, 'roi_head', None)
        return head if isinstance(head, BaseTemporalRoIHead) else None

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

    # Testing ------------------------------------------------------------------------------------

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

    def encode(self, frames: Tensor, samples: list[DetDataSample]) -> list[FrameRecord]:
        """Pass frames through the network once.

        Args:
            frames: (N, C, H, W), all of the same size.
            samples: Their metainfo.
        """
        inputs = [
            self.references.inputs(
                sample.metainfo.get('frame_id', 0), sample.metainfo.get('ori_video_length', 1),
                sample.metainfo.get('video_id', 0)) for sample in samples
        ]
        records = [
            FrameRecord(sample.metainfo.get('frame_id', 0), sample) for sample in samples
        ]
        rows = [i for i, wanted in enumerate(inputs) if wanted.feats]
        if rows:
            self._encode_feats(frames, records, rows, [inputs[i].objects for i in rows])
        if self.temporal_neck is not None and self.temporal_neck.needs_image:
            for record, frame, wanted in zip(records, frames, inputs, strict=True):
                if wanted.image:
                    record.extras['image'] = frame[None].clone()
        return records

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
        feats, objects, enhanced, aggregated = key.feats, key.objects, None, None
        if self.temporal_neck is not None:
            enhanced = self.temporal_neck(key, references, memory.neck)
            feats, objects = enhanced.feats, None
        if self.roi_head is None:
            sample.pred_instances = detector_steps.predict(self.detector, feats, [sample], rescale,
                                                           self.detections)[0]
        else:
            if objects is None:
                objects = self._objects(feats, [sample])[0]
            objects = self.storage.load(objects, like=next(self.roi_head.embedding.parameters()))
            if self.roi_head.needs_maps:
                objects = self.roi_head.align(objects, feats, _maps_of(references))
            topk = self.roi_head.reference_topk
            roles = {
                role: [
                    self.storage.load(part.top(topk), like=objects.feats)
                    for part in _objects_of(records)
                ]
                for role, records in references.items()
            }
            sample.pred_instances, aggregated = self.roi_head.detect(
                objects, roles, memory.roi_head, sample.metainfo, rescale, self.detections,
                feats if self.roi_head.needs_key_maps else None)
            if self.detections.relations:
                sample.relations = aggregated.relation_stage.weights_to(key.frame_id + 1)
        if enhanced is not None:
            self.temporal_neck.write(memory.neck, enhanced, sample)
        if aggregated is not None:
            self.roi_head.write(memory.roi_head, aggregated, sample)
            self._let_go(key)
        return sample

    # Training -----------------------------------------------------------------------------------

    def loss(self, inputs: Tensor, data_samples: list[TrackDataSample]) -> dict[str, Tensor]:
        """Losses of the key frames of clips.

        Args:
            inputs: (B, T, C, H, W).
            data_samples: B clips of T frames with roles and ground truth.

        Raises:
            FloatingPointError: If a loss is not finite, with the files of the clips.
        """
        batch = gather_clips(inputs, data_samples, self._detached_roles())
        for clip in batch.clips:
            drawn_by = batch.samples[clip.key].metainfo.get('references')
            checks.check_clip(self.references, clip, drawn_by)
        records = self._training_records(batch)
        keys = [records[clip.key] for clip in batch.clips]
        samples = [key.sample for key in keys]
        roles = [{role: [records[row] for row in rows] for role, rows in clip.roles.items()}
                 for clip in batch.clips]
        maps = [key.feats for key in keys]
        if self.temporal_neck is not None:
            maps = [
                self.temporal_neck(key, references, None).feats
                for key, references in zip(keys, roles, strict=True)
            ]
        feats = tuple(torch.cat(level) for level in zip(*maps, strict=True))
        roi_inputs = {}
        if self.roi_head is not None:
            roi_inputs['references'] = [{
                role: _objects_of(frames)
                for role, frames in references.items()
            } for references in roles]
            if self.roi_head.needs_maps:
                roi_inputs['reference_maps'] = [_maps_of(references) for references in roles]
        losses = detector_steps.loss(self.detector, feats, samples, roi_inputs)
        checks.check_finite(losses, samples)
        return losses

    def _training_records(self, batch: ClipBatch) -> list[FrameRecord]:
        """Records of every row of a batch, the last ones without gradient."""
        wanted = {row for clip in batch.clips for rows in clip.roles.values() for row in rows}
        records = self._records(batch.frames[:batch.num_grad], batch.samples[:batch.num_grad],
                                wanted)
        if batch.num_grad < len(batch.samples):
            with without_graph():
                records += self._records(batch.frames[batch.num_grad:],
                                         batch.samples[batch.num_grad:],
                                         {row - batch.num_grad for row in wanted})
        return records

    def _records(self, frames: Tensor, samples: list[DetDataSample],
                 references: set[int]) -> list[FrameRecord]:
        """Records with maps of all frames, and objects of those that serve as references."""
        feats = self.detector.extract_feat(frames)
        records = [
            FrameRecord(sample.metainfo.get('frame_id', 0), sample, _rows(feats, [i]),
                        extras={'image': frames[i:i + 1]}) for i, sample in enumerate(samples)
        ]
        rows = sorted(row for row in references if 0 <= row < len(samples))
        if self.roi_head is not None and rows:
            objects = self._objects(
                _rows(feats, rows), [samples[row] for row in rows],
                self.roi_head.reference_topk)
            for row, part in zip(rows, objects, strict=True):
                records[row].objects = part
        return records

    # Shared -------------------------------------------------------------------------------------

    def encode_all(self, inputs: Tensor,
                    data_samples: list[TrackDataSample]) -> Iterator[FrameRecord]:
        """Encode a batch in order, frames of equal size together, without the padding."""
        frames = [(inputs[b, t], sample) for b, clip in enumerate(data_samples)
                  for t, sample in enumerate(clip)]
        run: list[tuple[Tensor, DetDataSample]] = []
        for frame, sample in frames:
            height, width = sample.metainfo.get('pad_shape', frame.shape[-2:])[:2]
            frame = frame[:, :height, :width]
            sample.set_metainfo({'batch_input_shape': (height, width)})
            if run and (run[0][0].shape != frame.shape or len(run) == self.encode_batch):
                yield from self.encode(*_stack(run))
                run = []
            run.append((frame, sample))
        yield from self.encode(*_stack(run))

    def _encode_feats(self, frames: Tensor, records: list[FrameRecord], rows: list[int],
                      with_objects: list[bool]) -> None:
        """Run the backbone on some frames and keep of it what detection will use."""
        selected = frames if len(rows) == len(frames) else frames[rows]
        feats = self.detector.extract_feat(selected)
        if self.roi_head is not None:
            subset = [i for i, wanted in enumerate(with_objects) if wanted]
            samples = [records[rows[i]].sample for i in subset]
            parts = self._objects(_rows(feats, subset), samples) if subset else []
            for i, objects in zip(subset, parts, strict=True):
                objects = objects.clone() if len(parts) > 1 else objects
                records[rows[i]].objects = self.storage.store(objects)
        if self._keeps_reference_maps() or self.roi_head is None or self.roi_head.needs_key_maps:
            for i, row in enumerate(rows):
                records[row].feats = _rows(feats, [i]) if len(rows) > 1 else feats

    def _objects(self, feats: tuple[Tensor, ...], samples: list[DetDataSample],
                 topk: int | None = None) -> list[ObjectFeatures]:
        """Embedded proposals of frames, (topk or all) of each."""
        with without_graph():
            proposals = detector_steps.propose(self.detector, feats, samples)
        frame_ids = [sample.metainfo.get('frame_id', 0) for sample in samples]
        return self.roi_head.embed(feats, [part[:topk] for part in proposals], frame_ids)

    def _parts(self) -> list[Any]:
        """The temporal parts, which declare the roles that they know."""
        return [part for part in (self.temporal_neck, self.roi_head) if part is not None]

    def _keeps_reference_maps(self) -> bool:
        """Whether key frames look at the maps of their references."""
        head = self.roi_head
        return self.temporal_neck is not None or (head is not None and head.needs_maps)

    def _let_go(self, record: FrameRecord) -> None:
        """Drop what a frame needs as a key frame alone; a reference has fewer objects."""
        if self.roi_head is None:
            return
        if record.objects is not None:
            record.objects = record.objects.top(self.roi_head.reference_topk).clone()
        if not self._keeps_reference_maps():
            record.feats = None

    def _detached_roles(self) -> frozenset[str]:
        """Roles that no temporal part wants a gradient for."""
        parts = self._parts()
        roles = frozenset().union(*(part.roles for part in parts))
        with_grad = frozenset().union(*(part.roles - part.detached_roles for part in parts))
        return roles - with_grad

    def _adapt_checkpoint(self, state_dict: dict[str, Any], prefix: str, *_: object) -> None:
        """Translate published checkpoints before their weights are copied."""
        if not prefix:
            adapt_state_dict(state_dict, self)


def _rows(feats: tuple[Tensor, ...], rows: list[int]) -> tuple[Tensor, ...]:
    """Some frames of a batch of maps; a copy, so that a record keeps its own frame alone."""
    return tuple(level[rows] for level in feats)


def _stack(run: list[tuple[Tensor, DetDataSample]]) -> tuple[Tensor, list[DetDataSample]]:
    return torch.stack([frame for frame, _ in run]), [sample for _, sample in run]


def _objects_of(records: list[FrameRecord]) -> list[ObjectFeatures]:
    return [record.objects for record in records if record.objects is not None]


def _maps_of(references: dict[str, list[FrameRecord]]) -> list[tuple[Tensor, ...]]:
    return [detector_steps.without_padding(record.feats, record.sample.metainfo)
            for records in references.values() for record in records]
