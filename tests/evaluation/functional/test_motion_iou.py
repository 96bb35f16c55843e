"""Motion IoU: hand-computed tracks, a plain loop, and the published file."""

import numpy as np
import pytest
from scipy.io import savemat

from mmvod_plugins.evaluation.functional import (
    MOTION_GROUPS,
    load_motion_iou,
    motion_iou,
    read_motion_mat,
)

from .scenes import SHARED_DATA, make_truth

PUBLISHED = SHARED_DATA / 'vid_groundtruth_motion_iou.mat'
published = pytest.mark.skipif(not PUBLISHED.exists(),
                               reason=f'{PUBLISHED.name} is not in the folder shared/data')


def track(boxes, frames=None, num_frames=None, **changes):
    """One object of one video."""
    frames = range(len(boxes)) if frames is None else frames
    rows = [(frame, 0, box) for frame, box in zip(frames, boxes, strict=True)]
    changes = dict(instance_ids=np.zeros(len(rows), dtype=np.int64)) | changes
    return make_truth(rows, num_frames or max(frames) + 1, **changes)


LEFT, HALF = [0, 0, 9, 9], [0, 0, 9, 4]  # 10 x 10 and 10 x 5 pixels


@pytest.mark.parametrize(('truth', 'values'), [
    pytest.param(track([LEFT]), [1], id='alone'),
    pytest.param(track([LEFT] * 3), [1, 1, 1], id='still'),
    pytest.param(track([LEFT, HALF]), [0.5, 0.5], id='two frames'),
    pytest.param(track([LEFT, HALF, LEFT]), [0.75, 0.5, 0.75], id='mean over both sides'),
    pytest.param(track([LEFT, HALF], (0, 10)), [0.5, 0.5], id='ten frames apart'),
    pytest.param(track([LEFT, HALF], (0, 11)), [1, 1], id='eleven frames apart'),
    pytest.param(track([LEFT, HALF], instance_ids=np.array([0, 1])), [1, 1], id='two objects'),
    pytest.param(track([LEFT, HALF], videos=[0, 1]), [1, 1], id='two videos'),
    pytest.param(track([LEFT, [50, 50, 59, 59]]), [0, 0], id='no overlap'),
])
def test_table_of_motion(truth, values):
    np.testing.assert_allclose(motion_iou(truth).values, values, atol=2e-10)


def test_continuous_boxes():
    np.testing.assert_allclose(motion_iou(track([LEFT, HALF]), continuous=True).values, 4 / 9)


def test_radius_is_in_frames():
    truth = track([LEFT, HALF, HALF], (0, 1, 2))
    np.testing.assert_allclose(motion_iou(truth, radius=1).values, [0.5, 0.75, 1])


def test_frames_without_objects_are_counted():
    assert motion_iou(track([LEFT, HALF], (0, 2), num_frames=5)).num_empty == 3


def test_without_instances_there_is_no_motion():
    with pytest.raises(ValueError, match='no instance_id'):
        motion_iou(track([LEFT], instance_ids=None))


def plain_motion(truth, n):
    total, count = 0.0, 0
    frame_ids = truth.frame_ids[truth.frame_index]
    for m in range(len(truth.boxes)):
        distance = abs(int(frame_ids[n] - frame_ids[m]))
        if truth.tracks[n] == truth.tracks[m] and 1 <= distance <= 10:
            (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = truth.boxes[n], truth.boxes[m]
            inter = (max(min(ax2, bx2) - max(ax1, bx1) + 1, 0)
                     * max(min(ay2, by2) - max(ay1, by1) + 1, 0))
            union = ((ax2 - ax1 + 1) * (ay2 - ay1 + 1) + (bx2 - bx1 + 1) * (by2 - by1 + 1) - inter)
            total, count = total + inter / union, count + 1
    return (total + 1e-10) / (count + 1e-10)


@pytest.mark.parametrize('seed', range(3))
def test_all_at_once_is_one_by_one(seed):
    rng = np.random.default_rng(seed)
    rows, instances = [], []
    for frame in range(60):
        for instance in np.flatnonzero(rng.random(3) < 0.6).tolist():
            corner = rng.integers(20, size=2)
            rows.append((frame, 0, [*corner, *(corner + rng.integers(10, 40, size=2))]))
            instances.append(instance)
    truth = make_truth(rows, 60, videos=[f // 35 for f in range(60)],
                       instance_ids=np.array(instances))
    np.testing.assert_allclose(motion_iou(truth).values,
                               [plain_motion(truth, n) for n in range(len(rows))], rtol=1e-12)


def test_values_of_a_part_of_the_videos():
    truth = make_truth([(0, 0, LEFT), (2, 0, LEFT), (2, 0, HALF), (3, 0, HALF)], 6,
                       videos=['a', 'a', 'b', 'b', 'b', 'c'],
                       instance_ids=np.array([0, 1, 2, 1]))
    whole = motion_iou(truth)
    for part in (['b'], ['a', 'c']):
        of_part, alone = whole.subset(truth, part), motion_iou(truth.subset(part))
        np.testing.assert_array_equal(of_part.values, alone.values)
        assert of_part.num_empty == alone.num_empty


def write_mat(path, frames):
    cells = np.empty((len(frames), 1), dtype=object)
    for f, values in enumerate(frames):
        cells[f, 0] = np.array(values).reshape(-1, 1) if values else np.zeros((0, 0))
    savemat(path, dict(motion_iou=cells))
    return path


def test_reading_a_file(tmp_path):
    path = write_mat(tmp_path / 'motion.mat', [[0.5], [], [1, 0.25]])
    values, counts = read_motion_mat(path)
    assert values.tolist() == [0.5, 1, 0.25]
    assert counts.tolist() == [1, 0, 2]
    motion = load_motion_iou(path, make_truth([(0, 0, LEFT), (2, 0, LEFT), (2, 0, HALF)], 3))
    assert motion.values.tolist() == [0.5, 1, 0.25]
    assert motion.num_empty == 1


@pytest.mark.parametrize(('frames', 'message'), [
    ([[0.5], []], 'has 2 frames, the ground truth 3'),
    ([[0.5], [1.0], [0.5]], r'1 values for row 1, but image 101 .* 0 boxes \(2 frames differ\)'),
])
def test_a_file_of_other_frames_is_refused(frames, message, tmp_path):
    path = write_mat(tmp_path / 'motion.mat', frames)
    with pytest.raises(ValueError, match=message):
        load_motion_iou(path, make_truth([(0, 0, LEFT), (2, 0, LEFT), (2, 0, HALF)], 3))


def test_another_file_is_refused(tmp_path):
    savemat(tmp_path / 'other.mat', dict(boxes=np.zeros(3)))
    with pytest.raises(ValueError, match=r"no cell array .*\['boxes'\]"):
        read_motion_mat(tmp_path / 'other.mat')


@published
def test_distribution_of_the_published_file():
    values, counts = read_motion_mat(PUBLISHED)
    assert (len(values), len(counts), int(np.sum(counts == 0))) == (273_505, 176_126, 4_046)
    inside = {group.name: (values >= group.motion[0]) & (values <= group.motion[1])
              for group in MOTION_GROUPS}
    shares = {name: round(100 * float(rows.mean()), 1) for name, rows in inside.items()}
    assert shares == dict(fast=26.2, medium=35.9, slow=37.9)
    assert int(np.sum(values == 1)) == 2178


@published
def test_weights_of_empty_frames_from_the_published_file():
    """The shares that the published evaluations use, empty cells read as 0."""
    values, counts = read_motion_mat(PUBLISHED)
    truth = make_truth([(f, 0, LEFT) for f in np.repeat(np.arange(len(counts)), counts).tolist()],
                       len(counts), videos=list(range(len(counts))))
    motion = load_motion_iou(PUBLISHED, truth)
    np.testing.assert_array_equal(motion.values, values)
    shares = {group.name: round(group.share(truth, motion), 4) for group in MOTION_GROUPS}
    assert shares == dict(fast=0.2724, medium=0.3539, slow=0.3738)
