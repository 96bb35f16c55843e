"""Base class of aggregators."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmvod_plugins.models.layers import RelationModule
from mmvod_plugins.models.temporal_part import Needs
from mmvod_plugins.structures import ObjectFeatures

#: Objects of every reference frame, by role.
ObjectsByRole = dict[str, list[ObjectFeatures]]


@dataclass
class RelationStage:
    """A relation of the key objects to objects of other frames, whose weights can be asked for.

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
    """The result of an aggregator for one key frame.

    Attributes:
        feats: Enhanced embeddings of the key objects, (N, C').
        to_memory: What :meth:`Aggregator.write` will remember of this step.
        losses: Losses of the aggregator itself, by name, in training.
        details: See :class:`~mmvod_plugins.models.temporal_part.HeadStep`.
    """

    feats: Tensor
    to_memory: object = None
    losses: dict[str, Tensor] = field(default_factory=dict)
    details: dict[str, Callable[[int], Tensor]] = field(default_factory=dict)


class Aggregator(BaseModule, metaclass=ABCMeta):
    """Enhances the objects of one key frame; the same step serves training and streams.

    Attributes:
        method: Name of the method, which checkpoints carry.
        needs: What it looks at: roles, detached roles, and how many objects of a reference.
        fcs: Layers that continue the embedding as the second, third, ... shared layer of a
            single-frame box head, and start with that head's weights; none by default.
        instance_iou: IoU with a true box from which objects get its instance id in training
            (:attr:`~mmvod_plugins.structures.ObjectFeatures.ids`); None: it uses no ids.

    Args:
        init_cfg: Initial weights.
    """

    method: str | None = None
    needs: Needs
    instance_iou: float | None = None

    def __init__(self, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.fcs = nn.ModuleList()

    @property
    def shared_layers(self) -> list[str]:
        """Names of :attr:`fcs`, from this module on."""
        return [f'fcs.{i}' for i in range(len(self.fcs))]

    def init_memory(self) -> object:
        """The memory of a new video; None for aggregators that remember nothing."""
        return None

    @abstractmethod
    def forward(self, key: ObjectFeatures, references: ObjectsByRole,
                memory: object) -> Aggregated:
        """Enhance the key objects.

        Args:
            key: Objects of the key frame, (N, C).
            references: Objects by role, of one frame at least: without references the key frame
                is its own.
            memory: What :meth:`init_memory` gave, or None while training.
        """

    def group(self, frames: Sequence[ObjectFeatures]) -> list[Aggregated]:
        """Enhance the objects of all frames of a window; for aggregators with the role ``window``.

        Args:
            frames: Objects of every frame.
        """
        raise NotImplementedError

    def write(self, memory: object, aggregated: Aggregated, found: InstanceData | None) -> None:
        """Remember a key frame after its detection; while testing alone.

        Args:
            memory: What :meth:`init_memory` gave; the only thing that changes.
            aggregated: Of the key frame.
            found: See :meth:`~mmvod_plugins.models.temporal_part.TemporalPart.write`.
        """
