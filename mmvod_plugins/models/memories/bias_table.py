"""Location biases between frames, kept as long as both frames stay."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from mmvod_plugins.utils.precision import at_least_float32

_Frame = TypeVar('_Frame')


class Locates(Protocol):
    """A relation whose bias depends on nothing but boxes."""

    num_heads: int

    def location_bias(self, boxes: Tensor, reference_boxes: Tensor) -> Tensor:
        """Bias (heads, N, M) of boxes (N, 4) and reference boxes (M, 4)."""


@dataclass(frozen=True)
class FrameBias:
    """The bias between the objects of two lists of frames.

    Attributes:
        values: (heads, N, M), of all objects of the first and all of the second list. The table's
            own memory: the next update changes it.
        rows: The order of the first list in which its objects stand there.
        columns: The same of the second list.
    """

    values: Tensor
    rows: list[int]
    columns: list[int]

    def in_columns(self, frames: Sequence[_Frame]) -> list[_Frame]:
        """Frames of the second list as their objects stand in the table."""
        return [frames[i] for i in self.columns]

    def in_rows(self, frames: Sequence[_Frame]) -> list[_Frame]:
        """Frames of the first list as their objects stand in the table."""
        return [frames[i] for i in self.rows]

    def from_rows(self, frames: Sequence[_Frame]) -> list[_Frame]:
        """The inverse of :meth:`in_rows`."""
        found = dict(zip(self.rows, frames, strict=True))
        return [found[i] for i in range(len(frames))]


class BiasTable:
    """The location bias between the objects of two lists of frames, from key frame to key frame.

    Every frame has a slot among the rows and columns of one table. A frame that comes takes the
    slot of one that has left: only its row and its column are computed, and nothing moves. As the
    bias is a function of boxes, frames are known by theirs, bit by bit, whatever memory they lie
    in; a frame that stands in a list several times has several slots.

    Args:
        relation: Whose bias it is.
    """

    def __init__(self, relation: Locates) -> None:
        self._relation = relation
        self._rows: list[bytes] = []
        self._columns: list[bytes] = []
        self._sizes = (0, 0)
        self._values: Tensor | None = None

    def update(self, rows: Sequence[Tensor], columns: Sequence[Tensor]) -> FrameBias:
        """The bias between the boxes of frames.

        Args:
            rows: Boxes (n, 4) of each frame, the same n in all.
            columns: Boxes (m, 4) of each frame, the same m in all.
        """
        n, m = len(rows[0]), len(columns[0])
        row_keys, column_keys = _keys(rows), _keys(columns)
        if self._sizes != (n, m):
            self._sizes, self._rows, self._columns, self._values = (n, m), [], [], None
        row_order, new_rows = _placed(self._rows, row_keys)
        column_order, new_columns = _placed(self._columns, column_keys)
        row_boxes = torch.cat([rows[i] for i in row_order])
        column_boxes = torch.cat([columns[i] for i in column_order])
        self._rows, self._columns = [], []  # of a table that an error leaves half filled
        self._make_room(row_boxes, len(column_boxes))
        if len(new_rows) < len(rows):
            for slot in new_columns:
                self._fill(row_boxes, columns[column_order[slot]], 0, slot * m)
        for slot in new_rows:
            self._fill(rows[row_order[slot]], column_boxes, slot * n, 0)
        self._rows = [row_keys[i] for i in row_order]
        self._columns = [column_keys[i] for i in column_order]
        values = self._values[:len(row_boxes), :, :len(column_boxes)]
        return FrameBias(values.transpose(0, 1), row_order, column_order)

    def _fill(self, boxes: Tensor, references: Tensor, row: int, column: int) -> None:
        """Compute a part of the table from a row and a column on."""
        part = self._relation.location_bias(boxes, references).transpose(0, 1)
        self._values[row:row + len(part), :, column:column + part.shape[2]] = part

    def _make_room(self, rows: Tensor, columns: int) -> None:
        """Let the table have a row for each box and as many columns.

        Columns are doubled, as those of a memory that fills become more with every key frame.
        """
        old = self._values
        height, width = (0, 0) if old is None else (old.shape[0], old.shape[2])
        if len(rows) <= height and columns <= width:
            return
        wide = width if columns <= width else max(columns, 2 * width)
        with torch.inference_mode(mode=False):  # it may be written to outside of that mode
            self._values = at_least_float32(rows).new_empty(
                max(len(rows), height), self._relation.num_heads, wide)
        if old is not None:
            self._values[:height, :, :width] = old


def _keys(frames: Sequence[Tensor]) -> list[bytes]:
    return [boxes.tobytes() for boxes in at_least_float32(torch.stack([*frames])).numpy()]


def _placed(slots: Sequence[bytes], frames: Sequence[bytes]) -> tuple[list[int], list[int]]:
    """Which frame stands in each slot, those that were there in theirs; the slots that are new."""
    waiting: dict[bytes, deque[int]] = defaultdict(deque)
    for index, key in enumerate(frames):
        waiting[key].append(index)
    order: list[int | None] = [None] * len(frames)
    for slot, key in enumerate(slots[:len(frames)]):
        if waiting[key]:
            order[slot] = waiting[key].popleft()
    left = sorted(index for indices in waiting.values() for index in indices)
    new = [slot for slot, index in enumerate(order) if index is None]
    for slot, index in zip(new, left, strict=True):
        order[slot] = index
    return order, new
