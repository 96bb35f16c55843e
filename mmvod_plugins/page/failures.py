"""Failures over time: missed runs, flicker, strong false detections, broken tracks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from mmvod_plugins.evaluation.functional.scene import Scene
from mmvod_plugins.structures.boxes import paired_iou
from mmvod_plugins.utils.arrays import run_starts

from .verdicts import DUPLICATE, FALSE, VERDICTS, WRONG_CLASS, Verdicts

#: A false detection goes on in the next frame if its box overlaps the last one by this IoU.
SAME_BOX = 0.5
#: Frames of a track that counts as short.
SHORT = 3

Failure = dict[str, Any]


def missed_objects(scene: Scene, verdicts: Verdicts, tracks: np.ndarray,
                   threshold: float) -> Iterator[Failure]:
    """Runs of frames in which an object is not found, and objects that flicker.

    Args:
        scene: Detections and ground truth.
        verdicts: Of the scene.
        tracks: (M,), number of the object of every true box.
        threshold: Least score of a detection that counts.

    Yields:
        ``kind``: ``missed``, whose ``value`` is the length of the run, or ``flicker``, whose
        value is the number of changes between found and missed (two or more); ``frame`` and
        ``last`` in the ground truth, ``object``, the row of the first true box; ``reason``.
    """
    truth = scene.truth
    rows = np.flatnonzero(~truth.crowd)
    rows = rows[np.lexsort((truth.frame_index[rows], tracks[rows]))]
    found = _scores(scene, verdicts)[rows] >= threshold
    starts = run_starts(tracks[rows], found)
    for start, end in pairwise([*starts.tolist(), len(rows)]):
        if not found[start]:
            yield _of_object(truth.frame_index, rows[start], rows[end - 1], 'missed', end - start)
    for start, end in pairwise([*run_starts(tracks[rows]).tolist(), len(rows)]):
        changes = np.flatnonzero(found[start + 1:end] != found[start:end - 1]) + start + 1
        if len(changes) >= 2:
            first = changes[0] if not found[changes[0]] else changes[1]
            yield _of_object(truth.frame_index, rows[first], rows[changes[-1]], 'flicker',
                             len(changes))


def _scores(scene: Scene, verdicts: Verdicts) -> np.ndarray:
    """Score of the detection that has each object, (M,); -1 without one."""
    scores = np.append(scene.detections.scores, -1.0)
    return scores[verdicts.detection_of]


def _of_object(frame_index: np.ndarray, first: int, last: int, kind: str, value: int) -> Failure:
    return dict(kind=kind, frame=int(frame_index[first]), last=int(frame_index[last]),
                object=int(first), value=int(value), reason='')


def false_detections(scene: Scene, verdicts: Verdicts, threshold: float) -> Iterator[Failure]:
    """Detections that are false; one that goes on in the next frames counts once.

    Yields:
        As :func:`missed_objects`: the ``value`` of a ``false`` one is its largest score,
        ``frame`` and ``detection`` (a row) are where it has it, ``reason`` its verdict there.
    """
    found = scene.detections
    rows = np.flatnonzero(np.isin(verdicts.of_detection, (DUPLICATE, WRONG_CLASS, FALSE))
                          & (found.scores >= threshold))
    # Chains by their last row; a chain is one failure.
    open_chains: dict[int, list[list[int]]] = {}
    chains: list[list[int]] = []
    video = scene.truth.video[found.frame_index]
    for row in rows.tolist():
        label = int(found.labels[row])
        follows = [chain for chain in open_chains.get(label, []) if _follows(scene, chain[-1], row)
                   and video[chain[-1]] == video[row]]
        if follows:
            follows[0].append(row)
            continue
        chains.append([row])
        open_chains[label] = [chain for chain in open_chains.get(label, []) if found.frame_index[
            chain[-1]] >= found.frame_index[row] - 1] + [chains[-1]]
    for chain in chains:
        best = max(chain, key=lambda row: found.scores[row])
        yield dict(kind='false', frame=int(found.frame_index[best]),
                   last=int(found.frame_index[chain[-1]]), detection=best,
                   value=float(found.scores[best]),
                   reason=VERDICTS[verdicts.of_detection[best]])


def _follows(scene: Scene, before: int, row: int) -> bool:
    found = scene.detections
    return (found.frame_index[row] == found.frame_index[before] + 1
            and paired_iou(found.boxes[[before]], found.boxes[[row]])[0] >= SAME_BOX)


def broken_tracks(scene: Scene, tracks: np.ndarray, threshold: float) -> Iterator[Failure]:
    """Gaps in tracks, and tracks of few frames, where there is no ground truth.

    Args:
        scene: Detections; the ground truth has the frames alone.
        tracks: (N,), number of the track of every detection in its video, -1 for none.
        threshold: Least score of a detection that counts.

    Yields:
        ``kind`` ``gap``, whose ``value`` is its length, with the ``detection`` before it, or
        ``short``, whose value is the length of the track.
    """
    found = scene.detections
    rows = np.flatnonzero((tracks >= 0) & (found.scores >= threshold))
    video = scene.truth.video[found.frame_index[rows]]
    rows = rows[np.lexsort((found.frame_index[rows], tracks[rows], video))]
    starts = run_starts(scene.truth.video[found.frame_index[rows]], tracks[rows])
    for start, end in pairwise([*starts.tolist(), len(rows)]):
        frames = found.frame_index[rows[start:end]]
        for i in np.flatnonzero(np.diff(frames) > 1).tolist():
            yield dict(kind='gap', frame=int(frames[i]) + 1, last=int(frames[i + 1]) - 1,
                       detection=int(rows[start + i]), value=int(frames[i + 1] - frames[i]) - 1,
                       reason='')
        if len(frames) < SHORT:
            yield dict(kind='short', frame=int(frames[0]), last=int(frames[-1]),
                       detection=int(rows[start]), value=len(frames), reason='')
