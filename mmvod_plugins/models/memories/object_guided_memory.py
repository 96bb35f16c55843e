"""External memory of features of detected objects (OGEMN, section 3.2)."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmengine.logging import print_log
from torch import Tensor

from .box_cells import CELL_RULES, box_cells, outstanding_cells

BETTER_THAN = ('any', 'all')


@dataclass(frozen=True)
class WriteRule:
    """Settings of the write operation for features of maps; the defaults are the paper's.

    Attributes:
        score_thr: tau; an object is considered if its score is higher.
        similarity_thr: alpha, the least similarity of two objects of one class that are the same.
        max_per_class: Objects of a class; the one with the lowest score leaves, the oldest first
            among equals.
        better_than: "Similar to some object but of higher quality": better than ``'any'`` or than
            ``'all'`` of the similar objects. All of them leave in either case.
        per_row: Whether the similarity is divided by the rows of the remembered object, the share
            of its attention that falls on the box, and not by the cells of the box (eq. 8).
        cells: Which cells belong to a box, see :func:`box_cells`.

    Raises:
        ValueError: If a setting is unknown or impossible.
    """

    score_thr: float = 0.9
    similarity_thr: float = 0.47
    max_per_class: int = 10
    better_than: str = 'any'
    per_row: bool = False
    cells: str = 'center'

    def __post_init__(self) -> None:
        for name, known in (('better_than', BETTER_THAN), ('cells', CELL_RULES)):
            if getattr(self, name) not in known:
                raise ValueError(f'write_rule.{name} is {getattr(self, name)!r}, expected one of '
                                 f'{known}')
        if self.max_per_class < 1:
            raise ValueError(f'write_rule.max_per_class is {self.max_per_class}, expected 1 or '
                             'more: without a temporal neck nothing is remembered')


@dataclass(frozen=True)
class MemoryObject:
    """An object in the memory.

    Attributes:
        frame_id: The frame that it was found in.
        label: Its class.
        score: Its score, the quality of its features.
        box: ``(x1, y1, x2, y2)`` in pixels of the network input.
        num_rows: Rows of the memory that belong to it.
    """

    frame_id: int
    label: int
    score: float
    box: tuple[float, ...]
    num_rows: int


@dataclass(frozen=True)
class Detections:
    """Detections of a frame for :meth:`ObjectGuidedMemory.write`.

    Attributes:
        boxes: (D, 4) in pixels of the network input.
        scores: (D,).
        labels: (D,).
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


def object_similarity(attention: Tensor, cells: Tensor,
                      sizes: Sequence[int] | None = None) -> Tensor:
    """D of equation 8: how much remembered objects attend to the cells of detections.

    The printed equation swaps its subscripts: rows are those of the memory, as in equation 1.
    With uniform attention D is ``n_p / n``, the printed threshold.

    Args:
        attention: (P, n), of each remembered object, summed over its rows.
        cells: (D, n), bool, of each detection.
        sizes: Rows of each remembered object, to divide by them and not by the cells.

    Returns:
        (D, P).
    """
    mass = cells.to(attention) @ attention.T
    return mass / (cells.sum(1)[:, None] if sizes is None else mass.new_tensor(sizes))


class ObjectGuidedMemory:
    """Rows of features that belong to objects of one video; it grows and shrinks.

    Objects stay until a better similar one replaces them, or their class is full. Of features
    that belong to no object (for frames without detections) the latest selection stays.

    The rows are two matrices, of objects and of none, which are only made anew when they change.
    There are at most ``max_per_class`` objects of each class with at most all cells of a map,
    and at most the cells of one map without object.

    Args:
        rule: When and what is stored.

    Attributes:
        objects: In the order in which they were stored.
        skipped: Frames that were not remembered because their features were not finite.
    """

    def __init__(self, rule: WriteRule | None = None) -> None:
        self.rule = rule or WriteRule()
        self.objects: list[MemoryObject] = []
        self.skipped = 0
        self._rows: Tensor | None = None
        self._irrelevant: Tensor | None = None

    def __len__(self) -> int:
        """Rows of the memory."""
        return sum(self.sizes) + self.num_irrelevant

    @property
    def sizes(self) -> list[int]:
        """Rows of every object."""
        return [part.num_rows for part in self.objects]

    @property
    def num_irrelevant(self) -> int:
        """Rows that belong to no object."""
        return 0 if self._irrelevant is None else len(self._irrelevant)

    def read(self) -> list[Tensor]:
        """The rows, (l, C) each: of the objects in their order, then of none. Not to be changed."""
        return [block for block in (self._rows, self._irrelevant) if block is not None]

    def write(self, frame_id: int, feats: Tensor, grid: tuple[int, int], stride: float,
              attention: Tensor, found: Detections) -> list[int]:
        """Remember what a frame shows; equations 7 and 8.

        All decisions are made against the memory as it was read; new objects are not compared
        with each other. A frame with a feature that is not finite changes nothing, and detections
        with a score or a box that is not finite do not count.

        Args:
            frame_id: Number of the frame.
            feats: Enhanced features of all cells, (n, C), row by row.
            grid: H and W of the map, n = H W.
            stride: Pixels per cell.
            attention: (P, n), attention of each of :attr:`objects` when the frame was read.
            found: What was detected in the frame.

        Returns:
            The detections that pass the storing rule, best first; one may leave at once if its
            class is full.

        Raises:
            ValueError: If the attention is not that of this memory, or of another map.
        """
        if attention.shape != (len(self.objects), len(feats)) or grid[0] * grid[1] != len(feats):
            raise ValueError(
                f'frame {frame_id}: the attention is {tuple(attention.shape)}, expected '
                f'{len(self.objects)} objects and {len(feats)} cells of a map {grid}: write the '
                'step that was read from this memory, before another one')
        if not torch.isfinite(feats).all():
            if not self.skipped:
                print_log(f'frame {frame_id} is not remembered: its features are not finite; '
                          'further ones of this video are not reported', logger='current',
                          level=logging.WARNING)
            self.skipped += 1
            return []
        feats = feats.detach()
        scores = found.scores.tolist()
        finite = torch.isfinite(found.boxes).all(1).tolist()
        good = [i for i, score in enumerate(scores) if finite[i] and score > self.rule.score_thr]
        good.sort(key=lambda i: -scores[i])
        if not good:
            self._irrelevant = feats[outstanding_cells(feats)]
            return []
        boxes = found.boxes[good]
        cells = box_cells(boxes, grid, stride, self.rule.cells).flatten(1)
        labels = found.labels[good].tolist()
        num_cells = cells.sum(1).tolist()
        news = [MemoryObject(frame_id, label, scores[i], tuple(box), count) for i, label, box, count
                in zip(good, labels, boxes.tolist(), num_cells, strict=True)]
        similar = self._similar(attention, cells, news)
        stored = [row for row, new in enumerate(news) if self._passes(new, similar[row])]
        leaving = {p for row in stored for p in similar[row]}
        if stored:
            self._replace(leaving, [(news[row], cells[row]) for row in stored], feats)
        return [good[row] for row in stored]

    def _similar(self, attention: Tensor, cells: Tensor,
                 news: list[MemoryObject]) -> list[list[int]]:
        """The remembered objects that are similar to each new one."""
        values = object_similarity(attention, cells, self.sizes if self.rule.per_row else None)
        return [[p for p, old in enumerate(self.objects) if old.label == new.label and row[p] > max(
            old.num_rows / attention.shape[1], self.rule.similarity_thr)]
                for new, row in zip(news, values.tolist(), strict=True)]

    def _passes(self, new: MemoryObject, similar: list[int]) -> bool:
        """Whether a new object is stored."""
        better = [new.score > self.objects[p].score for p in similar]
        return not better or (any if self.rule.better_than == 'any' else all)(better)

    def _replace(self, leaving: set[int], new: list[tuple[MemoryObject, Tensor]],
                 feats: Tensor) -> None:
        """Remove objects, add others, keep to the limit of each class."""
        candidates = [part for p, part in enumerate(self.objects) if p not in leaving]
        candidates += [part for part, _ in new]
        kept = self._within_limit(candidates)
        blocks = [] if self._rows is None else list(self._rows.split(self.sizes))
        rows = [block for p, block in enumerate(blocks) if p not in leaving]
        rows += [None] * len(new)
        first = len(rows) - len(new)
        # rows of new objects are copied for those alone that stay
        self._rows = torch.cat([
            feats[new[i - first][1]] if rows[i] is None else rows[i] for i in kept])
        self.objects = [candidates[i] for i in kept]

    def _within_limit(self, candidates: list[MemoryObject]) -> list[int]:
        """Indices of the best objects of each class; of equal ones the latest stay."""
        classes = defaultdict(list)
        for i, part in enumerate(candidates):
            classes[part.label].append(i)
        best = [sorted(members, key=lambda i: (candidates[i].score, i))[-self.rule.max_per_class:]
                for members in classes.values()]
        return sorted(i for members in best for i in members)
