"""Compare detections with a run of mega.pytorch, proposal by proposal.

Both sides are dictionaries with the arrays ``prop_*``, ``det_*``, ``logits_<t>`` and ``deltas_<t>``
of a recorded run. Rows are matched by box, so a swap of two almost equally scored proposals does
no harm. A number that is not finite differs infinitely.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

BOX_MATCH = 0.05  #: two proposals are the same below this distance in pixels
DET_MATCH = 0.5  #: two detections of one class are the same below this distance
DET_SCORE = 0.05  #: weaker detections may come and go at the 300-box limit


def rows(data: Mapping[str, np.ndarray], kind: str, field: str, frame: int) -> np.ndarray:
    """The rows of one frame from an array stored frame after frame."""
    stop = np.cumsum(data[f'{kind}_count'])[frame]
    return data[f'{kind}_{field}'][stop - data[f'{kind}_count'][frame]:stop]


def match(boxes: np.ndarray, others: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Match boxes one to one by largest corner difference; return both index lists."""
    difference = np.abs(boxes[:, None].astype(np.float64) - others[None])
    distance = np.nan_to_num(difference.max(axis=2), nan=np.inf)
    order = np.unravel_index(np.argsort(distance, axis=None), distance.shape)
    left, right = [], []
    for i, j in zip(*order, strict=True):
        if distance[i, j] > limit:
            break
        if i not in left and j not in right:
            left.append(i)
            right.append(j)
    return np.array(left, dtype=int), np.array(right, dtype=int)


def compare(golden: Mapping[str, np.ndarray], mine: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The worst differences over all frames that both sides hold."""
    worst = dict.fromkeys(
        ('proposals_lost', 'proposals_swapped', 'proposal_box', 'proposal_score', 'logits',
         'logits_mean', 'deltas', 'detections_lost', 'detection_box', 'detection_score'), 0.0)

    def note(name: str, values: np.ndarray) -> None:
        if np.size(values):
            largest = float(np.max(values)) if np.all(np.isfinite(values)) else np.inf
            worst[name] = max(worst[name], largest)

    for t in range(min(len(golden['prop_count']), len(mine['prop_count']))):
        a, b = rows(golden, 'prop', 'boxes', t), rows(mine, 'prop', 'boxes', t)
        i, j = match(a, b, BOX_MATCH)
        note('proposals_lost', max(len(a), len(b)) - len(i))
        note('proposals_swapped', np.sum(i != j))
        note('proposal_box', np.abs(a[i] - b[j]))
        scores = rows(golden, 'prop', 'scores', t)[i], rows(mine, 'prop', 'scores', t)[j]
        note('proposal_score', np.abs(scores[0] - scores[1]))
        for name in ('logits', 'deltas'):
            if f'{name}_{t}' in golden and f'{name}_{t}' in mine:
                difference = np.abs(golden[f'{name}_{t}'][i] - mine[f'{name}_{t}'][j])
                note(name, difference)
                if name == 'logits':
                    note('logits_mean', difference.mean())
        labels, other_labels = rows(golden, 'det', 'labels', t), rows(mine, 'det', 'labels', t)
        for label in np.union1d(labels, other_labels):
            p, q = np.flatnonzero(labels == label), np.flatnonzero(other_labels == label)
            a, b = rows(golden, 'det', 'boxes', t)[p], rows(mine, 'det', 'boxes', t)[q]
            s, r = rows(golden, 'det', 'scores', t)[p], rows(mine, 'det', 'scores', t)[q]
            i, j = match(a, b, DET_MATCH)
            note('detection_box', np.abs(a[i] - b[j]))
            note('detection_score', np.abs(s[i] - r[j]))
            alone = np.concatenate([np.delete(s, i), np.delete(r, j)])
            worst['detections_lost'] += np.sum(alone > DET_SCORE)
    return worst
