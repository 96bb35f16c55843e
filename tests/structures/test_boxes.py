"""Areas and IoU of boxes against hand-computed numbers."""

import numpy as np
import pytest

from mmvod_plugins.structures.boxes import box_areas, paired_iou, pairwise_iou

TABLE = {
    'the same box': ([0, 0, 10, 10], [0, 0, 10, 10], 1, 1),
    'half of one': ([0, 0, 10, 10], [0, 0, 5, 10], 1 / 2, 66 / 121),
    'touching': ([0, 0, 10, 10], [10, 0, 20, 10], 0, 11 / 231),
    'apart': ([0, 0, 10, 10], [12, 0, 20, 10], 0, 0),
    'one pixel': ([5, 5, 5, 5], [5, 5, 5, 5], 0, 1),
    'swapped sides': ([10, 10, 0, 0], [0, 0, 10, 10], 0, 0),
}


@pytest.mark.parametrize(('a', 'b', 'plain', 'inclusive'), TABLE.values(), ids=TABLE)
def test_hand_computed_overlaps(a, b, plain, inclusive):
    a, b = np.array([a]), np.array([b])
    for first, second in ((a, b), (b, a)):
        assert pairwise_iou(first, second) == pytest.approx(plain)
        assert pairwise_iou(first, second, 1.0) == pytest.approx(inclusive)
        assert paired_iou(first, second) == pytest.approx(plain)


def test_areas_count_inclusive_pixels():
    boxes = np.array([[0, 0, 9, 4], [3, 3, 3, 3], [9, 9, 0, 0]])
    assert box_areas(boxes).tolist() == [36, 0, 0]
    assert box_areas(boxes, 1.0).tolist() == [50, 1, 0]


def test_single_precision_boxes_are_compared_in_double():
    boxes = np.random.default_rng(0).uniform(0, 20, (4, 4)).astype(np.float32)
    np.testing.assert_array_equal(pairwise_iou(boxes, boxes),
                                  pairwise_iou(boxes.astype(float), boxes.astype(float)))


@pytest.mark.parametrize('shape', [(0, 3), (3, 0), (0, 0)])
def test_no_boxes_have_no_overlaps(shape):
    assert pairwise_iou(np.zeros((shape[0], 4)), np.zeros((shape[1], 4))).shape == shape
