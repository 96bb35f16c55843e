"""Base of the temporal heads in one-stage detectors and transformers: one aggregator."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmvod_plugins.models.aggregators import Aggregated, Aggregator
from mmvod_plugins.models.roi_heads.base import objects_of
from mmvod_plugins.models.temporal_part import HeadStep, Needs, TemporalHead
from mmvod_plugins.references import WINDOW_ROLE
from mmvod_plugins.structures import FrameRecord, ObjectFeatures, References


class AggregatingHead(TemporalHead):
    """A head whose objects one aggregator enhances, frame by frame or in groups of frames.

    A key frame without other frames keeps the detections of the stock head.

    Attributes:
        aggregator: Enhances the objects.
    """

    aggregator: Aggregator

    @property
    def method(self) -> str | None:
        """The method of the aggregator."""
        return self.aggregator.method or type(self.aggregator).__name__

    @property
    def needs(self) -> Needs:
        """Objects of the roles that the aggregator knows."""
        needs = self.aggregator.needs
        return replace(needs, of_key=needs.of_key & {'detections'} | {'objects'},
                       of_references=frozenset({'objects'}))

    def init_memory(self) -> object:
        """The memory of a new video."""
        return self.aggregator.init_memory()

    def enhance(self, key: FrameRecord, references: References, memory: object) -> HeadStep:
        """Detect in the key frame; see :class:`TemporalHead`."""
        aggregated = self.aggregator(key.objects, objects_of(references), memory)
        others = any(record.frame_id != key.frame_id for records in references.values()
                     for record in records)
        # a chain of aggregators has a list of memories
        remembered = any(memory) if isinstance(memory, list) else bool(memory)
        return self._step(key, aggregated, alone=not (others or remembered))

    def enhance_windows(self, windows: Sequence[Sequence[FrameRecord]]) -> list[list[HeadStep]]:
        """Detect in all frames of groups; see :class:`TemporalHead`."""
        return [[self._step(record, aggregated, alone=len(window) == 1)
                 for record, aggregated in zip(window, self.aggregator.group(
                     [record.objects for record in window]), strict=True)]
                for window in windows]

    def write(self, memory: object, step: HeadStep, found: InstanceData | None) -> None:
        """Remember a key frame after its detection."""
        self.aggregator.write(memory, step.to_memory, found)

    @abstractmethod
    def _step(self, key: FrameRecord, aggregated: Aggregated, *, alone: bool) -> HeadStep:
        """The step of a frame; one that had no other frames keeps its stock detections."""

    def _enhance_training(
        self, objects: Sequence[ObjectFeatures], references: Sequence[References] | None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Enhance the objects of all frames of a training step.

        Args:
            objects: Of every frame.
            references: Of every frame, by role; in the role ``window`` the frames of its group,
                which follow one another. None for frames without references.

        Returns:
            Enhanced embeddings of every frame, and the aggregator's losses, averaged over frames.
        """
        references = references or [{} for _ in objects]
        enhanced: list[Aggregated] = []
        while len(enhanced) < len(objects):
            first = len(enhanced)
            window = references[first].get(WINDOW_ROLE)
            if window:
                enhanced += self.aggregator.group(objects[first:first + len(window)])
                continue
            known = self.needs.select_roles(objects_of(references[first]))
            enhanced.append(self.aggregator(objects[first],
                                            known or self.needs.alone(objects[first]), None))
        losses: dict[str, list[Tensor]] = {}
        for part in enhanced:
            for name, value in part.losses.items():
                losses.setdefault(name, []).append(value)
        return [part.feats for part in enhanced], {
            name: torch.stack(values).mean() for name, values in losses.items()}
