"""Seq-NMS: hand-computed videos, its laws, and the plain transcription."""

import copy
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from mmdet.registry import TASK_UTILS

from mmvod_plugins.postprocessing import FGFASeqNMS, SeqNMS
from mmvod_plugins.structures import VideoDetections

from .videos import content, random_video, shuffled_in_frames, video_of

TOOLS = Path(__file__).resolve().parents[2] / 'tools' / 'analysis_tools'


def plain_tool():
    spec = importlib.util.spec_from_file_location('plain_seq_nms', TOOLS / 'plain_seq_nms.py')
    module = importlib.util.module_from_spec(spec)
    # Data classes look their module up by its name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


plain_seq_nms = plain_tool().plain_seq_nms

HAND_TABLE = {
    # frames of (x1, score); options; what is kept as (x1, score, track) per frame
    'a sequence averages its scores': (
        [[(0, 0.2)], [(1, 0.8)]], {}, [[(0, 0.5, 0)], [(1, 0.5, 0)]]),
    'or takes the largest': (
        [[(0, 0.2)], [(1, 0.8)]], dict(rescore='max'), [[(0, 0.8, 0)], [(1, 0.8, 0)]]),
    'a lone box keeps its score and suppresses': (
        [[(0, 0.6), (1, 0.5)]], {}, [[(0, 0.6, 0)]]),
    'boxes that do not overlap are two sequences': (
        [[(0, 0.6), (30, 0.7)]], {}, [[(0, 0.6, 1), (30, 0.7, 0)]]),
    'the larger sum wins over the larger score': (
        [[(0, 0.5)], [(0, 0.5), (4, 0.7)]], {}, [[(0, 0.5, 0)], [(0, 0.5, 0)]]),
    'an empty frame ends a sequence': (
        [[(0, 0.2)], [], [(0, 0.8)]], {}, [[(0, 0.2, 1)], [], [(0, 0.8, 0)]]),
    'a suppressed box links nothing any more': (
        [[(0, 0.9), (3, 0.1)], [(7, 0.3)]], {}, [[(0, 0.9, 0)], [(7, 0.3, 1)]]),
    'links hold at equality': (
        [[(0, 0.2)], [(2.5, 0.4)]], dict(link_iou=0.6), [[(0, 0.3, 0)], [(2.5, 0.3, 0)]]),
    'suppression holds at equality': (
        [[(0, 0.2), (2.5, 0.4)]], dict(suppress_iou=0.6), [[(2.5, 0.4, 0)]]),
    'what is below the smallest sum stays as it is': (
        [[(0, 0.6), (1, 0.5), (30, 0.2), (31, 0.1)]], dict(min_sum=0.3),
        [[(0, 0.6, 0), (30, 0.2, -1), (31, 0.1, -1)]]),
    'what is left without links stays as it is': (
        [[(0, 0.6), (30, 0.2), (31, 0.1)], [(0, 0.4)]], dict(stop_without_links=True),
        [[(0, 0.5, 0), (30, 0.2, -1), (31, 0.1, -1)], [(0, 0.5, 0)]]),
    'single boxes come first while others are linked': (
        [[(0, 0.2), (30, 0.9), (31, 0.1)], [(0, 0.4)]], dict(stop_without_links=True),
        [[(0, 0.3, 1), (30, 0.9, 0)], [(0, 0.3, 1)]]),
}


@pytest.mark.parametrize(('frames', 'options', 'expected'), HAND_TABLE.values(), ids=HAND_TABLE)
def test_hand_computed_videos(frames, options, expected):
    out = SeqNMS(**options)(video_of(frames))
    kept = [list(zip(out.boxes[out.rows(t), 0], out.scores[out.rows(t)].round(9),
                     out.track_ids[out.rows(t)], strict=True)) for t in range(out.num_frames)]
    assert kept == expected
    assert out.suppressed is True


@pytest.mark.parametrize('gaps', [False, True])
@pytest.mark.parametrize('options', [
    {}, dict(rescore='max', pixel_offset=1.0), dict(link_iou=0.3, suppress_iou=0.6),
    dict(min_sum=0.4), dict(stop_without_links=True), dict(min_sum=0.5, stop_without_links=True),
], ids=str)
def test_equals_the_plain_transcription(options, gaps):
    for seed in range(8):
        video = random_video(seed, num_boxes=25, gaps=gaps)
        result, plain = SeqNMS(**options).search(video), plain_seq_nms(video, **options)
        np.testing.assert_array_equal(result.sequences, plain.sequences)
        np.testing.assert_array_equal(result.suppressed, plain.suppressed)
        np.testing.assert_array_equal(result.scores, plain.scores)


def test_changes_nothing_of_what_it_is_given():
    video = random_video(1)
    before = copy.deepcopy(video)
    SeqNMS()(video)
    assert video.equals(before)


def test_the_order_of_boxes_inside_a_frame_does_not_matter():
    video = random_video(2, num_boxes=25)
    shuffled, _ = shuffled_in_frames(video)
    assert content(SeqNMS()(shuffled)) == content(SeqNMS()(video))


def test_classes_do_not_meet():
    video = random_video(3, num_boxes=25, num_classes=3)
    out = SeqNMS()(video)
    for label in range(3):
        alone = SeqNMS()(video.select(video.labels == label))
        assert content(alone) == content(out.select(out.labels == label))


def test_sequence_numbers_continue_from_class_to_class():
    out = SeqNMS()(video_of([[(0, 0.9, 4), (0, 0.1, 2), (30, 0.2, 2)]]))
    assert dict(zip(zip(out.boxes[:, 0], out.labels, strict=True), out.track_ids, strict=True)) == {
        (30, 2): 0, (0, 2): 1, (0, 4): 2}


def test_missing_frames_break_links():
    frames = [[(0, 0.2)], [(0, 0.4)], [(0, 0.6)]]
    out = SeqNMS()(video_of(frames, frame_ids=[0, 1, 3]))
    assert out.scores.round(9).tolist() == [0.3, 0.3, 0.6]
    every_tenth = SeqNMS()(video_of(frames, frame_ids=[0, 10, 20]))
    assert every_tenth.scores.round(9).tolist() == [0.4, 0.4, 0.4]


def test_equal_scores_are_settled_by_frame_and_row():
    out = SeqNMS()(video_of([[(0, 0.5), (1, 0.5), (30, 0.5)], [], [(30, 0.5)]]))
    assert out.boxes[:, 0].tolist() == [0, 30, 30]
    assert out.track_ids.tolist() == [0, 1, 2]


@pytest.mark.parametrize('frames', [[], [[]], [[], []]])
def test_a_video_without_detections_stays_empty(frames):
    out = SeqNMS()(video_of(frames))
    assert (len(out), out.num_frames) == (0, len(frames))


def test_scores_keep_their_type():
    video = random_video(4)
    out = SeqNMS()(video.with_arrays(scores=video.scores.astype(np.float32)))
    assert out.scores.dtype == np.float32


def test_fgfa_counts_inclusive_pixels_and_stops_early():
    video = random_video(5, num_boxes=25)
    options = dict(pixel_offset=1.0, min_sum=0.01, stop_without_links=True)
    built = TASK_UTILS.build(dict(type='FGFASeqNMS'))
    assert isinstance(built, FGFASeqNMS)
    assert built(video).equals(SeqNMS(**options)(video))


def suppressed_video():
    """Boxes that touch by 1/3 and less, 20 to a frame."""
    return video_of([[(5 * i, 0.1 + 0.01 * i) for i in range(20)]] * 12, suppressed=None)


def test_refuses_suppressed_detections_with_the_remedy():
    with pytest.raises(ValueError, match=r'marked as suppressed by per-frame NMS.*force=True'):
        SeqNMS()(video_of([[(0, 0.5)]], suppressed=True))
    with pytest.raises(ValueError, match=r'it seems that per-frame NMS was applied.*force=True'):
        SeqNMS()(suppressed_video())


def test_takes_suppressed_detections_when_forced():
    assert len(SeqNMS(force=True)(suppressed_video()))


def test_does_not_guess_when_told_or_when_evidence_is_small():
    for video in (suppressed_video().with_arrays(suppressed=False),
                  suppressed_video().frames_between(0, 4),
                  random_video(6, num_boxes=25).with_arrays(suppressed=None)):
        assert SeqNMS()(video).suppressed is True


@pytest.mark.parametrize(('options', 'message'), [
    (dict(link_iou=0.0), 'link_iou'), (dict(suppress_iou=1.5), 'suppress_iou'),
    (dict(rescore='mean'), 'rescore')])
def test_refuses_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        SeqNMS(**options)


def test_boxes_without_area_overlap_nothing():
    boxes = np.array([[5., 5, 5, 5], [5, 5, 5, 5]])
    video = VideoDetections('points', np.arange(2), np.ones(2, np.int64), boxes,
                            np.array([0.2, 0.4]), np.zeros(2, np.int64), suppressed=False)
    assert SeqNMS()(video).track_ids.tolist() == [1, 0]
    assert SeqNMS(pixel_offset=1)(video).track_ids.tolist() == [0, 0]
