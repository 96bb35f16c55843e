"""From samples to detections of videos."""

import numpy as np
import pytest
import torch

from mmvod_plugins.evaluation.frame_predictions import (
    FramePlace,
    frame_predictions,
    group_by_video,
    to_track_samples,
)

from .samples import frame, track


def collect(*samples, places=None):
    return [found for sample in samples for found in frame_predictions(sample, places)]


def test_frames_of_videos_in_any_order():
    found = group_by_video(collect(
        track(frame(1, 1, 2)), track(frame(2, 0, 1, number=0)), track(frame(1, 0, 2, number=3))))
    assert [v.video_id for v in found] == [1, 2]
    assert found[0].num_boxes.tolist() == [3, 2]
    assert found[0].image_ids.tolist() == [100, 101]
    assert found[0].img_shape == (48, 64)
    expected = frame(1, 0, 2, number=3).pred_instances
    assert np.array_equal(found[0].boxes[:3], expected.bboxes.numpy())
    assert np.array_equal(found[0].scores[:3], expected.scores.numpy())
    assert found[0].labels.dtype == np.int64
    assert len(found[1]) == 0


def test_several_frames_in_one_sample():
    found, = group_by_video(collect(track(*(frame(1, t, 5) for t in range(3)))))
    assert found.frame_ids.tolist() == [0, 1, 2]


def test_details_are_kept():
    samples = []
    for t in range(2):
        sample = frame(0, t, 2, suppressed=False)
        sample.pred_instances.class_scores = torch.rand(2, 3)
        sample.pred_instances.proposal_ids = torch.tensor([3, 1])
        sample.relations = torch.rand(9, 4)
        samples.append(track(sample))
    found, = group_by_video(collect(*samples))
    assert found.suppressed is False
    assert found.class_scores.shape == (4, 3)
    assert [table.shape for table in found.relations] == [(4, 4)]  # rows of objects 0 to 3


def test_samples_of_images_find_their_video():
    sample = frame(0, 0, 1)
    for key in ('video_id', 'frame_id', 'ori_video_length'):
        sample.pop(key)
    sample = sample.to_dict()
    found, = collect(sample, places={0: FramePlace('clip', 3, 9)})
    assert found.place == FramePlace('clip', 3, 9)
    with pytest.raises(ValueError, match='pass ann_file to the metric'):
        collect(sample)
    with pytest.raises(ValueError, match='does not list it'):
        collect(sample, places={5: FramePlace('clip', 3, 9)})


def test_a_frame_that_comes_twice_counts_once():
    frames = collect(track(frame(1, 0, 2)), track(frame(1, 1, 2)), track(frame(1, 0, 2, number=5)))
    with pytest.warns(UserWarning, match='1 frames were predicted more than once'):
        found, = group_by_video(frames)
    assert found.num_boxes.tolist() == [2, 2]


def test_detections_turn_into_samples_and_back():
    frames = collect(*(track(frame(4, t, 3)) for t in range(3)))
    video, = group_by_video(frames)
    again, = group_by_video(collect(*to_track_samples(video, 3)))
    assert again.equals(video)
