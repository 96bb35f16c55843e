"""Recall of proposals."""

import numpy as np
import pytest

from mmvod_plugins.evaluation.functional import pairs, proposal_recall
from mmvod_plugins.structures.boxes import PairGeometry

from .scenes import make_detections, make_truth, random_scene

BOX, FAR = [0, 0, 99, 99], [150, 150, 199, 199]


def plain_recall(proposals, truth, limit, offset):
    """The published loop, frame after frame."""
    covered = 0
    for frame in range(truth.num_frames):
        rows = np.flatnonzero(proposals.frame_index == frame)
        rows = rows[np.argsort(-proposals.scores[rows], kind='stable')][:limit]
        gts = np.flatnonzero((truth.frame_index == frame) & ~truth.crowd)
        table = np.zeros((len(rows), len(gts)))
        for i, row in enumerate(rows):
            first = np.tile(proposals.boxes[row], (len(gts), 1))
            table[i] = PairGeometry.of(first, truth.boxes[gts]).iou(offset)
        for _ in range(min(table.shape)):
            best = table.argmax(axis=0)
            gt = table.max(axis=0).argmax()
            covered += table[best[gt], gt] >= 0.5
            table[best[gt]] = -1
            table[:, gt] = -1
    return covered / np.sum(~truth.crowd)


@pytest.mark.parametrize('limit', [2, 5, 300])
def test_all_frames_at_once_is_frame_by_frame(limit, monkeypatch):
    for seed in range(8):
        proposals, truth, _ = random_scene(seed, crowds=seed % 2 == 1, tied_scores=True)
        expected = plain_recall(proposals, truth, limit, 1)
        assert proposal_recall(proposals, truth, limit) == pytest.approx(expected, rel=1e-12)
        with monkeypatch.context() as patch:
            patch.setattr(pairs, 'CHUNK', 1)
            assert proposal_recall(proposals, truth, limit) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(('rows', 'limit', 'recall'), [
    pytest.param([(0.9, BOX), (0.8, FAR)], 300, 1, id='both'),
    pytest.param([(0.9, BOX), (0.8, FAR)], 1, 0.5, id='the best one only'),
    pytest.param([(0.9, BOX), (0.8, BOX)], 300, 0.5, id='the same twice'),
    pytest.param([], 300, 0, id='none'),
])
def test_table_of_recall(rows, limit, recall):
    truth = make_truth([(0, 0, BOX), (0, 1, FAR)])
    proposals = make_detections([(0, 0, score, box) for score, box in rows])
    assert proposal_recall(proposals, truth, limit) == recall


def test_without_objects_there_is_no_recall():
    assert np.isnan(proposal_recall(make_detections([]), make_truth([])))
