"""What every temporal neck is."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mmdet.structures import DetDataSample
from mmengine.model import BaseModule
from torch import Tensor

from mmvod_plugins.structures import FrameRecord

Frames = TypeVar('Frames')
#: Feature maps of a frame, (1, C, H, W) for every level.
Maps = tuple[Tensor, ...]


@dataclass
class EnhancedMaps:
    """What a temporal neck makes of a key frame.

    Attributes:
        feats: Enhanced maps, as many and as large as the key frame's, (1, C, H, W) each.
        to_memory: What :meth:`TemporalNeck.write` will remember of this step.
    """

    feats: Maps
    to_memory: object = None


class TemporalNeck(BaseModule, metaclass=ABCMeta):
    """Enhances the feature maps of one key frame; the same step serves training and streams.

    Attributes:
        roles: Roles of the references it knows.
        detached_roles: Roles whose frames get no gradient.
        needs_key_maps: Whether the key frame's own maps enter where it has references; without,
            training does not compute them.
        max_references: Most frames that it looks at, None for any number.
        causal: Whether it looks at no frame after the key frame.
    """

    roles: frozenset[str] = frozenset({'local'})
    detached_roles: frozenset[str] = frozenset()
    needs_key_maps: bool = True
    max_references: int | None = None
    causal: bool = False

    def init_memory(self) -> object:
        """The memory of a new video; None for necks that remember nothing."""
        return None

    def known(self, references: dict[str, Frames]) -> dict[str, Frames]:
        """The references of its roles; a detector may have others, for its RoI head."""
        return {role: frames for role, frames in references.items() if role in self.roles}

    def encode(self, image: Tensor, sample: DetDataSample, feats: Maps | None) -> dict[str, Any]:
        """What is kept of a frame beside its maps, computed once per frame.

        Args:
            image: (1, 3, H, W), the network input.
            sample: The frame's metainfo.
            feats: The frame's maps, None where the policy asks for its image alone.

        Returns:
            Entries of the record's ``extras``; tensors of their own, no views of ``image``.
        """
        return {}

    @abstractmethod
    def forward(self, key: FrameRecord, references: dict[str, list[FrameRecord]],
                memory: object) -> EnhancedMaps:
        """Enhance the maps of the key frame.

        Args:
            key: Record of the key frame.
            references: Records by role; without any, the key frame is its own reference.
            memory: What :meth:`init_memory` gave, or None while training.
        """

    def leaves_first_map(self, num_levels: int) -> bool:
        """Whether the first of several maps stays as it is, so that an RPN on it runs once."""
        return False

    def enhance_all(self, windows: Sequence[Sequence[FrameRecord]]) -> list[list[Maps]]:
        """Enhance every frame of windows, for policies that detect or train their references.

        Args:
            windows: Records in order of time, each frame once.

        Returns:
            Enhanced maps of every frame of every window, as many and as large as its own.

        Raises:
            ValueError: If the neck enhances key frames alone.
        """
        raise ValueError(f'{type(self).__name__} enhances the key frame alone: choose a reference '
                         'policy that does not detect its references (LocalWindow, '
                         'CentredWindow), or a neck with memories (STMMNeck)')

    def from_detector(self, weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], set[str]]:
        """Weights that a trained detector without temporal neck gives this one: none by default.

        Args:
            weights: Of the detector, under the names of a video detector.

        Returns:
            Weights of this neck, and the names of the detector's weights that it replaces.
        """
        return {}, set()

    def write(self, memory: object, enhanced: EnhancedMaps,
              detections: DetDataSample) -> None:
        """Remember a key frame after its detection; while testing alone."""
        return


def in_time(key: FrameRecord, references: dict[str, list[FrameRecord]]) -> list[FrameRecord]:
    """The key frame and its references in order of time, each frame once."""
    frames = {key.frame_id: key}
    for records in references.values():
        frames.update({record.frame_id: record for record in records})
    return [frames[frame_id] for frame_id in sorted(frames)]
