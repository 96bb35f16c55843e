"""Boxes with embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass
class ObjectFeatures:
    """Objects of one or several frames: proposals, points of a dense detector, queries.

    Attributes:
        boxes: (N, 4), ``(x1, y1, x2, y2)`` in pixels of the network input.
        feats: (N, ..., C), embeddings; one block of C for every stage of a cascade, (N, S, C).
        scores: (N,), or None where they are not known. They descend within a frame, except among
            the key objects of a training step, which come in the order of the sampler: true boxes,
            whose score is 1, and positives first.
        frame_ids: (N,), int64, the frame that each object comes from.
        labels: (N,), int64, or None.
        class_probs: (N, K), of points of a dense head and of queries; None for proposals.
        objectness: (N,), of points of a dense head that has one, or None.
        queries: (N, C), of a detection transformer: what its decoder gives, of which ``feats`` may
            be embeddings; None for others.
        anchors: (N, 2) or (N, 4), of a detection transformer: the reference points (cx, cy) or
            boxes (cx, cy, w, h) that boxes are predicted from, in [0, 1] of the frame; or None.
        ids: (N,), int64, the instance that each object shows, -1 for none; in training alone,
            and None where it is not known.
        valid: (N,), bool, of a table that is padded to a fixed size: the rows that are objects,
            before the others; None: all are. SELSA, RDN and MEGA look at no other rows.
    """

    boxes: Tensor
    feats: Tensor
    scores: Tensor | None
    frame_ids: Tensor
    labels: Tensor | None = None
    class_probs: Tensor | None = None
    objectness: Tensor | None = None
    queries: Tensor | None = None
    anchors: Tensor | None = None
    ids: Tensor | None = None
    valid: Tensor | None = None

    def __post_init__(self) -> None:
        # hundreds are made for a key frame; `len` of a tensor takes several times longer
        rows = self.boxes.shape[0]
        for value in vars(self).values():
            if value is not None and value.shape[0] != rows:
                lengths = {name: len(part) for name, part in vars(self).items()
                           if part is not None}
                raise ValueError(f'all fields need the same number of rows, got {lengths}')

    def __len__(self) -> int:
        return self.boxes.shape[0]

    def __getitem__(self, index: slice | Tensor) -> ObjectFeatures:
        """The rows that a slice, an index tensor or a mask selects."""
        return self._map(lambda value: value[index])

    def top(self, k: int) -> ObjectFeatures:
        """The k best rows of one frame; the objects themselves if there are no more."""
        return self if len(self) <= k else self[:k]

    def with_feats(self, feats: Tensor) -> ObjectFeatures:
        """The same objects with other embeddings, (N, ...)."""
        return replace(self, feats=feats)

    def block(self, index: int) -> ObjectFeatures:
        """The same objects with one block (N, C) of their embeddings (N, S, C)."""
        return self.with_feats(self.feats[:, index])

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
        """The objects of several frames, in order; without ids if some parts have none.

        Raises:
            ValueError: If there is nothing to concatenate, or only some parts have labels or
                scores.
        """
        if not parts:
            raise ValueError('nothing to concatenate: pass at least one ObjectFeatures')
        joined: dict[str, Tensor | None] = {}
        for name in vars(parts[0]):
            values = [value for part in parts if (value := getattr(part, name)) is not None]
            if name == 'ids' and len(values) < len(parts):
                values = []
            if values and len(values) < len(parts):
                raise ValueError(f'{len(values)} of {len(parts)} parts have {name}: all or none')
            joined[name] = torch.cat(values) if values else None
        return ObjectFeatures(**joined)

    def _map(self, function: Callable[[Tensor], Tensor]) -> ObjectFeatures:
        return ObjectFeatures(**{
            name: None if value is None else function(value)
            for name, value in vars(self).items()
        })
