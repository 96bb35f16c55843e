"""Compare a run of YOLOV with a recorded one: rows by point, detections by class and box."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

BOX_MATCH = 0.5  #: two detections of one class are the same below this distance in pixels


def frames(data: Mapping[str, np.ndarray], field: str, kind: str) -> list[np.ndarray]:
    """Split an array that is stored frame after frame."""
    return np.split(data[field], np.cumsum(data[f"{kind}_count"])[:-1])


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference; equal NaN are equal, other non-finite numbers differ infinitely."""
    if a.shape != b.shape:
        return np.inf
    same_nan = np.isnan(a) & np.isnan(b)
    values = np.where(same_nan, 0.0, np.abs(a.astype(np.float64) - b))
    return float(np.max(values, initial=0.0)) if np.isfinite(values).all() else np.inf


def match_detections(a: np.ndarray, b: np.ndarray, weakest: float) -> tuple[int, float, float]:
    """Return detections above ``weakest`` without partner, and the largest box and score difference of pairs."""
    score_a, score_b = a[:, 4] * a[:, 5], b[:, 4] * b[:, 5]
    distance = np.abs(a[:, None, :4].astype(np.float64) - b[None, :, :4]).max(axis=2, initial=0.0)
    distance = np.where(a[:, None, 6] == b[None, :, 6], np.nan_to_num(distance, nan=np.inf), np.inf)
    left, right, box, score = set(range(len(a))), set(range(len(b))), 0.0, 0.0
    for i, j in zip(*np.unravel_index(np.argsort(distance, axis=None), distance.shape)):
        if distance[i, j] > BOX_MATCH:
            break
        if i in left and j in right:
            left.remove(i)
            right.remove(j)
            box, score = max(box, distance[i, j]), max(score, abs(score_a[i] - score_b[j]))
    lost = sum(score_a[i] > weakest for i in left) + sum(not score_b[j] <= weakest for j in right)
    return int(lost), float(box), float(score)


def compare(golden: Mapping[str, np.ndarray], mine: Mapping[str, np.ndarray], weakest: float) -> dict[str, float]:
    """Return the worst differences over all frames that both sides hold."""
    worst: dict[str, float] = {}

    def note(name: str, value: float) -> None:
        worst[name] = max(worst.get(name, 0.0), value)

    if "sel_idx" in golden and "sel_idx" in mine:
        note("candidates_lost", 0)
        orders = []
        for a, b in zip(frames(golden, "sel_idx", "sel"), frames(mine, "sel_idx", "sel"), strict=True):
            common, i, j = np.intersect1d(a, b, return_indices=True)
            note("candidates_lost", len(np.union1d(a, b)) - len(common))
            orders.append((i, j))
        for name, columns in (("sel", slice(0, 4)), ("sel", slice(4, None)), ("cls_logits", slice(None)), ("obj_logits", slice(None))):
            if name in golden and name in mine:
                label = {"cls_logits": "class_logit", "obj_logits": "objectness_logit"}.get(name) or ("box" if columns.stop == 4 else "base_score")
                for (i, j), a, b in zip(orders, frames(golden, name, "sel"), frames(mine, name, "sel"), strict=True):
                    a, b = (part.reshape(len(part), int(np.prod(part.shape[1:]))) for part in (a, b))
                    width = min(a.shape[1], b.shape[1])  # the published class layer has one column more than there are classes
                    note(label, difference(a[i, :width][:, columns], b[j, :width][:, columns]))
    for kind in ("det", "base"):
        if kind in golden and kind in mine:
            for a, b in zip(frames(golden, kind, kind), frames(mine, kind, kind), strict=True):
                for label, value in zip(("lost", "box", "score"), match_detections(a, b, weakest), strict=True):
                    note(f"{kind}_{label}", value)
    return worst
