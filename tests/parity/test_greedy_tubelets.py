"""Greedy tubelets of Seq-Bbox Matching: every recorded case."""

import numpy as np
import pytest

from mmvod_plugins.postprocessing import SeqBboxMatching, greedy_tubelets
from mmvod_plugins.postprocessing.seq_bbox_matching import seq_bbox_distance
from mmvod_plugins.postprocessing.tubelets import tubelet_means
from mmvod_plugins.structures import VideoDetections

from . import golden
from .golden import assert_near, case_name, load

CASES = golden.cases('papers/linking/greedy_tubelets*.npz')


def real(data, name):
    """The entries of an array that are no padding, frame after frame."""
    return np.concatenate([entries[:count] for entries, count in
                           zip(data[name], data['num_boxes'], strict=True)])


@pytest.mark.parametrize('path', CASES)
def test_tubelets_and_their_scores(path):
    data = load(path)
    num_boxes, boxes, vectors = data['num_boxes'], data['boxes'], data['class_scores']
    distances = [seq_bbox_distance(boxes[t, :num_boxes[t]], boxes[t + 1, :num_boxes[t + 1]],
                                   vectors[t, :num_boxes[t]], vectors[t + 1, :num_boxes[t + 1]])
                 for t in range(len(num_boxes) - 1)]
    tubelets = greedy_tubelets(num_boxes, distances)
    assert tubelets.tolist() == real(data, 'tubelet').tolist()
    means = tubelet_means(real(data, 'class_scores'), tubelets)
    assert_near(case_name(path), 'scores', means, real(data, 'new_class_scores'), 1e-9)


@pytest.mark.parametrize('path', CASES)
def test_post_processor_on_a_video(path):
    """The boxes are given as detections of their best class, with ``class_scores``."""
    data = load(path)
    vectors = real(data, 'class_scores')
    video = VideoDetections(
        'golden', np.arange(len(data['num_boxes'])), data['num_boxes'], real(data, 'boxes'),
        vectors.max(axis=1), vectors.argmax(axis=1), class_scores=vectors)
    result = SeqBboxMatching(min_score=0)(video)
    if not len(video):
        assert result.equals(video)
        return
    box, label = np.nonzero(real(data, 'new_class_scores') > 0)
    assert result.labels.tolist() == label.tolist()
    assert result.track_ids.tolist() == real(data, 'tubelet')[box].tolist()
    assert np.array_equal(result.boxes, video.boxes[box])
    expected = real(data, 'new_class_scores')[box, label]
    assert_near(case_name(path), 'detections', result.scores, expected, 1e-9)
