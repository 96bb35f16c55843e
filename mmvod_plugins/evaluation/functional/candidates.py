"""One pass over all frames: which detections overlap which objects enough, for every protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mmvod_plugins.structures.boxes import PairGeometry
from mmvod_plugins.utils.arrays import concatenate_fields

from .false_positives import FalsePositiveWeights
from .pairs import frame_chunks, join
from .scene import Scene


@dataclass(frozen=True)
class Candidates:
    """Pairs that may be matched: same frame, same class, enough overlap.

    Attributes:
        det: (P,), row of the detection, ascending.
        gt: (P,), row of the object, ascending for the same detection.
        iou: (P,), float64.
    """

    det: np.ndarray
    gt: np.ndarray
    iou: np.ndarray

    def __len__(self) -> int:
        """P."""
        return len(self.det)

    def select(self, rows: np.ndarray) -> Candidates:
        """Some pairs, by mask or row numbers."""
        return Candidates(self.det[rows], self.gt[rows], self.iou[rows])


@dataclass(frozen=True)
class Query:
    """What a protocol wants to know of the overlaps.

    Attributes:
        boxes: Ground truth as it sees it, (M, 4).
        offset: Added to every side, in pixels.
        thresholds: (M,), IoU that is enough.
        crowd: (M,), bool: objects whose overlap is relative to the detection, or None.
        weights: Is told the overlaps that decide about false positives, or None.
    """

    boxes: np.ndarray
    offset: float
    thresholds: np.ndarray
    crowd: np.ndarray | None = None
    weights: FalsePositiveWeights | None = None


@dataclass(frozen=True)
class _Chunk:
    """Frames ``start`` to ``stop - 1``; ``det`` and ``gt`` are the first rows of each kind."""

    scene: Scene
    start: int
    stop: int

    def pairs(self, *, same_class: bool, frames: np.ndarray | None = None
              ) -> tuple[np.ndarray, np.ndarray]:
        """All pairs of detection and object of the same frame, rows in the data set.

        Args:
            same_class: Whether they have the same class.
            frames: (F,), bool: the frames to look at, all if not given.
        """
        scene, factor = self.scene, self.scene.truth.num_classes if same_class else 1
        dets = np.arange(scene.det_offsets[self.start], scene.det_offsets[self.stop])
        gts = slice(*scene.truth.offsets[[self.start, self.stop]])
        if frames is not None:
            dets = dets[frames[scene.detections.frame_index[dets]]]
        det_unit = (scene.detections.frame_index[dets].astype(np.int64) - self.start) * factor
        gt_unit = (scene.truth.frame_index[gts] - self.start) * factor
        if same_class:
            det_unit += scene.detections.labels[dets]
            gt_unit += scene.truth.labels[gts]
        det, gt = join(det_unit, gt_unit, (self.stop - self.start) * factor)
        return dets[det], gt + gts.start


def find_candidates(scene: Scene, queries: Sequence[Query]) -> list[Candidates]:
    """Candidates of every query."""
    none = Candidates(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    parts = [[none] for _ in queries]
    for start, stop in frame_chunks(scene.det_offsets, scene.truth.offsets):
        found = _chunk_candidates(_Chunk(scene, start, stop), queries)
        for part, candidates in zip(parts, found, strict=True):
            part.append(candidates)
    return [concatenate_fields(part) for part in parts]


def _chunk_candidates(chunk: _Chunk, queries: Sequence[Query]) -> Iterator[Candidates]:
    det, gt = chunk.pairs(same_class=True)
    boxes = chunk.scene.detections.boxes[det]
    geometries: dict[int, PairGeometry] = {}
    for query in queries:
        # Protocols that do not change the boxes share what the convention does not change.
        if id(query.boxes) not in geometries:
            geometries[id(query.boxes)] = PairGeometry.of(boxes, query.boxes[gt])
        iou = geometries[id(query.boxes)].iou(
            query.offset, None if query.crowd is None else query.crowd[gt])
        if query.weights is not None:
            _record_overlaps(query, chunk, Candidates(det, gt, iou))
        yield Candidates(det, gt, iou).select(np.flatnonzero(iou >= query.thresholds[gt]))


def _record_overlaps(query: Query, chunk: _Chunk, same_class: Candidates) -> None:
    """Hand a query's weights the overlaps that they decide by."""
    if not query.weights.any_class:
        query.weights.add(same_class.det, same_class.gt, same_class.iou)
        return
    det, gt = chunk.pairs(same_class=False, frames=query.weights.mixed_frames)
    iou = PairGeometry.of(chunk.scene.detections.boxes[det], query.boxes[gt]).iou(query.offset)
    query.weights.add(det, gt, iou)
