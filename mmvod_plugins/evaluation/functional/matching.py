"""Greedy matching of detections and objects, all frames at once.

The published loops visit the detections by descending score, and each takes the free object that
it prefers. As all objects rank detections alike, by score, the result is the unique stable
matching, and deferred acceptance (Gale and Shapley) finds it too: all detections propose at once,
objects hold the proposer with the best score, and rejected detections propose to their next choice.
That takes a few vectorised rounds instead of a long loop.
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
    """Matched pairs of detections and objects.

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
            ignored one (mega.pytorch's loop); crowds after all others. ``coco``: an object that
            counts before an ignored one, then the larger IoU, then the later one (pycocotools'
            loop).
    """
    # The D detections with candidates are numbered 0 .. D - 1; the wish list of number d is the
    # rows first[d]:end[d] of ``pairs``, the preferred object first.
    pairs = candidates.select(_preference(candidates, ignored, crowd, prefer))
    first = run_starts(pairs.det)
    end = np.append(first, len(pairs))[1:]
    chooser_rank = rank[pairs.det[first]].astype(np.int64)
    # Of every object: the rank of the best proposer so far, and its number.
    best = np.full(len(ignored), np.iinfo(np.int64).max)
    holder = np.full(len(ignored), -1)
    # ``wish`` is the row to which a detection proposes; the active ones have none accepted yet.
    wish, active = first.copy(), np.arange(len(first))
    while active.size:
        wanted = pairs.gt[wish[active]]
        # A crowd accepts everybody and is never held.
        shared = np.zeros(len(active), dtype=bool) if crowd is None else crowd[wanted]
        np.minimum.at(best, wanted[~shared], chooser_rank[active[~shared]])
        won = ~shared & (chooser_rank[active] == best[wanted])
        # An earlier proposer whose object went to a better one becomes active again.
        displaced = holder[wanted[won]]
        holder[wanted[won]] = active[won]
        lost = np.concatenate([active[~won & ~shared], displaced[displaced >= 0]])
        wish[lost] += 1
        active = lost[wish[lost] < end[lost]]
    # A wish beyond the end means that every candidate was refused.
    matched = wish[wish < end]
    return Matches(pairs.det[matched], pairs.gt[matched])


def match_groups(candidates: Candidates, scene: Scene, ignored: np.ndarray,
                 crowd: np.ndarray | None = None, prefer: Preference = 'overlap'
                 ) -> Iterator[Matches]:
    """Match for several groups, which ignore different objects.

    Ignoring objects changes the matching only within a cell (a class of a frame) that has both
    kinds of objects; with the preference ``overlap`` only if, in addition, a detection overlaps
    two objects equally. All other cells reuse the matching without ignored objects.

    Args:
        candidates: The possible pairs.
        scene: Detections and ground truth of the pairs.
        ignored: (G, M), bool.
        crowd: See :func:`match`.
        prefer: See :func:`match`.

    Yields:
        The matches of each group.
    """
    # Cells whose matching depends at all on what is ignored.
    cell = scene.cells[candidates.gt]
    num_cells = int(scene.cells.max(initial=-1)) + 1
    sensitive = np.ones(num_cells, dtype=bool)
    if prefer == 'overlap':
        sensitive = np.bincount(cell[_ties(candidates)], minlength=num_cells) > 0
    base = match(candidates, scene.rank, np.zeros(ignored.shape[1], dtype=bool), crowd, prefer)
    size = np.bincount(scene.cells, minlength=num_cells)
    for row in ignored:
        out = np.bincount(scene.cells[row], minlength=num_cells)
        # By "overlap" a tie goes to the first object if none is ignored, to the last if all are:
        # a cell with all objects ignored differs too.
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
    """Row numbers of the pairs of detections with more than one candidate, (Q,)."""
    same = det[1:] == det[:-1]
    return np.flatnonzero(np.concatenate([[False], same]) | np.concatenate([same, [False]])
                          ) if len(det) else np.zeros(0, dtype=np.int64)


def _ties(candidates: Candidates) -> np.ndarray:
    """Row numbers of pairs whose detection overlaps another object equally, (Q,).

    Of every set of equal overlaps all rows but the last: enough to find their cells.
    """
    rows = _several(candidates.det)
    rows = rows[np.lexsort((candidates.iou[rows], candidates.det[rows]))]
    det, iou = candidates.det[rows], candidates.iou[rows]
    return rows[:-1][(det[1:] == det[:-1]) & (iou[1:] == iou[:-1])]


def _preference(candidates: Candidates, ignored: np.ndarray, crowd: np.ndarray | None,
                prefer: Preference) -> np.ndarray:
    """Order of the pairs that sorts every detection's candidates by preference, (P,)."""
    # Candidates are sorted by detection already: only those with a choice need sorting, few.
    order = np.arange(len(candidates))
    rows = _several(candidates.det)
    det, gt, iou = candidates.det[rows], candidates.gt[rows], candidates.iou[rows]
    out = ignored[gt]
    # np.lexsort sorts by its last key first.
    if prefer == 'coco':
        keys = (-gt, -iou, out, det)
    else:
        last = np.zeros(len(gt), dtype=bool) if crowd is None else crowd[gt]
        keys = (np.where(out, -gt, gt), out, -iou, last, det)
    order[rows] = rows[np.lexsort(keys)]
    return order
