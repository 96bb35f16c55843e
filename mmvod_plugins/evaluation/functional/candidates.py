"""Pairs of detections and objects that overlap enough, for all protocols in one pass."""

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
        """Number of pairs, P."""
        return len(self.det)

    def select(self, rows: np.ndarray) -> Candidates:
        """Subset of the pairs, by mask or row numbers."""
        return Candidates(self.det[rows], self.gt[rows], self.iou[rows])


@dataclass(frozen=True)
class Query:
    """Overlap criterion of a protocol.

    Attributes:
        boxes: (M, 4), ground truth after the protocol's clipping.
        offset: Added to every side, in pixels.
        thresholds: (M,), smallest IoU of a match.
        crowd: (M,), bool: objects whose overlap is relative to the detection, or None.
        weights: Receives the overlaps that decide about false positives, or None.
    """

    boxes: np.ndarray
    offset: float
    thresholds: np.ndarray
    crowd: np.ndarray | None = None
    weights: FalsePositiveWeights | None = None


@dataclass(frozen=True)
class _Chunk:
    """Frames ``start`` to ``stop - 1`` of a scene."""

    scene: Scene
    start: int
    stop: int

    def pairs(self, *, same_class: bool, frames: np.ndarray | None = None
              ) -> tuple[np.ndarray, np.ndarray]:
        """All pairs of detection and object of the same frame, as rows of the data set, (P,) each.

        Args:
            same_class: Whether only pairs of the same class are returned.
            frames: (F,), bool: frames to consider; None for all.
        """
        # A unit is a frame, or a class of a frame: frame * num_classes + label. Counted from the
        # start of the chunk, so that the join's table of units stays small.
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
    """Find the candidates of every query.

    Frames are processed in chunks, because all pairs at once would not fit into memory.
    """
    none = Candidates(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    # The empty first part gives the result its types where there are no frames.
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
        # Protocols that do not clip share one array of boxes, hence the sides of the pairs; the
        # pixel convention is applied afterwards.
        if id(query.boxes) not in geometries:
            geometries[id(query.boxes)] = PairGeometry.of(boxes, query.boxes[gt])
        iou = geometries[id(query.boxes)].iou(
            query.offset, None if query.crowd is None else query.crowd[gt])
        if query.weights is not None:
            _record_overlaps(query, chunk, Candidates(det, gt, iou))
        yield Candidates(det, gt, iou).select(np.flatnonzero(iou >= query.thresholds[gt]))


def _record_overlaps(query: Query, chunk: _Chunk, same_class: Candidates) -> None:
    """Pass the overlaps to the false-positive weights."""
    if not query.weights.any_class:
        query.weights.add(same_class.det, same_class.gt, same_class.iou)
        return
    det, gt = chunk.pairs(same_class=False, frames=query.weights.mixed_frames)
    iou = PairGeometry.of(chunk.scene.detections.boxes[det], query.boxes[gt]).iou(query.offset)
    query.weights.add(det, gt, iou)
