"""Location bias that stays as it is while both frames of a pair stay in the window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .relation import RelationModule

#: Name of a frame among others: its id, and how often that id came before.
Name = tuple[int, int]


@dataclass(frozen=True)
class FrameBoxes:
    """Boxes of several frames, a frame possibly more than once.

    Attributes:
        frame_ids: Id of every frame.
        sizes: Boxes of every frame.
        boxes: All of them, (N, 4), not shared with anybody who changes them.
    """

    frame_ids: Sequence[int]
    sizes: Sequence[int]
    boxes: Tensor

    def by_name(self) -> dict[Name, tuple[slice, Tensor]]:
        """Rows and boxes of every frame, in order, under a name that no other one has."""
        seen: Counter[int] = Counter()
        found, start = {}, 0
        for frame_id, size in zip(self.frame_ids, self.sizes, strict=True):
            rows = slice(start, start + size)
            found[frame_id, seen[frame_id]] = rows, self.boxes[rows]
            seen[frame_id] += 1
            start += size
        return found


@dataclass(frozen=True)
class KeptBias:
    """The location bias of one relation module between the objects of frames.

    It belongs to the memory of a video: a step is given the one of the step before and hands on a
    new one. It depends on the boxes and the module's weights alone, so it changes no result.

    Attributes:
        queries: Boxes of the rows.
        references: Boxes of the columns.
        values: (N, heads, M).
    """

    queries: FrameBoxes
    references: FrameBoxes
    values: Tensor

    @property
    def bias(self) -> Tensor:
        """As :meth:`RelationModule.location_bias` gives it, (heads, N, M)."""
        return self.values.transpose(0, 1)


@torch.no_grad()
def move_bias(relation: RelationModule, queries: FrameBoxes, references: FrameBoxes,
              kept: KeptBias | None) -> KeptBias:
    """The bias between frames, of which that between frames that stayed is copied.

    Args:
        relation: The module.
        queries: Boxes of the rows.
        references: Boxes of the columns.
        kept: What the same module had at the step before, or None.
    """
    boxes, others = queries.boxes, references.boxes
    values = boxes.new_empty(len(boxes), relation.num_heads, len(others))
    row_moves = _moves(kept.queries, queries) if kept else []
    column_moves = _moves(kept.references, references) if kept else []
    for new_rows, old_rows in row_moves:
        for new_columns, old_columns in column_moves:
            values[new_rows, :, new_columns] = kept.values[old_rows, :, old_columns]
        for columns in _gaps(column_moves, len(others)):
            values[new_rows, :, columns] = relation.location_bias(
                boxes[new_rows], others[columns]).transpose(0, 1)
    for rows in _gaps(row_moves, len(boxes)):
        values[rows] = relation.location_bias(boxes[rows], others).transpose(0, 1)
    return KeptBias(queries, references, values)


def _moves(old: FrameBoxes, new: FrameBoxes) -> list[tuple[slice, slice]]:
    """Rows of ``new`` and of ``old`` of frames with the same boxes; neighbours are joined."""
    places = old.by_name()
    moves: list[tuple[slice, slice]] = []
    for name, (rows, boxes) in new.by_name().items():
        before, old_boxes = places.get(name, (None, None))
        if before is None or not len(boxes) or not torch.equal(boxes, old_boxes):
            continue
        if moves and (moves[-1][0].stop, moves[-1][1].stop) == (rows.start, before.start):
            last = moves.pop()
            rows, before = slice(last[0].start, rows.stop), slice(last[1].start, before.stop)
        moves.append((rows, before))
    return moves


def _gaps(moves: Sequence[tuple[slice, slice]], length: int) -> Iterator[slice]:
    """The rows between those that moved."""
    start = 0
    for rows, _ in moves:
        if start < rows.start:
            yield slice(start, rows.start)
        start = rows.stop
    if start < length:
        yield slice(start, length)
