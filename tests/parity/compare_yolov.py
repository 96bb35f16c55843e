"""Compare a run of YOLOV with a recorded one: rows by point, detections by class and box."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

Arrays = Mapping[str, np.ndarray]
BOX_MATCH = 0.5  #: two detections of one class are the same below this distance in pixels
#: What is compared of selected points: the name of the limit, the array, its columns.
FIELDS = (('box', 'sel', slice(0, 4)), ('base_score', 'sel', slice(4, None)),
          ('class_logit', 'cls_logits', slice(None)),
          ('objectness_logit', 'obj_logits', slice(None)))


def frames(data: Arrays, field: str, kind: str) -> list[np.ndarray]:
    """The parts of an array that is stored frame after frame."""
    return np.split(data[field], np.cumsum(data[f'{kind}_count'])[:-1])


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference; equal NaN are equal, other non-finite numbers differ infinitely."""
    if a.shape != b.shape:
        return np.inf
    same_nan = np.isnan(a) & np.isnan(b)
    values = np.where(same_nan, 0.0, np.abs(a.astype(np.float64) - b))
    return float(np.max(values, initial=0.0)) if np.isfinite(values).all() else np.inf


def match_detections(a: np.ndarray, b: np.ndarray, weakest: float) -> dict[str, float]:
    """Detections above ``weakest`` without partner, the largest differences of pairs."""
    score_a, score_b = a[:, 4] * a[:, 5], b[:, 4] * b[:, 5]
    distance = np.abs(a[:, None, :4].astype(np.float64) - b[None, :, :4]).max(2, initial=0.0)
    same = a[:, None, 6] == b[None, :, 6]
    distance = np.where(same, np.nan_to_num(distance, nan=np.inf), np.inf)
    left, right = set(range(len(a))), set(range(len(b)))
    worst = dict(box=0.0, score=0.0)
    for i, j in zip(*np.unravel_index(distance.argsort(axis=None), distance.shape), strict=True):
        if distance[i, j] > BOX_MATCH:
            break
        if i in left and j in right:
            left.remove(i)
            right.remove(j)
            worst['box'] = max(worst['box'], float(distance[i, j]))
            worst['score'] = max(worst['score'], float(abs(score_a[i] - score_b[j])))
    lost = sum(score_a[i] > weakest for i in left)
    return worst | dict(lost=int(lost + sum(not score_b[j] <= weakest for j in right)))


def compare(golden: Arrays, mine: Arrays, weakest: float) -> dict[str, float]:
    """The worst differences over all frames that both sides hold."""
    worst: dict[str, float] = defaultdict(float)
    if 'sel_idx' in golden and 'sel_idx' in mine:
        worst.update(compare_points(golden, mine))
    for kind in ('det', 'base'):
        if kind in golden and kind in mine:
            for a, b in zip(frames(golden, kind, kind), frames(mine, kind, kind), strict=True):
                for name, value in match_detections(a, b, weakest).items():
                    worst[f'{kind}_{name}'] = max(worst[f'{kind}_{name}'], value)
    return dict(worst)


def compare_points(golden: Arrays, mine: Arrays) -> dict[str, float]:
    """Differences of the selected points, in whatever order they are."""
    worst: dict[str, float] = defaultdict(float)
    orders = []
    for a, b in zip(frames(golden, 'sel_idx', 'sel'), frames(mine, 'sel_idx', 'sel'), strict=True):
        common, i, j = np.intersect1d(a, b, return_indices=True)
        lost = len(np.union1d(a, b)) - len(common)
        worst['candidates_lost'] = max(worst['candidates_lost'], lost)
        orders.append((i, j))
    for name, field, columns in FIELDS:
        if field not in golden or field not in mine:
            continue
        for (i, j), a, b in zip(orders, frames(golden, field, 'sel'), frames(mine, field, 'sel'),
                                strict=True):
            a, b = (part.reshape(len(part), int(np.prod(part.shape[1:]))) for part in (a, b))
            width = min(a.shape[1], b.shape[1])  # the published class layer has one more output
            worst[name] = max(worst[name], difference(
                a[i, :width][:, columns], b[j, :width][:, columns]))
    return worst
