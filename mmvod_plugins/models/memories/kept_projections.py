"""Projections of reference objects, kept as long as their frames stay among the references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from mmvod_plugins.structures import ObjectFeatures


class Projects(Protocol):
    """A module whose work on reference objects knows nothing of the key frame."""

    def project(self, feats: Tensor) -> tuple[Tensor, ...]:
        """Tensors (..., M, D) of reference objects (M, C), row by row."""


#: A module, where the embeddings of a frame lie, and whether autocast was on.
_Place = tuple[Projects, int, torch.Size, bool]


class KeptProjections:
    """Projections of the reference frames of a video's last key frame; it only saves time.

    Frames are known by the memory that their embeddings lie in, which is kept with them, so that
    nothing else can lie there. Embeddings of records never change. Those that are made anew for
    every key frame (stored as ``float16`` or on another device) are never found: after some such
    key frames nothing is kept any more.
    """

    def __init__(self) -> None:
        self._kept: dict[_Place, tuple[Tensor, tuple[Tensor, ...]]] = {}
        self._misses = 0

    @property
    def useless(self) -> bool:
        """Whether the key frames so far found nothing that was kept."""
        return self._misses > 2  # the first key frame cannot find anything

    def __bool__(self) -> bool:
        """False: nothing is remembered that could change a result, unlike in a memory."""
        return False

    def step(self) -> ProjectionStep:
        """Read for one key frame."""
        return ProjectionStep(dict(self._kept))

    def write(self, step: ProjectionStep) -> None:
        """Keep what a key frame used, and nothing else."""
        self._misses = 0 if step.hits else self._misses + 1
        self._kept = {} if self.useless else step.used


class ProjectionStep:
    """Projections for one key frame: what was kept, and what is computed anew.

    Args:
        kept: Of the key frame before.

    Attributes:
        used: What this key frame used.
        hits: How often something kept was found.
    """

    def __init__(self, kept: dict[_Place, tuple[Tensor, tuple[Tensor, ...]]]) -> None:
        self._kept = kept
        self.used: dict[_Place, tuple[Tensor, tuple[Tensor, ...]]] = {}
        self.hits = 0

    def project(self, module: Projects, frames: Sequence[ObjectFeatures]) -> tuple[Tensor, ...]:
        """Projections of the objects of frames, in order, each frame on its own."""
        parts = [self._of_frame(module, frame.feats) for frame in frames if len(frame)]
        if not parts:
            return module.project(frames[0].feats)
        return tuple(torch.cat(part, dim=-2) for part in zip(*parts, strict=True))

    def _of_frame(self, module: Projects, feats: Tensor) -> tuple[Tensor, ...]:
        place = (module, feats.data_ptr(), feats.shape,
                 torch.is_autocast_enabled(feats.device.type))
        kept = self.used.get(place) or self._kept.get(place)
        if kept is None or kept[0].data_ptr() != place[1] or kept[0].dtype != feats.dtype:
            kept = feats, module.project(feats)
        else:
            self.hits += place not in self.used
        self.used[place] = kept
        return kept[1]


def projections(step: ProjectionStep | None, module: Projects,
                frames: Sequence[ObjectFeatures]) -> tuple[Tensor, ...]:
    """Projections of the objects of frames; without a step those of all frames at once."""
    if step is None:
        return module.project(ObjectFeatures.cat(frames).feats)
    return step.project(module, frames)


def step_of(kept: KeptProjections | None) -> ProjectionStep | None:
    """A step where nothing needs a gradient and something is found; None elsewhere."""
    return None if kept is None or kept.useless or torch.is_grad_enabled() else kept.step()
