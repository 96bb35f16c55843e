"""Temporal stability: hand-computed tracks, and a plain loop."""

from itertools import pairwise

import numpy as np
import pytest

from mmvod_plugins.evaluation.functional import temporal_stability

from .scenes import make_detections, make_truth

BOX = np.array([100.0, 100, 150, 200])  # 50 wide, 100 high
NAN = float('nan')


def moved(*sides):
    return BOX + np.array(sides)


def one_track(boxes, scores=None):
    """An object that stays where it is for as many frames as there are boxes (None: missed)."""
    truth = make_truth([(f, 0, BOX) for f in range(len(boxes))], len(boxes),
                       instance_ids=np.zeros(len(boxes), dtype=np.int64))
    scores = [0.9] * len(boxes) if scores is None else scores
    detections = make_detections([(f, 0, scores[f], box) for f, box in enumerate(boxes)
                                  if box is not None])
    return temporal_stability(detections, truth)


@pytest.mark.parametrize(('boxes', 'fragment', 'centre', 'scale_ratio'), [
    pytest.param([BOX] * 4, 0, 0, 0, id='steady'),
    pytest.param([BOX + 5] * 4, 0, 0, 0, id='steadily wrong'),
    pytest.param([None] * 3, 0, NAN, NAN, id='steadily missed'),
    pytest.param([BOX, None, BOX], 1, 0, 0, id='flickers'),
    pytest.param([BOX, BOX, None, None, None], 1 / 4, 0, 0, id='lost once'),
    pytest.param([None, BOX, None], 1, NAN, NAN, id='found once'),
    pytest.param([BOX], NAN, NAN, NAN, id='one frame'),
    # Offsets 0 and 10 of 50: deviation 0.1; of 100: 0.05.
    pytest.param([BOX, moved(10, 0, 10, 0)], 0, 0.1, 0, id='jumps right'),
    pytest.param([BOX, moved(10, 10, 10, 10)], 0, 0.15, 0, id='jumps right and down'),
    # Half as high again: sqrt(1.5) and 1 / 1.5, the centre stays.
    pytest.param([BOX, moved(0, -25, 0, 25)], 0, 0,
                 (np.sqrt(1.5) - 1) / 2 + (1 - 1 / 1.5) / 2, id='grows in height'),
    pytest.param([BOX, moved(-5, -10, 5, 10)], 0, 0, 0.1, id='grows by a fifth'),
])
def test_table_of_stability(boxes, fragment, centre, scale_ratio):
    result = one_track(boxes)
    errors = [result.fragment_error, result.centre_error, result.scale_ratio_error]
    np.testing.assert_allclose(errors, [fragment, centre, scale_ratio], rtol=1e-5, atol=1e-12)


def test_low_scores_are_misses():
    assert one_track([BOX] * 3, [0.9, 0.4, 0.5]).fragment_error == 1


def test_tracks_are_averaged_and_told_apart_by_class():
    far = BOX + 150
    rows = [(0, 0, BOX), (0, 1, far), (1, 0, BOX), (1, 1, far)]
    truth = make_truth(rows, 2, instance_ids=np.array([3, 5, 3, 5]))
    detections = make_detections([(0, 0, 0.9, BOX), (1, 0, 0.9, BOX), (1, 1, 0.9, far)])
    result = temporal_stability(detections, truth)
    assert result.fragment_error == 0.5
    assert result.of_class(0).fragment_error == 0
    assert result.of_class(1).fragment_error == 1
    assert np.isnan(result.of_class(1).centre_error)


def test_the_frames_of_a_track_are_its_steps():
    """Frames without the object are no misses; crowds are no objects."""
    truth = make_truth([(0, 0, BOX), (2, 0, BOX), (3, 0, BOX)], 4,
                       instance_ids=np.array([0, 0, 1]), crowd=np.array([False, False, True]))
    result = temporal_stability(make_detections([(0, 0, 0.9, BOX)]), truth)
    assert result.fragment.tolist() == [1]


@pytest.mark.parametrize('seed', range(3))
def test_all_tracks_at_once_is_one_by_one(seed):
    rng = np.random.default_rng(seed)
    rows = [(f, 0, BOX + 160 * i + rng.integers(5)) for f in range(15) for i in range(2)
            if rng.random() < 0.8]
    instances = np.array([int(box[0] > 200) for _, _, box in rows])
    truth = make_truth(rows, 15, instance_ids=instances)
    chosen = [n for n in range(len(rows)) if rng.random() < 0.7]
    boxes = {n: np.float32(rows[n][2] + rng.normal(size=4)).astype(float) for n in chosen}
    result = temporal_stability(make_detections(
        [(rows[n][0], 0, 0.9, boxes[n]) for n in chosen]), truth)
    expected = [plain_stability([n for n in range(len(rows)) if instances[n] == i], boxes,
                                truth.boxes) for i in range(2)]
    np.testing.assert_allclose(
        np.column_stack([result.fragment, result.centre, result.scale_ratio]), expected,
        rtol=1e-10)


def plain_stability(rows, boxes, truth):
    found = [n in boxes for n in rows]
    changes = sum(a != b for a, b in pairwise(found))
    values = []
    for n in rows:
        if n in boxes:
            (px1, py1, px2, py2), (gx1, gy1, gx2, gy2) = boxes[n], truth[n]
            pw, ph, gw, gh = px2 - px1, py2 - py1, gx2 - gx1, gy2 - gy1
            values.append([((px1 + px2) / 2 - (gx1 + gx2) / 2) / gw,
                           ((py1 + py2) / 2 - (gy1 + gy2) / 2) / gh,
                           (pw * ph / gw / gh)**0.5, (pw / ph) / (gw / gh)])
    deviations = np.std(values, axis=0)
    return [changes / (len(rows) - 1), deviations[0] + deviations[1],
            deviations[2] + deviations[3]]


def test_without_instances_there_is_no_stability():
    with pytest.raises(ValueError, match='no instance_id'):
        temporal_stability(make_detections([]), make_truth([(0, 0, BOX)]))


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match='scores nan'):
        one_track([BOX, BOX], [0.9, NAN])
