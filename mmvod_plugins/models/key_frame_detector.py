"""Detection of one key frame: enhance, find raw boxes, pool, remember, select."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmvod_plugins.references import WINDOW_ROLE, ReferencePolicy
from mmvod_plugins.structures import (
    FrameRecord,
    ObjectStorage,
    References,
    in_temporal_order,
)
from mmvod_plugins.utils.constants import constant

from . import checks
from .adapters import DetectorAdapter
from .adapters.base import NO_RELATIONS
from .enhanced_references import with_enhanced_references
from .frame_encoder import stacked_maps
from .necks import TemporalNeck
from .selection import OutputOptions
from .temporal_part import HeadStep, NeckStep, TemporalPart, warn_without_references


@dataclass
class DetectorMemory:
    """Memory of one video.

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


class KeyFrameDetector:
    """Detects in key frames; a key frame without a window is a window of one frame.

    It holds no weights and nothing of a video: :meth:`step` reads what it is given,
    :meth:`remember` writes the memory.

    Args:
        adapter: The detector's steps.
        neck: The temporal neck, or None.
        policy: The reference policy.
        storage: How the objects of records are held.
        options: What is returned of a frame.
    """

    def __init__(self, adapter: DetectorAdapter, neck: TemporalNeck | None,
                 policy: ReferencePolicy, storage: ObjectStorage, options: OutputOptions) -> None:
        self.adapter = adapter
        self.neck = neck
        self.policy = policy
        self.storage = storage
        self.options = options

    def init_memory(self) -> DetectorMemory:
        """The memory of a new video."""
        head = self.adapter.head
        return DetectorMemory(
            neck=self.neck.init_memory() if self.neck else None,
            head=head.init_memory() if head else None)

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
            return FrameStep(key, self.adapter.pool(before))
        if window:
            checks.check_window_order(self.policy, key, references)
            checks.check_window_roles(self.policy, self.neck, references)
        frames = in_temporal_order(key, {WINDOW_ROLE: window}) if window else [key]
        row = [record.frame_id for record in frames].index(key.frame_id)
        neck_steps = self._enhance(frames, references, memory, window is not None)
        if self.neck is not None:
            # objects come from the enhanced maps
            frames = [replace(record, maps=step.maps, objects=None)
                      for record, step in zip(frames, neck_steps, strict=True)]
            if neck_steps[row].references is not None and self.adapter.head is not None:
                [frames[row].objects] = self.adapter.objects(frames[row].maps, [frames[row]])
                references = with_enhanced_references(self.adapter, key, references,
                                                      neck_steps[row], frames[row].objects)
        raws, head_steps = self._find(frames, references, memory, window is not None)
        if window:
            raws = [self.adapter.poolable(raw, self.options) for raw in raws]
        others = {record.frame_id: raw for i, (record, raw) in enumerate(
            zip(frames, raws, strict=True)) if i != row}
        return FrameStep(frames[row], self.adapter.pool([*before, raws[row]]), neck_steps[row],
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
        for part, part_memory, part_step in ((self.neck, memory.neck, step.neck),
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
        sample.set_metainfo({'suppressed': self.adapter.suppresses(self.options)})
        sample.pred_instances = self.adapter.select(step.raw, step.record, self.options,
                                                    rescale=rescale)
        if self.options.relations:
            if step.head is None or 'relations' not in step.head.details:
                raise ValueError(NO_RELATIONS.format(name=self.adapter.head.method_name))
            sample.relations = step.head.details['relations'](step.record.frame_id + 1)
        return sample

    def _enhance(self, frames: list[FrameRecord], references: References,
                 memory: DetectorMemory, in_window: bool) -> list[NeckStep | None]:
        """Steps of the temporal neck for the frames that are detected together."""
        neck = self.neck
        if neck is None:
            return [None] * len(frames)
        if in_window:
            [steps] = neck.enhance_windows([frames])
            return steps
        [key] = frames
        checks.check_key(key, self.policy, type(neck).__name__, neck.needs.of_key)
        return [neck.enhance(key, self._known(neck, key, references, memory.neck), memory.neck)]

    def _find(
        self, frames: list[FrameRecord], references: References, memory: DetectorMemory,
        in_window: bool
    ) -> tuple[list[InstanceData], list[HeadStep | None]]:
        """Raw boxes of frames, and the steps of the temporal head."""
        head = self.adapter.head
        if head is None:
            for record in frames:
                checks.check_key(record, self.policy, 'the detector', frozenset({'maps'}))
            raws = self.adapter.raw(stacked_maps(frames), frames, self.options)
            return raws, [None] * len(frames)
        frames = [self._with_objects(record) for record in frames]
        if in_window:
            [steps] = head.enhance_windows([frames])
        else:
            steps = [head.enhance(record, self._known(head, record, references, memory.head),
                                  memory.head) for record in frames]
        return [step.raw for step in steps], steps

    def _with_objects(self, record: FrameRecord) -> FrameRecord:
        """A frame as the temporal head reads it."""
        head, objects = self.adapter.head, record.objects
        if objects is None and record.maps is not None:
            [objects] = self.adapter.objects(record.maps, [record])
        if objects is not None:
            like = next(self.adapter.detector.parameters())
            record = replace(record, objects=self.storage.load(objects, like=like))
        checks.check_key(record, self.policy, type(head).__name__, head.needs.of_key)
        return record

    def _known(self, part: TemporalPart, key: FrameRecord, references: References,
               memory: object) -> References:
        """References of the roles that a part knows, as it needs them; the key frame if none."""
        known = part.needs.select_roles(references)
        checks.check_scale(self.policy, part, key, known)
        if 'objects' in part.needs.of_references:
            known = {role: [self._with_best_objects(record, part.needs.topk, key)
                            for record in records if record.objects is not None]
                     for role, records in known.items()}
        if any(known.values()):
            return known
        if part.needs.roles and (memory is None or not self.policy.draws):
            warn_without_references(part.method_name)
        return part.needs.alone(key)

    def _with_best_objects(self, record: FrameRecord, topk: int | None,
                           key: FrameRecord) -> FrameRecord:
        """A reference with its best objects: device, type and pixels are the key frame's."""
        objects = record.objects if topk is None else record.objects.top(topk)
        objects = self.storage.load(objects, like=key.objects.feats)
        if record.plan.scale != key.plan.scale:
            factors = [mine / theirs for mine, theirs in zip(
                key.sample.scale_factor, record.sample.scale_factor, strict=True)]
            objects = replace(objects, boxes=objects.boxes * constant(factors * 2, objects.boxes))
        return replace(record, objects=objects)

    def _configured_detections(self, step: FrameStep) -> InstanceData:
        """Detections in input pixels as ``test_cfg`` has them, whatever the options ask for."""
        default, raw = OutputOptions(), step.raw
        if self.adapter.head is None and self.adapter.raw_follows(self.options):
            [raw] = self.adapter.raw(step.record.maps, [step.record], default)
        return self.adapter.select(raw, step.record, default, rescale=False)
