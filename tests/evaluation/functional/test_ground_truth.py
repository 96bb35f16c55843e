"""Annotations become arrays, with the checks of the data sets."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mmvod_plugins.datasets.coco_vid_file import CocoVIDFile
from mmvod_plugins.evaluation.functional import GroundTruth

from .scenes import SHARED_DATA, make_truth, random_scene

pytestmark = pytest.mark.filterwarnings('ignore:.*marked "ignore":UserWarning')

DEMOS = sorted((SHARED_DATA / 'mmtracking_tests').glob('*/ann_*.json'))


def content(**changes):
    """Two videos of two frames, frames not in order, ids of all kinds."""
    images = [dict(id=image_id, video_id=video, frame_id=frame, file_name=f'{image_id}.jpg',
                   width=64, height=48)
              for image_id, video, frame in ((7, 1, 1), (5, 1, 0), ('x', 2, 0), (9, 2, 1))]
    annotations = [
        dict(id=1, image_id=7, category_id=3, bbox=[1, 2, 10, 20], instance_id='dog 1', area=150),
        dict(id=2, image_id=5, category_id=8, bbox=[0, 0, 5, 5], instance_id=4, iscrowd=1),
        dict(id=3, image_id=5, category_id=3, bbox=[3, 3, 6, 7], instance_id='dog 1'),
        dict(id=4, image_id=9, category_id=3, bbox=[3, 3, 6, 7], instance_id='dog 1'),
        dict(id=5, image_id=9, category_id=3, bbox=[3, 3, 6, 7], ignore=True),
    ]
    return dict(images=images, annotations=annotations,
                videos=[dict(id=1, name='a'), dict(id=2, name='b')],
                categories=[dict(id=8, name='cat'), dict(id=3, name='dog')]) | changes


def test_frames_and_boxes_are_in_order():
    truth = GroundTruth.from_coco_vid(content())
    assert truth.classes == ('cat', 'dog')
    assert truth.image_ids == [5, 7, 'x', 9]
    assert truth.video_ids == [1, 1, 2, 2]
    assert truth.frame_ids.tolist() == [0, 1, 0, 1]
    assert truth.num_boxes.tolist() == [2, 1, 0, 1]
    assert truth.boxes.tolist() == [[0, 0, 5, 5], [3, 3, 9, 10], [1, 2, 11, 22], [3, 3, 9, 10]]
    assert truth.labels.tolist() == [0, 1, 1, 1]
    assert truth.crowd.tolist() == [True, False, False, False]
    assert truth.areas.tolist() == [25, 42, 150, 42]
    assert truth.img_shapes.tolist() == [[48, 64]] * 4
    assert truth.frame_index.tolist() == [0, 0, 1, 3]


def test_an_object_is_the_same_in_its_video_only():
    tracks = GroundTruth.from_coco_vid(content()).tracks
    assert tracks[1] == tracks[2]
    assert len(set(tracks.tolist())) == 3


def test_one_missing_instance_id_is_known():
    annotations = content()['annotations']
    del annotations[2]['instance_id']
    truth = GroundTruth.from_coco_vid(content(annotations=annotations))
    assert not truth.has_instances
    with pytest.raises(ValueError, match='no instance_id'):
        _ = truth.tracks


def test_a_dropped_box_needs_no_instance_id():
    assert GroundTruth.from_coco_vid(content()).has_instances


def test_classes_select_and_order():
    truth = GroundTruth.from_coco_vid(content(), classes=('dog', ))
    assert truth.classes == ('dog', )
    assert truth.labels.tolist() == [0, 0, 0]
    with pytest.warns(UserWarning, match='lists its classes as'):
        truth = GroundTruth.from_coco_vid(content(), classes=('dog', 'cat'))
    assert truth.labels.tolist() == [1, 0, 0, 0]


def test_images_without_videos_are_videos_of_one_frame():
    images = [dict(id=i, file_name=f'{i}.jpg') for i in (2, 1)]
    annotations = [dict(id=1, image_id=1, category_id=3, bbox=[0, 0, 4, 4])]
    with pytest.warns(UserWarning, match='2 of 2 images have no video_id'):
        truth = GroundTruth.from_coco_vid(
            content(images=images, annotations=annotations, videos=[]))
    assert truth.image_ids == [2, 1]
    assert len(truth.videos) == 2
    assert truth.frame_ids.tolist() == [0, 0]
    assert truth.img_shapes.tolist() == [[0, 0], [0, 0]]


def test_without_annotations_there_are_no_boxes():
    truth = GroundTruth.from_coco_vid(content(annotations=[]))
    assert truth.boxes.shape == (0, 4)
    assert truth.num_boxes.tolist() == [0, 0, 0, 0]


def test_a_path_is_its_content(tmp_path):
    path = tmp_path / 'annotations.json'
    path.write_text(json.dumps(content()))
    by_path, by_content = (GroundTruth.from_coco_vid(s) for s in (path, content()))
    np.testing.assert_array_equal(by_path.boxes, by_content.boxes)


def test_dropped_boxes_are_told():
    annotations = [dict(id=1, image_id=7, category_id=3, bbox=[1, 2, 0, 20], instance_id=1)]
    with pytest.warns(UserWarning, match='1 of less than one pixel'):
        truth = GroundTruth.from_coco_vid(content(annotations=annotations))
    assert len(truth.boxes) == 0


@pytest.mark.skipif(not DEMOS, reason="MMTracking's annotations are not in the folder shared/data")
@pytest.mark.parametrize('path', DEMOS, ids=lambda path: f'{path.parent.name}/{path.stem}')
@pytest.mark.filterwarnings('ignore::UserWarning')
def test_boxes_are_those_of_the_data_set(path):
    truth, file = GroundTruth.from_coco_vid(path), CocoVIDFile(str(path))
    labels = file.labels(file.classes)
    images = [image for video in file.videos() for image in video['images']]
    instances = [file.instances(image, labels) for image in images]
    assert truth.image_ids == [image['id'] for image in images]
    assert truth.num_boxes.tolist() == [len(boxes) for boxes in instances]
    flat = [box for boxes in instances for box in boxes]
    np.testing.assert_array_equal(truth.boxes, [box['bbox'] for box in flat])
    assert truth.labels.tolist() == [box['bbox_label'] for box in flat]
    assert truth.crowd.tolist() == [box['ignore_flag'] for box in flat]


def test_videos_select():
    truth = GroundTruth.from_coco_vid(content(), videos=[2])
    assert truth.image_ids == ['x', 9]
    assert truth.boxes.tolist() == [[3, 3, 9, 10]]


@pytest.mark.parametrize('seed', range(3))
def test_parts_are_the_whole(seed):
    _, truth, _ = random_scene(seed, crowds=True)
    parts = [truth.subset([video_id]) for video_id in truth.videos]
    for name in ('boxes', 'labels', 'crowd', 'areas', 'num_boxes', 'frame_ids'):
        whole = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_array_equal(whole, getattr(truth, name))


def test_unknown_videos_are_named():
    with pytest.raises(ValueError, match="video 'z' is not in the ground truth"):
        make_truth([]).subset(['z'])


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(labels=np.array([2])), 'labels are 2 to 2, expected 0 to 1'),
    (dict(areas=np.zeros(2)), "counts 1 boxes, .*'areas': 2"),
    (dict(frame_ids=np.zeros(3)), "counts 2 frames, .*'frame_ids': 3"),
    (dict(boxes=np.zeros((1, 5))), 'must be'),
    (dict(image_ids=[1, 1]), 'more than once'),
])
def test_arrays_must_agree(changes, message):
    truth = make_truth([(0, 0, [0, 0, 9, 9])], num_frames=2)
    with pytest.raises(ValueError, match=message):
        replace(truth, **changes)
