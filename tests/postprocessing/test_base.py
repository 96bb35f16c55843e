"""Laws of every registered post-processor, and the chain that applies them."""

import copy
import warnings

import numpy as np
import pytest
from mmdet.registry import TASK_UTILS

from mmvod_plugins.postprocessing import (
    PostProcessor,
    apply_post_processors,
    build_post_processors,
)

from .score_videos import FULL_MODEL
from .videos import content, random_video, video_of

#: Arguments of every registered post-processor; a new one needs a line.
SETTINGS = dict(
    BoxLinkingWithRelations={}, BLR={}, FGFASeqNMS={}, ObjectTracker={}, PerFrameNMS={},
    REPP=dict(link_model=FULL_MODEL, match_threshold=0.3), SeqBboxMatching={}, SeqNMS={},
    TubeletRescoring={})


def registered():
    return {name for name, cls in TASK_UTILS.module_dict.items()
            if isinstance(cls, type) and issubclass(cls, PostProcessor)}


def video(seed=0):
    return random_video(seed, relations=True).with_arrays(img_shape=(100, 100))


def build(name):
    return TASK_UTILS.build(dict(type=name, **copy.deepcopy(SETTINGS[name])))


def test_every_post_processor_is_tested():
    assert registered() == set(SETTINGS)


@pytest.mark.parametrize('name', SETTINGS)
def test_what_is_given_stays_and_every_frame_stays(name):
    given = video()
    before = copy.deepcopy(given)
    out = build(name)(given)
    assert given.equals(before)
    assert np.array_equal(out.frame_ids, given.frame_ids)
    assert out.video_id == given.video_id
    assert np.isfinite(out.scores).all()
    assert len(out) > 0


@pytest.mark.parametrize('name', SETTINGS)
def test_nothing_is_remembered_from_video_to_video(name):
    processor = build(name)
    first = processor(video(1))
    processor(video(2))
    assert processor(video(1)).equals(first)


@pytest.mark.parametrize('name', SETTINGS)
def test_nothing_in_nothing_out(name):
    for frames in ([], [[]], [[], [], []]):
        given = video_of(frames, img_shape=(9, 9))
        assert build(name)(given).equals(given)


@pytest.mark.parametrize('name', SETTINGS)
def test_one_frame(name):
    given = video().frames_between(0, 1)
    out = build(name)(given)
    assert out.frame_ids.tolist() == given.frame_ids.tolist()
    assert set(map(tuple, out.boxes.tolist())) <= set(map(tuple, given.boxes.tolist()))
    # REPP drops boxes without links, and one frame has no links.
    assert (len(out) == 0) == (name == 'REPP')


@pytest.mark.parametrize('name', SETTINGS)
def test_numbers_that_are_not_finite_are_refused_with_their_frame(name):
    for spoil in (dict(score=np.nan), dict(score=np.inf), dict(score=-0.1), dict(box=np.nan)):
        given = video()
        row = len(given) - 1
        if 'box' in spoil:
            given.boxes[row, 2] = spoil['box']
        else:
            given.scores[row] = spoil['score']
        frame_id = given.frame_ids[given.frame_index[row]]
        said = f"video 'random 0', frame {frame_id}: a detection has"
        with pytest.raises(ValueError, match=said):
            build(name)(given)


@pytest.mark.parametrize('name', SETTINGS)
def test_boxes_outside_of_the_image_are_processed(name):
    given = video()
    moved = build(name)(given.with_arrays(boxes=given.boxes - 1000))
    assert len(moved) == len(build(name)(given))


def test_a_chain_is_applied_in_order():
    chain = build_post_processors([dict(type='SeqNMS'), dict(type='PerFrameNMS', max_per_frame=1)])
    given = [video(seed) for seed in range(3)]
    found = list(apply_post_processors(given, chain))
    assert [v.video_id for v in found] == [v.video_id for v in given]
    for before, after in zip(given, found, strict=True):
        assert content(after) == content(chain[1](chain[0](before)))
        assert after.num_boxes.max() == 1


@pytest.mark.parametrize(('lowest', 'warns'), [(0.3, True), (0.011, True), (0.009, False)])
def test_scores_that_were_cut_before_give_a_warning(lowest, warns):
    given = video_of([[(0, 0.9), (30, lowest)], [(0, 0.8)]])
    chain = build_post_processors([dict(type='SeqNMS')])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        list(apply_post_processors([given], chain))
    said = [w for w in caught if 'lowest score before post-processing' in str(w.message)]
    assert len(said) == warns


def test_no_chain_no_warning():
    given = video_of([[(0, 0.9)]])
    assert next(apply_post_processors([given], [])) is given


def test_other_things_are_no_post_processors():
    with pytest.raises(TypeError, match='must be post-processors'):
        build_post_processors([dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5)])
    assert build_post_processors(None) == []
