"""Detections find their frames, and what cannot be evaluated is refused."""

from dataclasses import replace

import numpy as np
import pytest

from mmvod_plugins.evaluation.functional import (
    Detections,
    check_detections,
    evaluate,
    to_detections,
)
from mmvod_plugins.structures import VideoDetections

from .scenes import make_detections, make_truth, random_scene, video_of

BOX = [0, 0, 50, 50]


def truth_of_two_videos():
    return make_truth([(0, 0, BOX), (3, 1, BOX)], num_frames=4, videos=['a', 'a', 'b', 'b'])


def detected(video_id='a', image_ids=(100, 101), counts=(1, 1), **changes):
    total = sum(counts)
    video = VideoDetections(
        video_id, np.arange(len(counts)), np.array(counts), np.tile(np.float32(BOX), (total, 1)),
        np.full(total, 0.5, dtype=np.float32), np.zeros(total, dtype=np.int64),
        image_ids=None if image_ids is None else np.array(image_ids))
    return replace(video, **changes)


def test_frames_are_found_by_image_id():
    truth = truth_of_two_videos()
    videos = [detected('b', (102, 103), (2, 1)), detected('a', counts=(0, 1))]
    found = to_detections(videos, truth)
    assert found.frame_index.tolist() == [1, 2, 2, 3]
    assert found.missing.tolist() == []
    assert found.labels.dtype == np.int16
    assert found.boxes.dtype == np.float32


def test_frames_are_found_by_video_and_frame_id():
    video = detected('b', None, (1, ), frame_ids=np.array([1]))
    found = to_detections([video], truth_of_two_videos())
    assert found.frame_index.tolist() == [3]
    assert found.missing.tolist() == [0, 1, 2]


@pytest.mark.parametrize('videos', [[], [detected(counts=(0, 0))]], ids=['none', 'empty video'])
def test_nothing_detected(videos):
    found = to_detections(videos, truth_of_two_videos())
    assert len(found) == 0
    assert len(found.missing) == 4 - 2 * len(videos)


def test_objects_of_missing_frames_are_missed():
    truth = truth_of_two_videos()
    result = evaluate(to_detections([detected(counts=(1, 0))], truth), truth, ('voc', ))
    np.testing.assert_allclose(result['voc']['all'].ap, [1, 0])


@pytest.mark.parametrize('in_parts', [False, True])
def test_the_way_through_videos_changes_nothing(in_parts):
    detections, truth, _ = random_scene(1)
    videos = [video_of(truth, video_id, detections) for video_id in truth.videos]
    if in_parts:
        videos = [part for video in videos for part in (
            video.frames_between(0, 1), video.frames_between(1, video.num_frames))]
    found = to_detections(reversed(videos), truth)
    for name in ('frame_index', 'boxes', 'scores', 'labels'):
        np.testing.assert_array_equal(getattr(found, name), getattr(detections, name))


@pytest.mark.parametrize(('videos', 'message'), [
    pytest.param([detected(image_ids=(100, 999))], 'image id 999 is not in the ground truth',
                 id='unknown image'),
    pytest.param([detected('c', None)], r"\('c', 0\) is not in the ground truth",
                 id='unknown video'),
    pytest.param([detected(), detected()], r'image 100 \(frame 0 of .* more than once',
                 id='video twice'),
    pytest.param([detected(image_ids=(101, 101))], 'image 101 .* more than once', id='frame twice'),
    pytest.param([detected(labels=np.array([0, 2]))], r'image 101 .* labels 2 .* 0 to 1',
                 id='label too large'),
    pytest.param([detected(labels=np.array([0, 70000]))], 'labels 70000', id='label beyond int16'),
    pytest.param([detected(labels=np.array([-1, 0]))], 'image 100 .* labels -1', id='label -1'),
    pytest.param([detected(scores=np.array([0.5, np.nan]))], 'image 101 .* scores nan',
                 id='score NaN'),
    pytest.param([detected(scores=np.array([-0.1, 0.5]))], 'image 100 .* negative',
                 id='score negative'),
    pytest.param([detected(boxes=np.array([BOX, [0, 0, np.nan, 1]]))], 'image 101 .* boxes',
                 id='box NaN'),
    pytest.param([detected(boxes=np.array([BOX, [0, 0, np.inf, 1]]))], 'finite', id='box infinite'),
])
def test_bad_predictions_are_named(videos, message):
    with pytest.raises(ValueError, match=message):
        to_detections(videos, truth_of_two_videos())


@pytest.mark.parametrize('frame', [-1, 4])
def test_frames_outside_are_refused(frame):
    with pytest.raises(ValueError, match='0 to 3'):
        check_detections(make_detections([(frame, 0, 0.5, BOX)]), truth_of_two_videos())


def test_shapes_must_agree():
    with pytest.raises(ValueError, match='shapes'):
        Detections(np.zeros(2, int), np.zeros((2, 4)), np.zeros(1), np.zeros(2, int))


def test_scores_above_one_and_boxes_outside_are_evaluated():
    truth = make_truth([(0, 0, [0, 0, 50, 50])])
    detections = make_detections([(0, 0, 3.0, [-10, -10, 50, 50]), (0, 0, 0.9, [0, 0, 9, 9])])
    assert evaluate(detections, truth, ('voc', ))['voc']['all'].mean_ap == pytest.approx(1)
