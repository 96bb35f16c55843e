"""The encoder: one pass of every frame through the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from mmdet.models.data_preprocessors import TrackDataPreprocessor
from mmdet.structures import DetDataSample, TrackDataSample
from torch import Tensor
from torch.nn import functional

from mmvod_plugins.references import ReferencePolicy
from mmvod_plugins.structures import FramePlan, FrameRecord, Maps, ObjectStorage, place_of
from mmvod_plugins.utils.constants import constant

from .adapters import DetectorAdapter
from .necks import TemporalNeck


class FrameEncoder:
    """Computes of frames what their plans require and the temporal parts use; holds no weights.

    Args:
        adapter: The detector's steps.
        neck: The temporal neck, or None.
        preprocessor: What made the network input, which knows how to undo it.
        storage: How objects are held until they are used.
    """

    def __init__(self, adapter: DetectorAdapter, neck: TemporalNeck | None,
                 preprocessor: TrackDataPreprocessor, storage: ObjectStorage) -> None:
        self.adapter = adapter
        self.neck = neck
        self.preprocessor = preprocessor
        self.storage = storage
        parts = (neck, adapter.head)
        self.parts = [part for part in parts if part is not None]
        # A stock head detects from maps, and so does any head on the maps of a neck; a temporal
        # head on the detector's own maps may do with objects.
        self.keeps_key_maps = adapter.head is None or neck is not None \
            or 'maps' in adapter.head.needs.of_key
        self.keeps_reference_maps = any(
            'maps' in part.needs.of_references for part in self.parts)
        # A neck that enhances references leaves those in roles that it does not know.
        self.enhances = neck is not None and neck.enhances_references
        self.extracts = adapter.head is not None and not (
            self.enhances and adapter.head.needs.roles <= neck.needs.roles)

    def encode(self, frames: Tensor, samples: Sequence[DetDataSample], plans: Sequence[FramePlan],
               *, training: bool = False) -> list[FrameRecord]:
        """Pass frames through the network once.

        Args:
            frames: (N, 3, H, W), normalised, all of the same size.
            samples: The frames; they stay as they are.
            plans: What is required of each.
            training: Whether the frames are references of a training step: their objects are no
                more than references need, and not stored.

        Returns:
            A record for each frame; maps of frames that the backbone did not see are None.
        """
        records = [FrameRecord(place_of(sample), plan, sample)
                   for sample, plan in zip(samples, plans, strict=True)]
        rows = [i for i, plan in enumerate(plans) if plan.maps]
        if rows:
            maps = self.adapter.maps(frames if len(rows) == len(frames) else frames[rows])
            for i, row in enumerate(rows):
                records[row].maps = rows_of(maps, [i]) if len(rows) > 1 else maps
        self._encode_extras(frames, records)
        if rows and self.extracts:
            chosen = [i for i, row in enumerate(rows) if plans[row].objects]
            if chosen:
                self._encode_objects(rows_of(maps, chosen) if len(chosen) < len(rows) else maps,
                                     [records[rows[i]] for i in chosen], training)
        if not (training or self.keeps_key_maps or self.keeps_reference_maps):
            for record in records:
                record.maps = None
        return records

    def encode_batch(self, inputs: Tensor, data_samples: Sequence[TrackDataSample],
                     policy: ReferencePolicy, size: int | None) -> Iterator[FrameRecord]:
        """Encode a test batch in order, frames of equal size together, without the padding.

        Args:
            inputs: (B, T, 3, H, W).
            data_samples: B samples of T frames.
            policy: Makes the plans.
            size: Most frames in one pass through the network; None for as many as fit together.
        """
        run: list[tuple[Tensor, DetDataSample, FramePlan]] = []
        for b, clip in enumerate(data_samples):
            for t, sample in enumerate(clip):
                plan = policy.plan(place_of(sample))
                frame, sample = self._network_input(inputs[b, t], sample, plan.scale)
                if run and (run[0][0].shape != frame.shape or len(run) == size):
                    yield from self._encode_run(run)
                    run = []
                run.append((frame, sample, plan))
        yield from self._encode_run(run)

    def shrink(self, record: FrameRecord) -> FrameRecord:
        """The record that stays of a frame once it has been the key frame."""
        objects, head = record.objects, self.adapter.head
        if objects is not None:
            objects = objects.top(len(objects) if head.needs.topk is None else head.needs.topk)
            objects = objects.clone()
        maps = record.maps if self.keeps_reference_maps else None
        return FrameRecord(record.place, record.plan, record.sample, maps, objects, record.extras)

    def pixels(self, frames: Tensor) -> Tensor:
        """RGB pixels in 0..255 of network inputs (N, 3, H, W)."""
        images = frames
        if self.preprocessor._enable_normalize:
            images = frames * self.preprocessor.std + self.preprocessor.mean
        # mmcv reads BGR; either conversion makes it RGB
        return images if self.preprocessor._channel_conversion else images.flip(1)

    def _encode_run(self, run: list[tuple[Tensor, DetDataSample, FramePlan]]) -> list[FrameRecord]:
        frames, samples, plans = zip(*run, strict=True)
        return self.encode(torch.stack(frames), samples, plans)

    def _network_input(self, frame: Tensor, sample: DetDataSample,
                       scale: float) -> tuple[Tensor, DetDataSample]:
        """A frame (3, H, W) without the padding of its batch, at a scale, and its metainfo.

        A scaled frame is padded anew to the sizes that the network takes. Its ``scale_factor``
        follows, so that detections come back in pixels of the original image.
        """
        meta = sample.metainfo
        height, width = meta.get('pad_shape', frame.shape[-2:])[:2]
        frame, changed = frame[:, :height, :width], {}
        if scale != 1:
            before = meta['img_shape'][:2]
            after = tuple(max(round(side * scale), 1) for side in before)
            frame = functional.interpolate(frame[None, :, :before[0], :before[1]], size=after,
                                           mode='bilinear', align_corners=False)[0]
            divisor = self.preprocessor.pad_size_divisor
            height, width = (-(-side // divisor) * divisor for side in after)
            frame = functional.pad(frame, (0, width - after[1], 0, height - after[0]),
                                   value=self.preprocessor.pad_value)
            factor = meta.get('scale_factor', (1.0, 1.0))
            changed = dict(img_shape=after, pad_shape=(height, width), scale_factor=(
                factor[0] * after[1] / before[1], factor[1] * after[0] / before[0]))
        sample = sample.new()
        sample.set_metainfo({'batch_input_shape': (height, width), **changed})
        if changed and 'proposals' in sample:  # given ones are in pixels of the unscaled input
            boxes = sample.proposals.bboxes
            factors = constant((after[1] / before[1], after[0] / before[0]) * 2, boxes)
            sample.proposals = sample.proposals.new()
            sample.proposals.bboxes = boxes * factors
        return frame, sample

    def _encode_extras(self, frames: Tensor, records: Sequence[FrameRecord]) -> None:
        """Let the temporal parts add what they want of frames beside maps and objects."""
        seen = {item for part in self.parts
                for item in part.needs.of_key | part.needs.of_references}
        for i, record in enumerate(records):
            image = self.pixels(frames[i:i + 1]) if 'image' in seen else None
            for part in self.parts:
                record.extras.update(part.encode(record, image))
            if self.neck is not None and record.maps is not None \
                    and not self.adapter.detector.training:
                record.extras.update(self.adapter.reusable(record, self.neck.needs))

    def _encode_objects(self, maps: Maps, records: Sequence[FrameRecord], training: bool) -> None:
        """Add the objects of frames, each in memory of its own."""
        topk = self.adapter.head.needs.topk if training else None
        if self.enhances:
            alone = [self.neck.enhance(record, self.neck.needs.alone(record), None).maps
                     for record in records]
            maps = tuple(torch.cat(level) for level in zip(*alone, strict=True))
        parts = self.adapter.objects(maps, records, topk)
        for record, objects in zip(records, parts, strict=True):
            if not training:
                objects = self.storage.store(objects.clone() if len(parts) > 1 else objects)
            record.objects = objects


def rows_of(maps: Maps, rows: list[int]) -> Maps:
    """Some frames of a batch of maps; a copy, so that a record holds its own frame alone."""
    return tuple(level[rows] for level in maps)


def stacked_maps(frames: Sequence[FrameRecord]) -> Maps:
    """Maps (N, C, H, W) of N frames."""
    if len(frames) == 1:
        return frames[0].maps
    return tuple(torch.cat(level) for level in zip(*(record.maps for record in frames),
                                                   strict=True))
