"""Base class of temporal necks."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping, Sequence

from mmengine.model import BaseModule
from torch import Tensor

from mmvod_plugins.models.temporal_part import NeckStep, TemporalPart
from mmvod_plugins.references import WINDOW_ROLE
from mmvod_plugins.structures import FrameRecord, References


class TemporalNeck(TemporalPart, BaseModule, metaclass=ABCMeta):
    """Enhances the feature maps of one frame by those of others, or by a memory.

    Attributes:
        enhances_references: Whether a temporal head sees references with maps that the neck
            changed: those in the neck's roles as enhanced together with the key frame
            (:attr:`~mmvod_plugins.models.temporal_part.NeckStep.references`), once for every pair
            of frames; those in other roles enhanced alone, once per frame. Otherwise their
            objects come from their own maps, once per frame.
    """

    enhances_references: bool = False

    @abstractmethod
    def enhance(self, key: FrameRecord, references: References, memory: object) -> NeckStep:
        """Enhance the maps of the key frame.

        Args:
            key: Record of the key frame.
            references: Records by role, at least one: without references the key frame is its
                own.
            memory: What :meth:`init_memory` gave, or None while training.
        """

    def forward(self, key: FrameRecord, references: References, memory: object) -> NeckStep:
        """:meth:`enhance`."""
        return self.enhance(key, references, memory)

    def enhance_windows(self, windows: Sequence[Sequence[FrameRecord]]) -> list[list[NeckStep]]:
        """Enhance every frame of windows, for references in the role ``window``.

        By default frame by frame; override it where frames of a window share work.

        Args:
            windows: Records in temporal order, each frame once.

        Returns:
            A step for every frame of every window.
        """
        return [[self.enhance(record, {WINDOW_ROLE: list(window)}, None) for record in window]
                for window in windows]

    def from_detector(self, weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], set[str]]:
        """Weights that a trained detector without temporal neck gives this one: none by default.

        Args:
            weights: Of the detector, under the names of a video detector.

        Returns:
            Weights of this neck, and the names of the detector's weights that it replaces.
        """
        return {}, set()
