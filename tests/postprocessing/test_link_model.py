"""Features of a pair of boxes and the probability made of them, by hand-computed numbers."""

import re

import numpy as np
import pytest

from mmvod_plugins.postprocessing import LinkModel
from mmvod_plugins.postprocessing.link_model import PAIR_FEATURES, pair_features, sigmoid

NAMES = list(PAIR_FEATURES)
BOX = [0, 0, 10, 20]


@pytest.mark.parametrize(('other', 'expected'), [
    (BOX, [1, 0, 1, 1]),
    ([0, 0, 10, 10], [0.5, 0.1, 1, 0.5]),
    ([30, 40, 40, 60], [0, 1, 1, 1]),
    ([0, 0, 40, 20], [0.25, 0.3, 0.25, 1]),
    ([5, 10, 5, 10], [0, 0, 0, 0]),
], ids=['same', 'half as high', 'apart by the diagonal', 'wider', 'a point'])
def test_features(other, expected):
    """The image is 30 high and 40 wide: its diagonal is 50."""
    found = pair_features(np.array([BOX]), np.array([other]), NAMES, (30, 40))
    np.testing.assert_allclose(found[0, 0], expected)


def test_features_of_all_pairs_in_the_order_asked_for():
    first, second = np.random.default_rng(0).uniform(0, 9, size=(2, 3, 4))
    found = pair_features(first, second[:2], ['height_ratio', 'iou'], None)
    assert found.shape == (3, 2, 2)
    alone = pair_features(first[2:], second[1:2], ['iou'], None)
    assert found[2, 1, 1] == alone[0, 0, 0]


@pytest.mark.parametrize('name', NAMES)
def test_features_are_symmetric(name):
    first, second = np.sort(np.random.default_rng(0).uniform(0, 9, size=(2, 5, 4)), axis=-1)
    there = pair_features(first, second, [name], (9, 9))
    back = pair_features(second, first, [name], (9, 9))
    np.testing.assert_allclose(there, back.swapaxes(0, 1), rtol=1e-12)


def test_two_boxes_without_width_are_equally_wide():
    points = np.array([[3.0, 3, 3, 3], [9, 9, 9, 9]])
    assert np.all(pair_features(points, points, ['width_ratio', 'height_ratio'], None) == 1)


def test_center_distance_without_image_size_is_explained():
    with pytest.raises(ValueError, match=r'img_shape .* or fit a link_model without'):
        pair_features(np.array([BOX]), np.array([BOX]), ['center_distance'], None)


def test_probability():
    model = LinkModel(['iou', 'height_ratio'], [4.0, 2.0], -3.0)
    boxes = np.array([BOX, [0, 0, 10, 10]])
    found = model.probability(boxes, boxes[1:], None)
    np.testing.assert_allclose(found[:, 0], [0.5, 1 / (1 + np.exp(-3))])


def test_sigmoid_of_any_size():
    values = sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    assert values.tolist() == [0, 0.5, 1]


GOOD = dict(features=['iou'], coefficients=[1.0], intercept=0.0)


@pytest.mark.parametrize(('config', 'words'), [
    (dict(GOOD, features=['area']), "['area']; expected some of ['iou'"),
    (dict(GOOD, features=[], coefficients=[]), 'none given; expected some of'),
    (dict(GOOD, coefficients=[1.0, 2.0]), '2 coefficients for the 1 features'),
    (dict(GOOD, intercept=float('nan')), 'must be finite'),
    (dict(features=['iou'], coefficients=[1.0]), "expected are exactly ['coefficients'"),
    (dict(GOOD, threshold=1), 'fit_repp.py prints'),
], ids=['feature', 'no-feature', 'count', 'nan', 'missing', 'further'])
def test_incomplete_models_are_explained(config, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        LinkModel.from_config(config)


def test_a_model_is_its_own_config():
    model = LinkModel.from_config(GOOD)
    assert LinkModel.from_config(model) is model
