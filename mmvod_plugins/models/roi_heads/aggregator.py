"""What every aggregator is: objects of references enhance objects of the key frame."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from dataclasses import dataclass

import torch
from mmdet.structures import DetDataSample
from mmengine.model import BaseModule
from torch import Tensor

from mmvod_plugins.models.layers import RelationModule
from mmvod_plugins.structures import ObjectFeatures

#: Objects of every reference frame, by role.
References = dict[str, list[ObjectFeatures]]


@dataclass
class RelationStage:
    """A relation of the key objects to objects of other frames, kept to be asked for its weights.

    Attributes:
        relation: The module.
        objects: The key objects as they enter it.
        references: The reference objects, by frame.
    """

    relation: RelationModule
    objects: ObjectFeatures
    references: list[ObjectFeatures]

    def weights_to(self, frame_id: int) -> Tensor:
        """Weights (N, R) of the key objects to the R objects of a frame, averaged over the heads.

        A frame that stands in the references several times (at the ends of a video) counts as
        one, with the sum of its weights; one that is no reference has no objects.
        """
        references = ObjectFeatures.cat(self.references)
        weights = self.relation.weights(self.objects.feats, references.feats, self.objects.boxes,
                                        references.boxes).mean(0)
        sizes = [len(part) for part in self.references]
        parts = [part for part, frame in zip(weights.split(sizes, 1), self.references, strict=True)
                 if len(frame) and frame.frame_ids[0] == frame_id]
        return torch.stack(parts).sum(0) if parts else weights[:, :0]


@dataclass
class Aggregated:
    """What an aggregator makes of a key frame.

    Attributes:
        feats: Enhanced embeddings of the key objects, (N, C).
        to_memory: What :meth:`Aggregator.write` will remember of this step.
        relation_stage: The first relation stage that knows locations, or None; box linking with
            relations (RDN) takes its weights.
    """

    feats: Tensor
    to_memory: object = None
    relation_stage: RelationStage | None = None


class Aggregator(BaseModule, metaclass=ABCMeta):
    """Enhances the objects of one key frame; the same step serves training and streams.

    Attributes:
        out_channels: Channels of the enhanced embeddings.
        reference_topk: Objects used of a reference frame, the best ones.
        roles: Roles of the references it knows.
        detached_roles: Roles whose frames get no gradient.
        shared_fcs: Names of its layers that continue the embedding as the second, third, ...
            shared layer of a single-frame box head; they start with that head's weights.
    """

    out_channels: int
    reference_topk: int
    roles: frozenset[str] = frozenset({'local'})
    detached_roles: frozenset[str] = frozenset()
    shared_fcs: tuple[str, ...] = ()

    @property
    def knows_locations(self) -> bool:
        """Whether :attr:`Aggregated.relation_stage` is given."""
        return False

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
