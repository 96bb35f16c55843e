"""What stays as it is of a relation while frames stay: location bias and projected features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .relation import RelationModule

#: Name of a frame among others: its id, and how often that id came before.
Name = tuple[int, int]
#: Boxes (N, 4) of frames, in order, not shared with anybody who changes them.
FrameBoxes = dict[Name, Tensor]


def name_frames(frame_ids: Sequence[int], boxes: Sequence[Tensor]) -> FrameBoxes:
    """Copies of the boxes of frames, a frame possibly more than once, under different names."""
    seen: Counter[int] = Counter()
    names = []
    for frame_id in frame_ids:
        names.append((frame_id, seen[frame_id]))
        seen[frame_id] += 1
    copies = torch.cat(list(boxes)).split([len(part) for part in boxes]) if len(boxes) else []
    return dict(zip(names, copies, strict=True))


@dataclass(frozen=True)
class KeptBias:
    """The location bias of one relation module between the objects of frames.

    Attributes:
        queries: Boxes of the rows.
        references: Boxes of the columns.
        blocks: Bias (n, heads, m) of every pair of a row's and a column's frame.
    """

    queries: FrameBoxes
    references: FrameBoxes
    blocks: dict[tuple[Name, Name], Tensor]

    def portions(self, limit: int) -> Iterator[Tensor]:
        """The bias (heads, rows, M), some frames of the rows at a time.

        One buffer is used again and again: on a CPU, fresh memory costs more than copying.

        Args:
            limit: Rows of a portion; a single frame may have more.
        """
        sizes = [len(boxes) for boxes in self.queries.values()]
        groups = _groups(list(self.queries), sizes, limit)
        block = next(iter(self.blocks.values()))
        columns = sum(len(boxes) for boxes in self.references.values())
        most = max(sum(len(self.queries[name]) for name in group) for group in groups)
        buffer = block.new_empty(most, block.shape[1], columns)
        for group in groups:
            start = 0
            for name in group:
                stop = start + len(self.queries[name])
                torch.cat([self.blocks[name, column] for column in self.references], 2,
                          out=buffer[start:stop])
                start = stop
            yield buffer[:start].transpose(0, 1)


@torch.no_grad()
def move_bias(relation: RelationModule, queries: FrameBoxes, references: FrameBoxes,
              kept: KeptBias | None) -> KeptBias:
    """The bias between frames, of which that between frames that stayed is taken over.

    Args:
        relation: The module.
        queries: Boxes of the rows.
        references: Boxes of the columns.
        kept: What the same module had at the step before, or None.
    """
    rows = _stayed(kept.queries, queries) if kept else []
    columns = _stayed(kept.references, references) if kept else []
    blocks = {(row, column): kept.blocks[row, column] for row in rows for column in columns}
    coming = {column: references[column] for column in references.keys() - set(columns)}
    if rows and coming:
        blocks |= _blocks(relation, {row: queries[row] for row in rows}, coming)
    for row in queries.keys() - set(rows):
        blocks |= _blocks(relation, {row: queries[row]}, references)
    return KeptBias(queries, references, blocks)


@dataclass(frozen=True)
class KeptProjection:
    """Keys and values of a reference frame whose features never change.

    Attributes:
        feats: The features, (n, C); that very tensor is what they belong to.
        keys: (1, heads, n, C / heads).
        values: As the keys.
    """

    feats: Tensor
    keys: Tensor
    values: Tensor


@torch.no_grad()
def project_frames(
    relation: RelationModule, changing: Sequence[Tensor], lasting: Sequence[Tensor],
    kept: Sequence[KeptProjection]
) -> tuple[tuple[Tensor, Tensor], list[KeptProjection]]:
    """Keys and values of references, of which those that were there a step before are taken over.

    Args:
        relation: The module.
        changing: Features (n, C) of frames that are other tensors at every step.
        lasting: Features of frames that nobody changes, the same tensors as long as they stay.
        kept: Projections of the step before.

    Returns:
        What :meth:`RelationModule.project` gives for ``changing`` and then ``lasting``, and the
        projections of the latter.
    """
    known = {id(part.feats): part for part in kept}
    coming = [feats for feats in lasting if id(feats) not in known]
    fresh = [*changing, *coming]
    if fresh:
        sizes = [len(feats) for feats in fresh]
        keys, values = (part.split(sizes, 2) for part in relation.project(torch.cat(fresh)))
        known |= {
            id(feats): KeptProjection(feats, key.clone(), value.clone()) for feats, key, value in
            zip(coming, keys[len(changing):], values[len(changing):], strict=True)
        }
        keys, values = keys[:len(changing)], values[:len(changing)]
    else:
        keys, values = (), ()
    stay = [known[id(feats)] for feats in lasting]
    projected = (torch.cat([*keys, *(part.keys for part in stay)], 2),
                 torch.cat([*values, *(part.values for part in stay)], 2))
    return projected, stay


@dataclass(frozen=True)
class KeptRelation:
    """What the next step of a relation module can use of this one.

    It belongs to the memory of a video: a step is given the one of the step before and hands on a
    new one. It depends on what it is kept of and on the module's weights alone, so it saves time
    and changes no result.

    Attributes:
        bias: Between frames that stay.
        projections: Of the references that never change.
    """

    bias: KeptBias
    projections: list[KeptProjection]


def _blocks(relation: RelationModule, rows: FrameBoxes,
            columns: FrameBoxes) -> dict[tuple[Name, Name], Tensor]:
    """The bias between frames, each pair in memory of its own, which leaves with the pair."""
    bias = relation.location_bias(torch.cat(list(rows.values())),
                                  torch.cat(list(columns.values()))).transpose(0, 1)
    blocks = {}
    strips = bias.split([len(boxes) for boxes in rows.values()])
    for row, strip in zip(rows, strips, strict=True):
        parts = strip.split([len(boxes) for boxes in columns.values()], 2)
        blocks |= {(row, column): part.clone(memory_format=torch.contiguous_format)
                   for column, part in zip(columns, parts, strict=True)}
    return blocks


def _stayed(old: FrameBoxes, new: FrameBoxes) -> list[Name]:
    """Names of frames with the same boxes as before."""
    return [name for name, boxes in new.items() if name in old and torch.equal(boxes, old[name])]


def _groups(names: Sequence[Name], sizes: Sequence[int], limit: int) -> list[list[Name]]:
    """Names in order, together as long as their sizes do not exceed the limit."""
    groups: list[list[Name]] = [[]]
    total = 0
    for name, size in zip(names, sizes, strict=True):
        if groups[-1] and total + size > limit:
            groups.append([])
            total = 0
        groups[-1].append(name)
        total += size
    return groups
