"""Boxes with embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class ObjectFeatures:
    """Objects of one or several frames: proposals of a two-stage detector, points of a dense one.

    Attributes:
        boxes: (N, 4), ``(x1, y1, x2, y2)`` in pixels of the network input.
        feats: (N, C), embeddings.
        scores: (N,), descending within one frame.
        frame_ids: (N,), int64, the frame that each object comes from.
        labels: (N,), int64, or None.
    """

    boxes: Tensor
    feats: Tensor
    scores: Tensor
    frame_ids: Tensor
    labels: Tensor | None = None

    def __post_init__(self) -> None:
        lengths = {name: len(value) for name, value in vars(self).items() if value is not None}
        if len(set(lengths.values())) != 1:
            raise ValueError(f'all fields need the same number of rows, got {lengths}')

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: slice | Tensor) -> ObjectFeatures:
        """The rows that a slice, an index tensor or a mask selects."""
        return self._map(lambda value: value[index])

    def top(self, k: int) -> ObjectFeatures:
        """The k best rows of one frame (all of them if there are fewer)."""
        return self[:k]

    def with_feats(self, feats: Tensor) -> ObjectFeatures:
        """The same objects with other embeddings, (N, C')."""
        return ObjectFeatures(self.boxes, feats, self.scores, self.frame_ids, self.labels)

    def detach(self) -> ObjectFeatures:
        """The same objects cut off from the graph."""
        return self._map(Tensor.detach)

    def clone(self) -> ObjectFeatures:
        """A copy with storage of its own, so that a slice does not keep the whole alive."""
        return self._map(Tensor.clone)

    def to(self, *args: torch.device | torch.dtype | str) -> ObjectFeatures:
        """Move to a device, or change the type of the embeddings (boxes keep theirs)."""
        if isinstance(args[0], torch.dtype):
            return self.with_feats(self.feats.to(*args))
        return self._map(lambda value: value.to(*args))

    @staticmethod
    def cat(parts: Sequence[ObjectFeatures]) -> ObjectFeatures:
        """The objects of several frames, in order.

        Raises:
            ValueError: If there is nothing to concatenate, or only some parts have labels.
        """
        if not parts:
            raise ValueError('nothing to concatenate: pass at least one ObjectFeatures')
        labels = [part.labels for part in parts if part.labels is not None]
        if labels and len(labels) < len(parts):
            raise ValueError(f'{len(labels)} of {len(parts)} parts have labels: all or none')
        return ObjectFeatures(
            torch.cat([part.boxes for part in parts]), torch.cat([part.feats for part in parts]),
            torch.cat([part.scores for part in parts]),
            torch.cat([part.frame_ids for part in parts]),
            torch.cat(labels) if labels else None)

    def _map(self, function: Callable[[Tensor], Tensor]) -> ObjectFeatures:
        return ObjectFeatures(**{
            name: None if value is None else function(value)
            for name, value in vars(self).items()
        })
