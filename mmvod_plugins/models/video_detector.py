"""A video object detector: a stock mmdet detector, references, and what they enhance."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor

from mmvod_plugins.checkpoints import METADATA, adapt_state_dict
from mmvod_plugins.references import WINDOW_ROLE, build_references
from mmvod_plugins.streaming import StreamPool, VideoStream
from mmvod_plugins.structures import (
    FrameRecord,
    Maps,
    ObjectFeatures,
    ObjectStorage,
    References,
    in_temporal_order,
)
from mmvod_plugins.utils.precision import no_grad_and_uncached

from . import checks
from .adapters import adapt
from .adapters.base import NO_RELATIONS
from .clip import Clip, ClipBatch, gather_clips
from .frame_encoder import FrameEncoder
from .roi_heads import TemporalRoIHeadMixin
from .selection import OutputOptions
from .temporal_part import HeadStep, NeckStep, TemporalPart, warn_without_references


@dataclass
class DetectorMemory:
    """What is remembered of one video.

    Attributes:
        neck: Memory of the temporal neck.
        head: Memory of the temporal head.
        shapes: (height, width) of the first frame in the network, by the scale of its plan.
        pending: Raw boxes that windows of earlier key frames found in frames to come, by frame.
    """

    neck: Any = None
    head: Any = None
    shapes: dict[float, tuple[int, int]] = field(default_factory=dict)
    pending: dict[int, list[InstanceData]] = field(default_factory=dict)


@dataclass
class FrameStep:
    """The result of one key frame, before anything is remembered or selected.

    Attributes:
        record: The key frame, with enhanced maps.
        raw: Boxes before suppression of every pass over it, in pixels of the network input.
        neck: Step of the temporal neck, or None.
        head: Step of the temporal head, or None.
        others: Raw boxes of the other frames of its window, by frame.
    """

    record: FrameRecord
    raw: InstanceData
    neck: NeckStep | None = None
    head: HeadStep | None = None
    others: dict[int, InstanceData] = field(default_factory=dict)


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
            detector's own preprocessor if it has one.
        encode_batch: Frames in one pass through the backbone while testing; None: the whole
            batch. With 1, results do not depend on the batch size to the last bit.
        keep_objects: Where and how the objects of waiting frames are held: ``device`` (``'cpu'``
            frees a GPU in long videos) and ``dtype`` of the embeddings (``'float16'``). Feature
            maps, where a method needs them later, stay as they are.
        detections: What testing returns of a frame, the arguments of
            :class:`~mmvod_plugins.models.selection.OutputOptions`: for linking,
            ``dict(nms=False)`` and ``class_scores``, ``relations``.
        init_cfg: Initial weights.

    Attributes:
        policy: The reference policy.
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
        self.adapter = adapt(self.detector)
        self.temporal_neck = MODELS.build(temporal_neck) if temporal_neck else None
        self.policy = build_references(references)
        self.encode_batch = encode_batch
        self.storage = ObjectStorage(**(keep_objects or {}))
        self.output = OutputOptions(**(detections or {}))
        self.encoder = FrameEncoder(self.adapter, self.temporal_neck, self.data_preprocessor,
                                    self.storage)
        self.streams = StreamPool(self.policy, self.init_memory, self.encoder.shrink)
        checks.check_roles(self.policy, self.parts)
        self.adapter.check(self.output)
        for part in self.parts:
            part.check(self)
        self._register_state_dict_hook(self._name_methods)
        self._register_load_state_dict_pre_hook(self._adapt_checkpoint)

    @property
    def parts(self) -> list[TemporalPart]:
        """The temporal neck and the temporal head, as far as there are any."""
        return self.encoder.parts

    def init_memory(self) -> DetectorMemory:
        """The memory of a new video."""
        neck, head = self.temporal_neck, self.adapter.head
        return DetectorMemory(
            neck=neck.init_memory() if neck else None,
            head=head.init_memory() if head else None)

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

    # Testing

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
                result = TrackDataSample()
                result.video_data_samples = [sample]
                results.append(result)
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
        step = self.step(key, references, memory)
        self.remember(memory, step)
        return self.result(step, rescale)

    def step(self, key: FrameRecord, references: References,
             memory: DetectorMemory) -> FrameStep:
        """Enhance a key frame, and the frames of its window if it has one; find raw boxes.

        Nothing that is given changes, the memory included.

        Args:
            key: Record of the key frame.
            references: Records by role.
            memory: Memory of the video.
        """
        before = memory.pending.get(key.frame_id, [])
        window = references.get(WINDOW_ROLE)
        if before and not window:  # earlier windows have detected this frame
            return FrameStep(key, _pooled(before))
        frames = in_temporal_order(key, {WINDOW_ROLE: window}) if window else [key]
        row = [record.frame_id for record in frames].index(key.frame_id)
        neck_steps = self._enhance(frames, references, memory, window is not None)
        if self.temporal_neck is not None:
            # objects come from the enhanced maps
            frames = [replace(record, maps=step.maps, objects=None)
                      for record, step in zip(frames, neck_steps, strict=True)]
        raws, head_steps = self._find(frames, references, memory)
        if window:
            raws = [self.adapter.poolable(raw, self.output) for raw in raws]
        others = {record.frame_id: raw for i, (record, raw) in enumerate(
            zip(frames, raws, strict=True)) if i != row}
        return FrameStep(frames[row], _pooled([*before, raws[row]]), neck_steps[row],
                         head_steps[row], others)

    def remember(self, memory: DetectorMemory, step: FrameStep) -> None:
        """Write a key frame into the memory of its video.

        Args:
            memory: Changes.
            step: From :meth:`step`.
        """
        key = step.record
        memory.pending.pop(key.frame_id, None)
        for frame_id, raw in step.others.items():
            memory.pending.setdefault(frame_id, []).append(raw)
        if not key.plan.memorize:
            return
        found = None
        for part, part_memory, part_step in ((self.temporal_neck, memory.neck, step.neck),
                                             (self.adapter.head, memory.head, step.head)):
            if part_memory is None or part_step is None:
                continue
            wants = 'detections' in part.needs.of_key
            if wants and found is None:
                found = self._configured_detections(step)
            part.write(part_memory, part_step, found if wants else None)

    def result(self, step: FrameStep, rescale: bool = True) -> DetDataSample:
        """The detections of a key frame as the output options ask for them.

        Args:
            step: From :meth:`step`.
            rescale: Whether boxes are returned in pixels of the original image.

        Raises:
            ValueError: If relation weights are asked of a head that has none.
        """
        sample = step.record.sample.new()
        sample.set_metainfo({'suppressed': self.adapter.suppresses(self.output)})
        sample.pred_instances = self.adapter.select(step.raw, step.record, self.output,
                                                    rescale=rescale)
        if self.output.relations:
            if 'relations' not in step.head.details:
                raise ValueError(NO_RELATIONS.format(name=self.adapter.head.method))
            sample.relations = step.head.details['relations'](step.record.frame_id + 1)
        return sample

    def _enhance(self, frames: list[FrameRecord], references: References,
                 memory: DetectorMemory, in_window: bool) -> list[NeckStep | None]:
        """Steps of the temporal neck for the frames that are detected together."""
        neck = self.temporal_neck
        if neck is None:
            return [None] * len(frames)
        if in_window:
            [steps] = neck.enhance_windows([frames])
            return steps
        [key] = frames
        checks.check_key(key, self.policy, type(neck).__name__, neck.needs.of_key)
        return [neck.enhance(key, self._known(neck, key, references, memory.neck), memory.neck)]

    def _find(
        self, frames: list[FrameRecord], references: References, memory: DetectorMemory
    ) -> tuple[list[InstanceData], list[HeadStep | None]]:
        """Raw boxes of frames, and the steps of the temporal head."""
        head = self.adapter.head
        if head is None:
            for record in frames:
                checks.check_key(record, self.policy, 'the detector', frozenset({'maps'}))
            raws = self.adapter.raw(_stacked(frames), frames, self.output)
            return raws, [None] * len(frames)
        like = next(self.detector.parameters())
        steps = []
        for record in frames:
            objects = record.objects
            if objects is None and record.maps is not None:
                [objects] = self.adapter.objects(record.maps, [record])
            if objects is not None:
                record = replace(record, objects=self.storage.load(objects, like=like))
            checks.check_key(record, self.policy, type(head).__name__, head.needs.of_key)
            known = self._known(head, record, references, memory.head)
            steps.append(head.enhance(record, known, memory.head))
        return [step.raw for step in steps], steps

    def _known(self, part: TemporalPart, key: FrameRecord, references: References,
               memory: object) -> References:
        """References of the roles that a part knows, as it needs them; the key frame if none."""
        known = {role: records for role, records in references.items() if role in part.needs.roles}
        if 'objects' in part.needs.of_references:
            known = {role: [self._with_best_objects(record, part.needs.topk, key.objects)
                            for record in records if record.objects is not None]
                     for role, records in known.items()}
        if any(known.values()):
            return known
        if memory is None or not self.policy.draws:
            warn_without_references(_name_of(part))
        return part.needs.alone(key)

    def _with_best_objects(self, record: FrameRecord, topk: int | None,
                           like: ObjectFeatures) -> FrameRecord:
        """A reference with its best objects, on the device and in the type of others."""
        objects = record.objects if topk is None else record.objects.top(topk)
        return replace(record, objects=self.storage.load(objects, like=like.feats))

    def _configured_detections(self, step: FrameStep) -> InstanceData:
        """Detections in input pixels as ``test_cfg`` has them, whatever the options ask for."""
        default, raw = OutputOptions(), step.raw
        if self.adapter.head is None and self.adapter.raw_follows(self.output):
            [raw] = self.adapter.raw(step.record.maps, [step.record], default)
        return self.adapter.select(raw, step.record, default, rescale=False)

    # Training

    def loss(self, inputs: Tensor, data_samples: list[TrackDataSample]) -> dict[str, Tensor]:
        """Losses of the key frames of clips; with windows, of all their frames.

        Args:
            inputs: (B, T, C, H, W).
            data_samples: B clips of T frames with roles and ground truth.

        Raises:
            FloatingPointError: If a loss is not finite, with the files of the clips.
            ValueError: If a clip has other references than the policy draws.
        """
        batch = gather_clips(inputs, data_samples, self._detached_roles())
        for clip in batch.clips:
            checks.check_clip(self.policy, clip)
        clips = batch.keys(self._encode_clips(batch))
        frames, references = self._enhance_clips(clips)
        samples = [record.sample for record in frames]
        losses = self.adapter.loss(_stacked(frames), samples, references)
        checks.check_finite(losses, samples)
        return losses

    def _encode_clips(self, batch: ClipBatch) -> list[FrameRecord]:
        """Records of every row of a batch, the last ones without gradient."""
        plans, end = batch.plans(self._needs_key_maps), batch.num_grad
        records = self.encoder.encode(batch.frames[:end], batch.samples[:end], plans[:end],
                                      training=True)
        if end < len(batch.samples):
            with no_grad_and_uncached():
                records += self.encoder.encode(batch.frames[end:], batch.samples[end:],
                                               plans[end:], training=True)
        return records

    def _enhance_clips(
        self, clips: list[tuple[FrameRecord, References]]
    ) -> tuple[list[FrameRecord], list[References]]:
        """The frames that have a loss, with enhanced maps, and the references of their heads."""
        neck, head = self.temporal_neck, self.adapter.head
        windows = [[key] for key, _ in clips]
        if WINDOW_ROLE in self.policy.draws:
            windows = [in_temporal_order(key, {WINDOW_ROLE: references.get(WINDOW_ROLE, [])})
                       for key, references in clips]
        frames = [record for window in windows for record in window]
        if neck is not None:
            if WINDOW_ROLE in self.policy.draws:
                steps = [step for window in neck.enhance_windows(windows) for step in window]
            else:
                steps = [neck.enhance(key, self._drawn(neck, references) or neck.needs.alone(key),
                                      None) for key, references in clips]
            frames = [replace(record, maps=step.maps)
                      for record, step in zip(frames, steps, strict=True)]
        drawn = [{} if head is None else self._drawn(head, references) for _, references in clips]
        return frames, [part for part, window in zip(drawn, windows, strict=True) for _ in window]

    def _drawn(self, part: TemporalPart, references: References) -> References:
        """The references of the roles that a part knows, without empty roles."""
        return {role: records for role, records in references.items()
                if records and role in part.needs.roles}

    def _needs_key_maps(self, clip: Clip) -> bool:
        """Whether the backbone has to see the key frame of a training clip."""
        neck = self.temporal_neck
        return neck is None or 'maps' in neck.needs.of_key or not any(
            clip.roles.get(role) for role in neck.needs.roles)

    def _detached_roles(self) -> frozenset[str]:
        """Roles that no temporal part wants a gradient for."""
        needs = [part.needs for part in self.parts]
        roles = frozenset().union(*(part.roles for part in needs))
        with_grad = frozenset().union(*(part.roles - part.detached_roles for part in needs))
        return roles - with_grad

    def _name_methods(self, _model: object, _weights: object, _prefix: str,
                      metadata: dict[str, Any]) -> None:
        """Name the methods of the temporal parts in the metadata of a state dict."""
        parts = dict(neck=self.temporal_neck, head=self.adapter.head)
        metadata[METADATA] = {name: part.method or _name_of(part)
                              for name, part in parts.items() if part is not None}

    def _adapt_checkpoint(self, state_dict: dict[str, Any], prefix: str, *_: object) -> None:
        """Adapt the checkpoint being loaded: translate names, refuse other methods."""
        if not prefix:
            adapt_state_dict(state_dict, self)


def _stacked(frames: list[FrameRecord]) -> Maps:
    """Maps (N, C, H, W) of N frames."""
    if len(frames) == 1:
        return frames[0].maps
    return tuple(torch.cat(level) for level in zip(*(record.maps for record in frames),
                                                   strict=True))


def _pooled(raws: list[InstanceData]) -> InstanceData:
    """Raw boxes of several passes over one frame, together."""
    return InstanceData.cat([part for part in raws if len(part)] or raws[:1])


def _name_of(part: TemporalPart) -> str:
    """The class that a user would look for: the aggregator of a RoI head, or the part itself."""
    if isinstance(part, TemporalRoIHeadMixin):
        part = part.aggregator_settings
    return type(part).__name__
