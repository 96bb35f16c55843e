"""Projections of reference objects, kept as long as their frames stay among the references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from mmvod_plugins.structures import ObjectFeatures
from mmvod_plugins.utils.forms import on_processor
from mmvod_plugins.utils.precision import is_compiled, uses_autocast

from .bias_table import BiasTable, FrameBias, Locates

#: Values of a location bias from which it is kept on a CPU: fewer are computed as fast (measured).
KEEP_BIAS_FROM = 2**18


class Projects(Protocol):
    """A module whose work on reference objects knows nothing of the key frame."""

    def project(self, feats: Tensor) -> tuple[Tensor, ...]:
        """Tensors (..., M, D) of reference objects (M, C), row by row."""


class Relates(Projects, Protocol):
    """A relation without location: it can look at one reference frame after the other."""

    def queries(self, feats: Tensor) -> Tensor:
        """Queries (..., N, D) of objects (N, C)."""

    def partial(self, queries: Tensor,
                projected: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """What queries get from a part of the references, (..., N, D) and (..., N, 1)."""

    def join(self, parts: Sequence[tuple[Tensor, Tensor]], counts: Sequence[int]) -> Tensor:
        """What is added to the objects, (N, C)."""


#: A module, where the embeddings of a frame lie, and whether autocast was on.
_Place = tuple[Projects, int, torch.Size, bool]


class KeptProjections:
    """Projections and location biases of a video's last reference frames; it only saves time.

    Frames are known by the memory that their embeddings lie in, which is kept with them, so that
    nothing else can lie there. Embeddings of records never change. Those that are made anew for
    every key frame (stored as ``float16`` or on another device) are never found: after some such
    key frames nothing is kept any more. Location biases are kept by :class:`BiasTable`.
    """

    def __init__(self) -> None:
        self._kept: dict[_Place, tuple[Tensor, tuple[Tensor, ...]]] = {}
        self._sums: dict[_Place, _Sums] = {}
        self._tables: dict[Locates, BiasTable] = {}
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
        return ProjectionStep(dict(self._kept), dict(self._sums), dict(self._tables))

    def write(self, step: ProjectionStep) -> None:
        """Keep what a key frame used, and nothing else."""
        self._misses = 0 if step.hits else self._misses + 1
        self._kept = {} if self.useless else step.used
        self._sums = {} if self.useless else step.used_sums
        self._tables = {} if self.useless else step.used_tables


@dataclass(frozen=True)
class _Sums:
    """What the objects of a frame got from each reference frame.

    Attributes:
        feats: Their embeddings, kept so that nothing else lies there.
        queries: Of these.
        parts: By the place of the reference frame: its embeddings, for the same reason, and what
            :meth:`Relates.partial` gave.
    """

    feats: Tensor
    queries: Tensor
    parts: dict[_Place, tuple[Tensor, tuple[Tensor, Tensor]]]


class ProjectionStep:
    """Projections for one key frame: what was kept, and what is computed anew.

    Args:
        kept: Of the key frame before.
        sums: The same, of relations between frames.
        tables: Location biases between frames, by relation. They are brought up to date in place:
            what they hold decides the order of the references alone, so results differ by rounding.

    Attributes:
        used: What this key frame used.
        used_sums: The same, of relations between frames.
        used_tables: The same, of location biases.
        hits: How often something kept was found.
    """

    def __init__(self, kept: dict[_Place, tuple[Tensor, tuple[Tensor, ...]]],
                 sums: dict[_Place, _Sums], tables: dict[Locates, BiasTable]) -> None:
        self._kept = kept
        self._sums = sums
        self._tables = tables
        self.used: dict[_Place, tuple[Tensor, tuple[Tensor, ...]]] = {}
        self.used_sums: dict[_Place, _Sums] = {}
        self.used_tables: dict[Locates, BiasTable] = {}
        self.hits = 0

    def project(self, module: Projects, frames: Sequence[ObjectFeatures]) -> tuple[Tensor, ...]:
        """Projections of the objects of frames, in order, each frame on its own."""
        parts = self.project_each(module, [frame for frame in frames if len(frame)])
        if not parts:
            return module.project(frames[0].feats)
        return tuple(torch.cat(part, dim=-2) for part in zip(*parts, strict=True))

    def project_each(self, module: Projects,
                     frames: Sequence[ObjectFeatures]) -> list[tuple[Tensor, ...]]:
        """Projections of the objects of every frame."""
        return [self._of_frame(module, frame.feats) for frame in frames]

    def location_bias(self, relation: Locates, rows: Sequence[ObjectFeatures],
                      columns: Sequence[ObjectFeatures]) -> FrameBias | None:
        """The location bias of a relation between the objects of frames, kept where that pays.

        Args:
            relation: The module.
            rows: Frames whose objects are enhanced.
            columns: Frames that they look at.

        Returns:
            None where the relation had better compute its own: for few objects, frames with
            different numbers of objects, in mixed precision, compiled, on other devices, and for
            the second time in a step.
        """
        if relation in self.used_tables or not _pays(relation, rows, columns):
            return None
        table = self._tables.get(relation) or BiasTable(relation)
        self.used_tables[relation] = table
        return table.update([frame.boxes for frame in rows], [frame.boxes for frame in columns])

    def relate(self, module: Relates, frames: Sequence[ObjectFeatures],
               pool: Sequence[ObjectFeatures]) -> list[Tensor]:
        """What a relation adds to the objects (N, C) of each frame, which look at a pool of frames.

        A pair of frames is computed once while both stay: each frame's share of the softmax is
        kept with the logarithm of its sum.
        """
        places = [_place(module, frame.feats) for frame in frames]
        counts = Counter(_place(module, other.feats) for other in pool if len(other))
        others = {_place(module, other.feats): other.feats for other in pool if len(other)}
        objects = {place: frame.feats for place, frame in zip(places, frames, strict=True)}
        for place, feats in objects.items():
            before = self._sums.get(place)
            if before is None or not _lies_at(before.feats, place, feats):
                before = _Sums(feats, module.queries(feats), {})
            self.used_sums[place] = _Sums(before.feats, before.queries, {
                other: before.parts[other] for other, now in others.items()
                if other in before.parts and _lies_at(before.parts[other][0], other, now)})
        sums = {place: self.used_sums[place] for place in objects}
        for other, feats in others.items():
            missing = [part for part in sums.values() if other not in part.parts]
            if missing:
                mean, log_sum = module.partial(
                    torch.cat([part.queries for part in missing], dim=-2),
                    self._of_frame(module, feats))
                sizes = [len(part.feats) for part in missing]
                for part, *found in zip(missing, mean.split(sizes, dim=-2),
                                        log_sum.split(sizes, dim=-2), strict=True):
                    part.parts[other] = feats, tuple(found)
        added = {place: module.join([part.parts[other][1] for other in others],
                                    list(counts.values())) for place, part in sums.items()}
        return [added[place] for place in places]

    def _of_frame(self, module: Projects, feats: Tensor) -> tuple[Tensor, ...]:
        place = _place(module, feats)
        kept = self.used.get(place) or self._kept.get(place)
        if kept is None or not _lies_at(kept[0], place, feats):
            kept = feats, module.project(feats)
        else:
            self.hits += place not in self.used
        self.used[place] = kept
        return kept[1]


def _pays(relation: Locates, rows: Sequence[ObjectFeatures],
          columns: Sequence[ObjectFeatures]) -> bool:
    """Whether a bias between frames is kept."""
    n, m = len(rows[0]), len(columns[0])
    if relation.num_heads * n * len(rows) * m * len(columns) < KEEP_BIAS_FROM:
        return False
    if not on_processor(rows[0].boxes) or uses_autocast(rows[0].boxes) or is_compiled():
        return False
    return all(len(frame) == n for frame in rows) and all(
        len(frame) == m and frame.valid is None for frame in columns)


def _place(module: Projects, feats: Tensor) -> _Place:
    return module, feats.data_ptr(), feats.shape, uses_autocast(feats)


def _lies_at(kept: Tensor, place: _Place, feats: Tensor) -> bool:
    """Whether kept embeddings still lie where these do."""
    return kept.data_ptr() == place[1] and kept.dtype == feats.dtype


def projections(step: ProjectionStep | None, module: Projects,
                frames: Sequence[ObjectFeatures]) -> tuple[Tensor, ...]:
    """Projections of the objects of frames; without a step those of all frames at once."""
    if step is None:
        return module.project(torch.cat([frame.feats for frame in frames]))
    return step.project(module, frames)


def step_of(kept: KeptProjections | None) -> ProjectionStep | None:
    """A step where nothing needs a gradient and something is found; None elsewhere."""
    return None if kept is None or kept.useless or torch.is_grad_enabled() else kept.step()
