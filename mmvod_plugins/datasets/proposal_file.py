"""File of precomputed proposals: one npz, read without pickle.

``docs/dataset_prepare.md`` describes the format.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from mmengine.fileio import get_local_path

from mmvod_plugins.structures.npz_file import NpzFormat

FILE = NpzFormat('mmvod_proposals', version=1, content='proposals',
                 writers='tools/dataset_converters/proposals_from_predictions.py or '
                         'save_proposals',
                 required=('num_boxes', 'file_names', 'boxes', 'scores'), compressed=False,
                 dimensions=dict(num_boxes=('frames', ), file_names=('frames', ),
                                 boxes=('rows', 4), scores=('rows', )))


class ProposalFile:
    """Proposals of frames, looked up by ``file_name`` of the annotation file.

    Args:
        path: A file written by :func:`save_proposals`.
        backend_args: Storage backend of the file, see ``mmengine.fileio``.

    Raises:
        ValueError: If it is something else, incomplete, or of a newer version, has a frame
            twice, or has a box that is not finite or whose sides are swapped.
    """

    def __init__(self, path: str, backend_args: dict[str, Any] | None = None) -> None:
        self.path = str(path)
        with get_local_path(self.path, backend_args=backend_args) as local:
            _, arrays = FILE.load(local, shown_as=self.path, sizes=_sizes)
        names = arrays['file_names'].tolist()
        self.boxes, self.scores = arrays['boxes'], arrays['scores']
        self.ends = np.cumsum(arrays['num_boxes'], dtype=np.int64)
        self.rows = {name: row for row, name in enumerate(names)}
        self._check(names)

    def _check(self, names: list[str]) -> None:
        if np.any(np.diff(self.ends, prepend=0) < 0):
            raise ValueError(f'{self.path}: num_boxes has negative numbers')
        if len(self.rows) < len(names):
            twice = next(name for row, name in enumerate(names) if self.rows[name] != row)
            raise ValueError(f'{self.path} names {twice!r} more than once; keep one entry')
        turned = (self.boxes[:, 2:] < self.boxes[:, :2]).any(1)
        finite = np.isfinite(self.boxes).all(1) & np.isfinite(self.scores)
        bad = np.flatnonzero(turned | ~finite)
        if bad.size:
            frame = names[int(np.searchsorted(self.ends, bad[0], side='right'))]
            raise ValueError(
                f'{self.path}: {bad.size} proposals are not valid boxes, the first one is '
                f'{self.boxes[bad[0]].tolist()} with score {self.scores[bad[0]]} of {frame!r}: '
                'expected finite numbers, x1 <= x2 and y1 <= y2')

    def __deepcopy__(self, memo: dict) -> ProposalFile:
        """Return self; the arrays are read-only and shared."""
        return self

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.rows)

    def row(self, file_name: str) -> int:
        """Number of a frame's entry, -1 for none."""
        return self.rows.get(file_name, -1)

    def proposals(self, row: int) -> dict[str, np.ndarray] | None:
        """Proposals of an entry, None for number -1.

        Returns:
            ``bboxes`` (N, 4), (x1, y1, x2, y2) in pixels of the original image, ``scores`` (N,).
        """
        if row < 0:
            return None
        rows = slice(int(self.ends[row - 1]) if row else 0, int(self.ends[row]))
        return dict(bboxes=self.boxes[rows], scores=self.scores[rows])


def _sizes(_: dict[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, int]:
    """Number of boxes, once the numbers per frame were read."""
    return dict(rows=int(arrays['num_boxes'].sum(dtype=np.int64))) if arrays else {}


def save_proposals(path: str | os.PathLike[str],
                   frames: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Write proposals; an existing file is replaced only when the new one is complete.

    Args:
        path: File, ending with ``.npz``.
        frames: By ``file_name`` of the annotation file: boxes (N, 4), (x1, y1, x2, y2) in pixels
            of the original image, and scores (N,). N may be 0.

    Raises:
        ValueError: If the name does not end with ``.npz``.
    """
    boxes = [np.asarray(boxes, np.float32).reshape(-1, 4) for boxes, _ in frames.values()]
    scores = [np.asarray(scores, np.float32) for _, scores in frames.values()]
    FILE.save(path, dict(
        file_names=np.array(list(frames), dtype=np.str_),
        num_boxes=np.array([len(part) for part in boxes], np.int32),
        boxes=np.concatenate([np.zeros((0, 4), np.float32), *boxes]),
        scores=np.concatenate([np.zeros(0, np.float32), *scores])))
