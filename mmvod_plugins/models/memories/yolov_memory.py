"""Memory of YOLOV's online mode."""

from __future__ import annotations

import random
from collections import deque

import torch
from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor
from torch.nn import functional

from mmvod_plugins.models.layers.affinity_aggregation import SHARPNESS
from mmvod_plugins.structures import ObjectFeatures

#: What the score of a remembered object may be below that of an object it refines.
MARGIN = 0.3


class YOLOVMemory:
    """Objects of past frames, and what they became.

    At every frame a number of remembered frames is drawn; results of the frames just before
    refine those of the frame where their boxes overlap.

    The published program differs in three ways. It shuffles its list of frames in place and cuts
    it afterwards, so that it forgets at random (``forget='random'``); an object that no recent
    box overlaps becomes NaN and is lost, here it keeps its own result; overlaps are rounded to half
    precision (``half_overlaps``).

    Args:
        size: Frames that are remembered.
        num_frames: Frames that a key frame looks at.
        num_recent: Frames just before that refine; 0 for none.
        min_frames: Frames that must be remembered before any is looked at.
        seed: Seed of the draws.
        forget: ``'oldest'`` frames, or ``'random'`` ones.
        half_overlaps: Whether overlaps are rounded.
    """

    def __init__(self, size: int = 600, num_frames: int = 31, num_recent: int = 20, *,
                 min_frames: int = 2, seed: int = 42, forget: str = 'oldest',
                 half_overlaps: bool = False) -> None:
        if forget not in ('oldest', 'random'):
            raise ValueError(f"forget must be 'oldest' or 'random', got {forget!r}")
        self.size = size
        self.num_frames = num_frames
        self.min_frames = min_frames
        self.seed = seed
        self.forget = forget
        self.half_overlaps = half_overlaps
        self._frames: list[ObjectFeatures] = []
        self._recent: deque[ObjectFeatures] = deque(maxlen=num_recent)

    def __len__(self) -> int:
        """Frames remembered."""
        return len(self._frames)

    def __bool__(self) -> bool:
        """Whether the next key frame looks at any."""
        return len(self) >= self.min_frames

    def read(self) -> list[ObjectFeatures]:
        """The frames that the next key frame looks at; none before ``min_frames`` are there."""
        if not self:
            return []
        return [self._frames[i] for i in self._order()[:self.num_frames]]

    def refine(self, enhanced: ObjectFeatures) -> Tensor:
        """Enhanced features, averaged with those of recent objects whose boxes overlap.

        Args:
            enhanced: Objects of a frame, with enhanced features (N, D) or (N, 2, D).

        Returns:
            Features of the same shape; without overlap an object's own.
        """
        if not any(map(len, self._recent)) or not len(enhanced):
            return enhanced.feats
        bank = ObjectFeatures.cat(list(self._recent))
        parts = enhanced.feats.unbind(1) if enhanced.feats.ndim == 3 else [enhanced.feats]
        banks = bank.feats.unbind(1) if bank.feats.ndim == 3 else [bank.feats]
        overlaps = bbox_overlaps(enhanced.boxes, bank.boxes)
        if self.half_overlaps:
            overlaps = overlaps.half().to(overlaps)
        trusted = _certainty(bank) - _certainty(enhanced)[:, None] > -MARGIN
        refined = []
        for part, other in zip(parts, banks, strict=True):
            alike = functional.normalize(part) @ functional.normalize(other).T
            weights = (SHARPNESS * alike * trusted).softmax(1) * overlaps
            total = weights.sum(1, keepdim=True)
            mixed = (weights / total.clamp(min=torch.finfo(total.dtype).tiny) @ other + part) / 2
            refined.append(mixed.where(total > 0, part))
        return torch.stack(refined, 1) if enhanced.feats.ndim == 3 else refined[0]

    def write(self, objects: ObjectFeatures, enhanced: ObjectFeatures | None) -> None:
        """Remember a frame.

        Args:
            objects: As the detector gives them.
            enhanced: With enhanced features; None if the frame looked at no other.
        """
        if self.forget == 'random' and self:
            self._frames = [self._frames[i] for i in self._order()]
        self._frames.append(objects.detach().clone())
        del self._frames[:max(len(self._frames) - self.size, 0)]
        if enhanced is not None:
            self._recent.append(enhanced.detach().clone())

    def _order(self) -> list[int]:
        """The drawn order of the remembered frames."""
        order = list(range(len(self._frames)))
        random.Random(self.seed).shuffle(order)  # noqa: S311 - no secret
        return order


def _certainty(objects: ObjectFeatures) -> Tensor:
    """(N,), probability of the best class, times objectness where there is one."""
    best = objects.scores if objects.class_probs is None else objects.class_probs.amax(1)
    return best if objects.objectness is None else best * objects.objectness
