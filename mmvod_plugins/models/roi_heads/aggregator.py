"""What every aggregator is: objects of references enhance objects of the key frame."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from dataclasses import dataclass

from mmdet.structures import DetDataSample
from mmengine.model import BaseModule
from torch import Tensor

from mmvod_plugins.structures import ObjectFeatures

#: Objects of every reference frame, by role.
References = dict[str, list[ObjectFeatures]]


@dataclass
class Aggregated:
    """What an aggregator makes of a key frame.

    Attributes:
        feats: Enhanced embeddings of the key objects, (N, C).
        to_memory: What :meth:`Aggregator.write` will remember of this step.
    """

    feats: Tensor
    to_memory: object = None


class Aggregator(BaseModule, metaclass=ABCMeta):
    """Enhances the objects of one key frame; the same step serves training and streams.

    Attributes:
        out_channels: Channels of the enhanced embeddings.
        reference_topk: Objects used of a reference frame, the best ones.
        roles: Roles of the references it knows.
        detached_roles: Roles whose frames get no gradient.
    """

    out_channels: int
    reference_topk: int
    roles: frozenset[str] = frozenset({'local'})
    detached_roles: frozenset[str] = frozenset()

    def init_memory(self) -> object:
        """The memory of a new video; None for aggregators that remember nothing."""
        return None

    @abstractmethod
    def forward(self, key: ObjectFeatures, references: References, memory: object) -> Aggregated:
        """Enhance the key objects.

        Args:
            key: Objects of the key frame, (N, C).
            references: Objects by role; without any, the key frame is its own reference.
            memory: What :meth:`init_memory` gave, or None while training.
        """

    def write(self, memory: object, aggregated: Aggregated,
              detections: DetDataSample) -> None:
        """Remember a key frame after its detection; while testing alone."""
        return
