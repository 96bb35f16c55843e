"""Greedy matching of detections and objects, all frames at once.

Going through the detections by descending score, each taking the free object it prefers, gives
the one stable assignment in which every object has the best-scored detection that wants it. The
same assignment comes out when all detections propose at once, objects keep the better-scored
proposer, and the others go on to what they prefer next: a few rounds instead of a long loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mmvod_plugins.utils.arrays import run_starts

from .candidates import Candidates
from .scene import Scene

Preference = Literal['overlap', 'coco']


@dataclass(frozen=True)
class Matches:
    """Who got whom.

    Attributes:
        det: (P,), rows of the matched detections.
        gt: (P,), rows of their objects.
    """

    det: np.ndarray
    gt: np.ndarray


def match(candidates: Candidates, rank: np.ndarray, ignored: np.ndarray,
          crowd: np.ndarray | None = None, prefer: Preference = 'overlap') -> Matches:
    """Match detections and objects.

    Args:
        candidates: The possible pairs.
        rank: (N,), order in which the detections choose, all different.
        ignored: (M,), bool.
        crowd: (M,), bool: objects that any number of detections may take, or None.
        prefer: ``overlap``: the larger IoU; of equal ones the first that counts, else the last
            ignored one (mega.pytorch's loop). ``coco``: an object that counts before an ignored
            one, then the larger IoU, then the later one (pycocotools' loop).
    """
    pairs = candidates.select(_preference(candidates, ignored, prefer))
    first = run_starts(pairs.det)
    end = np.append(first, len(pairs))[1:]
    chooser_rank = rank[pairs.det[first]].astype(np.int64)
    best = np.full(len(ignored), np.iinfo(np.int64).max)
    holder = np.full(len(ignored), -1)
    wish, active = first.copy(), np.arange(len(first))
    while active.size:
        wanted = pairs.gt[wish[active]]
        shared = np.zeros(len(active), dtype=bool) if crowd is None else crowd[wanted]
        np.minimum.at(best, wanted[~shared], chooser_rank[active[~shared]])
        won = ~shared & (chooser_rank[active] == best[wanted])
        displaced = holder[wanted[won]]
        holder[wanted[won]] = active[won]
        lost = np.concatenate([active[~won & ~shared], displaced[displaced >= 0]])
        wish[lost] += 1
        active = lost[wish[lost] < end[lost]]
    matched = wish[wish < end]
    return Matches(pairs.det[matched], pairs.gt[matched])


def match_groups(candidates: Candidates, scene: Scene, ignored: np.ndarray,
                 crowd: np.ndarray | None = None, prefer: Preference = 'overlap'
                 ) -> Iterator[Matches]:
    """Match for several groups, which ignore different objects.

    What is ignored changes the matching only in a class of a frame with both kinds of objects
    and, where the overlap decides, with two objects that a detection overlaps equally. Elsewhere
    the matching without ignored objects is used again.

    Args:
        candidates: The possible pairs.
        scene: Where they come from.
        ignored: (G, M), bool.
        crowd: See :func:`match`.
        prefer: See :func:`match`.

    Yields:
        The matches of every group.
    """
    cell = scene.cells[candidates.gt]
    num_cells = int(scene.cells.max(initial=-1)) + 1
    sensitive = np.ones(num_cells, dtype=bool)
    if prefer == 'overlap':
        sensitive = np.bincount(cell[_ties(candidates)], minlength=num_cells) > 0
    base = match(candidates, scene.rank, np.zeros(ignored.shape[1], dtype=bool), crowd, prefer)
    size = np.bincount(scene.cells, minlength=num_cells)
    for row in ignored:
        out = np.bincount(scene.cells[row], minlength=num_cells)
        # If all are ignored, ties go the other way than if none is, with the rule of "overlap".
        same = out == 0 if prefer == 'overlap' else (out == 0) | (out == size)
        changed = sensitive & ~same
        if not changed.any():
            yield base
            continue
        keep = ~changed[scene.cells[base.gt]]
        again = match(candidates.select(np.flatnonzero(changed[cell])), scene.rank, row, crowd,
                      prefer)
        yield Matches(np.concatenate([base.det[keep], again.det]),
                      np.concatenate([base.gt[keep], again.gt]))


def _several(det: np.ndarray) -> np.ndarray:
    """Pairs of detections with more than one candidate, (Q,)."""
    same = det[1:] == det[:-1]
    return np.flatnonzero(np.concatenate([[False], same]) | np.concatenate([same, [False]])
                          ) if len(det) else np.zeros(0, dtype=np.int64)


def _ties(candidates: Candidates) -> np.ndarray:
    """Pairs whose detection overlaps another object exactly as much, (Q,) row numbers."""
    rows = _several(candidates.det)
    rows = rows[np.lexsort((candidates.iou[rows], candidates.det[rows]))]
    det, iou = candidates.det[rows], candidates.iou[rows]
    return rows[:-1][(det[1:] == det[:-1]) & (iou[1:] == iou[:-1])]


def _preference(candidates: Candidates, ignored: np.ndarray, prefer: Preference) -> np.ndarray:
    """Row numbers of the pairs such that every detection's come in the order of its choice."""
    order = np.arange(len(candidates))
    rows = _several(candidates.det)
    det, gt, iou = candidates.det[rows], candidates.gt[rows], candidates.iou[rows]
    out = ignored[gt]
    if prefer == 'coco':
        keys = (-gt, -iou, out, det)
    else:
        keys = (np.where(out, -gt, gt), out, -iou, det)
    order[rows] = rows[np.lexsort(keys)]
    return order
