"""Detections of a whole video, shared by evaluation, files and post-processing."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

#: Attributes with one row per detection; those after the third are optional.
ROW_FIELDS = ('boxes', 'scores', 'labels', 'class_scores', 'proposal_ids', 'track_ids')


@dataclass
class VideoDetections:
    """Detections of one video, frame after frame, as flat arrays.

    The rows of frame number t (its position here, not its ``frame_id``) are
    ``offsets[t]:offsets[t + 1]``. Functions return new objects and change none.

    Attributes:
        video_id: Id of the video in its annotation file.
        frame_ids: (T,), int64, ascending: processed frames, including those without detections.
        num_boxes: (T,), int64, detections of each frame.
        boxes: (N, 4), ``(x1, y1, x2, y2)`` in pixels of the original image.
        scores: (N,).
        labels: (N,), int64, class indices.
        class_scores: (N, K), the scores of the detected box for every class, or None.
        proposal_ids: (N,), int64, number of the detection's proposal in its frame, or None. With
            a dense or query head these are its points or queries.
        track_ids: (N,), int64, -1 for none, or None.
        relations: T - 1 arrays or None: entry t is (P, R), the relation weights from the
            proposals of frame t, in the order of ``proposal_ids``, to those of the next frame.
            Proposals beyond an array's rows or columns have the weight 0.
        image_ids: (T,), int64, ids of the frames in the annotation file, or None.
        img_shape: (height, width) of the original images, or None.
        suppressed: Whether non-maximum suppression was applied; None if unknown.
    """

    video_id: Hashable
    frame_ids: np.ndarray
    num_boxes: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    class_scores: np.ndarray | None = None
    proposal_ids: np.ndarray | None = None
    track_ids: np.ndarray | None = None
    relations: list[np.ndarray] | None = field(default=None, repr=False)
    image_ids: np.ndarray | None = None
    img_shape: tuple[int, int] | None = None
    suppressed: bool | None = None

    def __post_init__(self) -> None:
        rows = {name: len(value) for name in ROW_FIELDS
                if (value := getattr(self, name)) is not None}
        frames = {name: len(value) for name in ('frame_ids', 'num_boxes', 'image_ids')
                  if (value := getattr(self, name)) is not None}
        total = int(np.sum(self.num_boxes))
        if set(rows.values()) != {total} or len(set(frames.values())) != 1:
            raise ValueError(f'video {self.video_id!r}: num_boxes counts {total} detections, rows '
                             f'are {rows}, frames are {frames}: they must agree')
        if self.boxes.shape[1:] != (4, ):
            raise ValueError(f'video {self.video_id!r}: boxes must be (N, 4), got '
                             f'{self.boxes.shape}')
        if np.any(np.diff(self.frame_ids) <= 0):
            raise ValueError(f'video {self.video_id!r}: frame_ids must be strictly ascending')
        if self.relations is not None and len(self.relations) != max(self.num_frames - 1, 0):
            raise ValueError(f'video {self.video_id!r} has {self.num_frames} frames and '
                             f'{len(self.relations)} relations: expected one per pair of '
                             'neighbouring frames')

    def __len__(self) -> int:
        """Number of detections."""
        return len(self.scores)

    @property
    def num_frames(self) -> int:
        """Number of frames, T."""
        return len(self.frame_ids)

    @property
    def offsets(self) -> np.ndarray:
        """First row of every frame and the total: (T + 1,), int64."""
        return np.concatenate([[0], np.cumsum(self.num_boxes)]).astype(np.int64)

    @property
    def frame_index(self) -> np.ndarray:
        """Position of the frame of every detection, (N,), int64."""
        return np.repeat(np.arange(self.num_frames), self.num_boxes)

    @property
    def consecutive(self) -> np.ndarray:
        """Whether each frame follows the previous one without a gap: (T - 1,), bool.

        The smallest step between two frames counts as the step of the video, so detections of
        every tenth frame have no gaps.
        """
        steps = np.diff(self.frame_ids)
        return steps == steps.min(initial=np.iinfo(np.int64).max)

    def rows(self, t: int) -> slice:
        """Rows of frame number t."""
        start = int(np.sum(self.num_boxes[:t]))
        return slice(start, start + int(self.num_boxes[t]))

    def select(self, rows: np.ndarray) -> VideoDetections:
        """Subset of the detections in their order; every frame is kept.

        Args:
            rows: Mask (N,), or row numbers in any order; repeated rows are repeated.
        """
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else np.sort(rows)
        counts = np.bincount(self.frame_index[rows], minlength=self.num_frames)
        changes = {name: value[rows] for name in ROW_FIELDS
                   if (value := getattr(self, name)) is not None}
        return replace(self, num_boxes=counts.astype(np.int64), **changes)

    def with_arrays(self, **arrays: np.ndarray | bool | None) -> VideoDetections:
        """Copy with other values of some attributes, for instance ``scores`` or ``track_ids``."""
        return replace(self, **arrays)

    def frames_between(self, start: int, stop: int) -> VideoDetections:
        """Part of the video: frames number ``start`` to ``stop - 1``."""
        rows = slice(self.offsets[start], self.offsets[stop])
        changes = {name: value[rows] for name in ROW_FIELDS
                   if (value := getattr(self, name)) is not None}
        if self.image_ids is not None:
            changes['image_ids'] = self.image_ids[start:stop]
        if self.relations is not None:
            changes['relations'] = self.relations[start:max(stop - 1, start)]
        return replace(self, frame_ids=self.frame_ids[start:stop],
                       num_boxes=self.num_boxes[start:stop], **changes)

    def relation_weights(self, t: int) -> np.ndarray:
        """Relation weights from the detections of frame number t to the next, (n_t, n_t+1).

        Raises:
            ValueError: If relations or proposal ids are not known.
        """
        if self.relations is None or self.proposal_ids is None:
            raise ValueError(f'video {self.video_id!r} has no relation weights: test with '
                             'model.detections.relations=True')
        table = self.relations[t]
        query, reference = self.proposal_ids[self.rows(t)], self.proposal_ids[self.rows(t + 1)]
        known = (query < table.shape[0])[:, None] & (reference < table.shape[1])[None]
        weights = np.zeros(known.shape, dtype=np.float64)
        i, j = np.nonzero(known)
        weights[i, j] = table[query[i], reference[j]]
        return weights

    @staticmethod
    def from_frames(video_id: Hashable, frame_ids: Sequence[int],
                    frames: Iterable[dict[str, np.ndarray]],
                    **video_fields: object) -> VideoDetections:
        """Join the detections of frames.

        Args:
            video_id: Id of the video.
            frame_ids: Numbers of the frames, ascending.
            frames: For every frame ``boxes``, ``scores``, ``labels`` and optional row attributes,
                the same ones in all frames.
            **video_fields: Attributes of the whole video.
        """
        frames = list(frames)
        rows = {name: np.concatenate([frame[name] for frame in frames])
                for name in ROW_FIELDS if frames and name in frames[0]}
        if not frames:
            rows = dict(boxes=np.zeros((0, 4), np.float32), scores=np.zeros(0, np.float32),
                        labels=np.zeros(0, np.int64))
        counts = np.array([len(frame['scores']) for frame in frames], dtype=np.int64)
        return VideoDetections(video_id, np.asarray(frame_ids, dtype=np.int64), counts, **rows,
                               **video_fields)

    def equals(self, other: VideoDetections) -> bool:
        """Whether all attributes are equal."""
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))


def _same(first: object, second: object) -> bool:
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(np.array_equal, first, second))
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return np.array_equal(first, second)
    return first is second if first is None or second is None else bool(first == second)
