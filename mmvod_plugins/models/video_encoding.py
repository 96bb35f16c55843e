"""What a video detector computes once per frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from mmdet.models.detectors import BaseDetector
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.model import BaseModel
from torch import Tensor

from mmvod_plugins.references import ReferencePolicy
from mmvod_plugins.structures import FrameRecord, ObjectFeatures, ObjectStorage
from mmvod_plugins.utils.autocast import without_graph

from . import detector_steps
from .necks import TemporalNeck
from .roi_heads import BaseTemporalRoIHead


class VideoEncoding(BaseModel):
    """Passes frames through a stock detector and keeps what its temporal parts will look at.

    Attributes:
        detector: A detector with one or two stages.
        references: Policy that says what a frame is asked to provide.
        temporal_neck: Enhances maps, or None.
        encode_batch: Frames in one pass through the backbone while testing, or None.
        storage: How objects of waiting frames are kept.
    """

    detector: BaseDetector
    references: ReferencePolicy
    temporal_neck: TemporalNeck | None
    encode_batch: int | None
    storage: ObjectStorage

    @property
    def roi_head(self) -> BaseTemporalRoIHead | None:
        """The detector's temporal RoI head, if it has one."""
        head = getattr(self.detector, 'roi_head', None)
        return head if isinstance(head, BaseTemporalRoIHead) else None

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
        self._encode_extras(frames, [
            record if wanted.image else None
            for record, wanted in zip(records, inputs, strict=True)
        ])
        return records

    def _encode_extras(self, frames: Tensor, records: list[FrameRecord | None]) -> None:
        """Keep what the temporal neck wants of frames beside their maps."""
        if self.temporal_neck is None:
            return
        for i, record in enumerate(records):
            if record is not None:
                record.extras.update(
                    self.temporal_neck.encode(frames[i:i + 1], record.sample, record.feats))

    def _encode_feats(self, frames: Tensor, records: list[FrameRecord], rows: list[int],
                      with_objects: list[bool]) -> None:
        """Run the backbone on some frames and keep of it what detection will use."""
        selected = frames if len(rows) == len(frames) else frames[rows]
        feats = self.detector.extract_feat(selected)
        if self.roi_head is not None:
            subset = [i for i, wanted in enumerate(with_objects) if wanted]
            samples = [records[rows[i]].sample for i in subset]
            parts = self._objects(rows_of(feats, subset), samples) if subset else []
            for i, objects in zip(subset, parts, strict=True):
                objects = objects.clone() if len(parts) > 1 else objects
                records[rows[i]].objects = self.storage.store(objects)
        if self._keeps_reference_maps() or self.roi_head is None or self.roi_head.needs_key_maps:
            for i, row in enumerate(rows):
                records[row].feats = rows_of(feats, [i]) if len(rows) > 1 else feats

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


def rows_of(feats: tuple[Tensor, ...], rows: list[int]) -> tuple[Tensor, ...]:
    """Some frames of a batch of maps; a copy, so that a record keeps its own frame alone."""
    return tuple(level[rows] for level in feats)


def objects_of(records: list[FrameRecord]) -> list[ObjectFeatures]:
    """Objects of the frames that have any."""
    return [record.objects for record in records if record.objects is not None]


def maps_of(references: dict[str, list[FrameRecord]]) -> list[tuple[Tensor, ...]]:
    """Maps of every reference without padding, role by role."""
    return [detector_steps.without_padding(record.feats, record.sample.metainfo)
            for records in references.values() for record in records]


def _stack(run: list[tuple[Tensor, DetDataSample]]) -> tuple[Tensor, list[DetDataSample]]:
    return torch.stack([frame for frame, _ in run]), [sample for _, sample in run]
