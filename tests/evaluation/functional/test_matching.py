"""The rounds give what the loop gives."""

import numpy as np
import pytest

from mmvod_plugins.evaluation.functional.candidates import Candidates, Query, find_candidates
from mmvod_plugins.evaluation.functional.matching import match, match_groups
from mmvod_plugins.evaluation.functional.pairs import join
from mmvod_plugins.evaluation.functional.scene import Scene, descending

from .scenes import random_scene


def loop(candidates, rank, ignored, crowd, prefer):
    """Going through the detections one after the other, as mega.pytorch or pycocotools does."""
    taken, matches = set(), {}
    for det in sorted(set(candidates.det.tolist()), key=lambda d: rank[d]):
        best = None
        rows = np.flatnonzero(candidates.det == det)
        if prefer == 'coco':
            rows = rows[np.argsort(ignored[candidates.gt[rows]], kind='stable')]
        for row in rows:
            gt, iou = candidates.gt[row], candidates.iou[row]
            if gt in taken and not crowd[gt]:
                continue
            if prefer == 'coco':
                if best is not None and not ignored[best[0]] and ignored[gt]:
                    break
                better = best is None or iou >= best[1]
            else:
                better = best is None or iou > best[1] or (iou == best[1] and ignored[best[0]])
            best = (gt, iou) if better else best
        if best is not None:
            taken.add(best[0])
            matches[det] = best[0]
    return matches


@pytest.mark.parametrize('prefer', ['overlap', 'coco'])
def test_rounds_are_the_loop(prefer):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        table = np.round(rng.random((20, 10)) * 6) / 6
        det, gt = np.nonzero(rng.random(table.shape) < 0.4)
        candidates = Candidates(det, gt, table[det, gt])
        rank, ignored = rng.permutation(20), rng.random(10) < 0.4
        crowd = ignored & (rng.random(10) < 0.5) & (prefer == 'coco')
        found = match(candidates, rank, ignored, crowd, prefer)
        expected = loop(candidates, rank, ignored, crowd, prefer)
        assert dict(zip(found.det.tolist(), found.gt.tolist(), strict=True)) == expected


@pytest.mark.parametrize('prefer', ['overlap', 'coco'])
def test_matching_again_where_needed_is_matching_all_again(prefer):
    for seed in range(10):
        detections, truth, _ = random_scene(seed, num_classes=2)
        scene, rng = Scene(detections, truth), np.random.default_rng(seed)
        # Every second threshold lets more pairs through, so ties of small overlaps occur, too.
        thresholds = np.where(np.arange(len(truth.boxes)) % 2, 0.1, 0.5)
        candidates = find_candidates(scene, [Query(truth.boxes, 0, thresholds)])[0]
        ignored = rng.random((5, len(truth.boxes))) < np.array([[0], [0.2], [0.5], [0.8], [1]])
        for row, found in zip(ignored, match_groups(candidates, scene, ignored, prefer=prefer),
                              strict=True):
            again = match(candidates, scene.rank, row, prefer=prefer)
            assert (set(zip(found.det.tolist(), found.gt.tolist(), strict=True))
                    == set(zip(again.det.tolist(), again.gt.tolist(), strict=True)))


def test_join_pairs_equal_units():
    left, right = np.array([2, 0, 1, 2]), np.array([2, 3, 0, 2])
    rows, columns = join(left, right, 4)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [
        (0, 0), (0, 3), (1, 2), (3, 0), (3, 3)]


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_descending_is_stable(dtype):
    scores = np.array([0.5, -0.0, 1.5, 0.0, 0.5, 0.0, 1e-30], dtype=dtype)
    assert descending(scores).tolist() == [2, 0, 4, 6, 1, 3, 5]
