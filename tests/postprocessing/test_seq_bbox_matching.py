"""Seq-Bbox Matching, by hand-computed cases; the parity tests hold recorded ones."""

import numpy as np
import pytest
from mmdet.registry import TASK_UTILS

from mmvod_plugins.postprocessing import SeqBboxMatching
from mmvod_plugins.postprocessing.seq_bbox_matching import seq_bbox_distance

from .score_videos import random_video, table, video


def test_distance():
    boxes = np.array([[0.0, 0, 10, 10], [20, 0, 30, 10]])
    found = seq_bbox_distance(boxes, np.array([[0.0, 0, 10, 20]]), np.array([[0.5, 0.5]] * 2),
                              np.array([[0.2, 0.6]]))
    np.testing.assert_allclose(found, [[1 / (0.5 * 0.4)], [np.inf]])


def test_tubelets_share_their_mean_and_others_keep_their_scores():
    given = video([[(0, 0, 0.9), (0, 1, 0.3), (50, 1, 0.4)], [(2, 0, 0.5)]])
    result = TASK_UTILS.build(dict(type='SeqBboxMatching'))(given)
    assert table(result) == [(0, 0, 0, 0.7), (0, 0, 1, 0.15), (0, 50, 1, 0.4),
                             (1, 2, 0, 0.7), (1, 2, 1, 0.15)]
    assert result.track_ids.tolist() == [0, 0, -1, 0, 0]
    assert result.class_scores is None


def test_boxes_of_different_classes_are_not_linked():
    given = video([[(0, 0, 0.9)], [(0, 1, 0.9)]])
    assert SeqBboxMatching()(given).track_ids.tolist() == [-1, -1]


def test_missing_frames_part_tubelets():
    given = video([[(0, 0, 0.9)]] * 4, frame_ids=[0, 1, 3, 4])
    assert SeqBboxMatching()(given).track_ids.tolist() == [0, 0, 1, 1]


def test_weak_classes_are_left_out():
    given = video([[(0, 0, 0.9), (0, 1, 0.002)], [(0, 0, 0.9)]])
    assert SeqBboxMatching(min_score=0.001)(given).labels.tolist() == [0, 0]


@pytest.mark.parametrize('frame_ids', [range(7), (0, 1, 2, 5, 6, 7, 8)], ids=['dense', 'a gap'])
def test_causal_results_do_not_depend_on_later_frames(frame_ids):
    given = random_video(4).with_arrays(frame_ids=np.array(frame_ids))
    causal = SeqBboxMatching(causal=True)
    whole = causal(given)
    for stop in range(1, 8):
        part = causal(given.frames_between(0, stop))
        assert table(part) == table(whole.frames_between(0, stop))
    assert table(SeqBboxMatching()(given)) != table(whole)
