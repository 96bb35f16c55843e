"""Precomputed proposals of frames as a file: one npz, read without pickle.

``docs/dataset_prepare.md`` describes the format.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.fileio import get_local_path

FORMAT = 'mmvod_proposals'
VERSION = 1
ARRAYS = ('file_names', 'num_boxes', 'boxes', 'scores')


class ProposalFile:
    """Proposals of frames, looked up by ``file_name`` of the annotation file.

    Args:
        path: A file of :func:`save_proposals`.
        backend_args: Where it lies, see ``mmengine.fileio``.

    Raises:
        ValueError: If it is something else, incomplete, or of a newer version, names a frame
            twice, or holds boxes that are none.
    """

    def __init__(self, path: str, backend_args: dict[str, Any] | None = None) -> None:
        self.path = str(path)
        with get_local_path(self.path, backend_args=backend_args) as local:
            arrays = read_arrays(local, self.path)
        names = arrays['file_names'].tolist()
        self.boxes, self.scores = arrays['boxes'], arrays['scores']
        self.ends = np.cumsum(arrays['num_boxes'], dtype=np.int64)
        self.rows = {name: row for row, name in enumerate(names)}
        self._check(names)

    def _check(self, names: list[str]) -> None:
        total = int(self.ends[-1]) if len(self.ends) else 0
        if (self.boxes.shape != (total, 4) or self.scores.shape != (total, )
                or len(self.ends) != len(names)):
            raise ValueError(
                f'{self.path}: {len(names)} file_names, num_boxes of {len(self.ends)} frames and '
                f'{total} boxes, boxes {self.boxes.shape}, scores {self.scores.shape}: expected '
                '(F,), (F,), (N, 4) and (N,); write the file with save_proposals')
        if len(self.rows) < len(names):
            twice = next(name for row, name in enumerate(names) if self.rows[name] != row)
            raise ValueError(f'{self.path} names {twice!r} more than once; a frame has one entry')
        turned = (self.boxes[:, 2:] < self.boxes[:, :2]).any(1)
        finite = np.isfinite(self.boxes).all(1) & np.isfinite(self.scores)
        bad = np.flatnonzero(turned | ~finite)
        if bad.size:
            frame = names[int(np.searchsorted(self.ends, bad[0], side='right'))]
            raise ValueError(
                f'{self.path}: {bad.size} proposals are no boxes, the first one '
                f'{self.boxes[bad[0]].tolist()} with score {self.scores[bad[0]]} of {frame!r}: '
                'expected finite numbers, x1 <= x2 and y1 <= y2')

    def __deepcopy__(self, memo: dict) -> ProposalFile:
        """Itself: copies of a dataset share what is only read."""
        return self

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.rows)

    def row(self, file_name: str) -> int:
        """The number of a frame's entry, -1 if it has none."""
        return self.rows.get(file_name, -1)

    def proposals(self, row: int) -> dict[str, np.ndarray] | None:
        """``bboxes`` (N, 4), (x1, y1, x2, y2) in pixels of the original image, ``scores`` (N,)."""
        if row < 0:
            return None
        rows = slice(int(self.ends[row - 1]) if row else 0, int(self.ends[row]))
        return dict(bboxes=self.boxes[rows], scores=self.scores[rows])


def read_arrays(local: str | os.PathLike[str], path: str) -> dict[str, np.ndarray]:
    """The arrays of a proposal file; ``path`` is its name in messages.

    Raises:
        ValueError: If it is something else, incomplete, or of a newer version.
    """
    try:
        with np.load(local, allow_pickle=False) as data:
            arrays = dict(data)
        meta = json.loads(str(arrays.pop('meta')))
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, TypeError) as error:
        raise ValueError(f'{path} is no proposal file ({error}): expected what '
                         'tools/dataset_converters/proposals_from_predictions.py or '
                         'save_proposals wrote') from error
    if meta.get('format') != FORMAT or meta.get('version', 0) > VERSION:
        raise ValueError(f'{path} is {meta.get("format")!r} version {meta.get("version")}, '
                         f'expected {FORMAT!r} up to version {VERSION}')
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise ValueError(f'{path} lacks the arrays {missing}: the file is incomplete')
    return arrays


def save_proposals(path: str | os.PathLike[str],
                   frames: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Write proposals; a file that is there is replaced when the new one is complete.

    Args:
        path: File, ending with ``.npz``.
        frames: By ``file_name`` of the annotation file: boxes (N, 4), (x1, y1, x2, y2) in pixels
            of the original image, and scores (N,). N may be 0.

    Raises:
        ValueError: If the name does not end with ``.npz``.
    """
    path = Path(path)
    if path.suffix != '.npz':
        raise ValueError(f'proposals are written as .npz, got {path}')
    boxes = [np.asarray(boxes, np.float32).reshape(-1, 4) for boxes, _ in frames.values()]
    scores = [np.asarray(scores, np.float32) for _, scores in frames.values()]
    part = path.with_name(f'.{path.stem}.{os.getpid()}.npz')
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        np.savez(
            part,
            meta=np.array(json.dumps(dict(format=FORMAT, version=VERSION))),
            file_names=np.array(list(frames), dtype=np.str_),
            num_boxes=np.array([len(part) for part in boxes], np.int32),
            boxes=np.concatenate([np.zeros((0, 4), np.float32), *boxes]),
            scores=np.concatenate([np.zeros(0, np.float32), *scores]))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
