"""COCO results from and to predictions."""

import json

import numpy as np
import pytest

from mmvod_plugins.datasets.coco_vid_file import CocoVIDFile
from mmvod_plugins.evaluation import Predictions, save_predictions
from mmvod_plugins.evaluation.coco_json import (
    from_coco_results,
    read_predictions,
    to_coco_results,
    write_predictions,
)
from tests.datasets.tiny_vid import make_tiny_vid
from tests.structures.test_video_detections import video


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    return CocoVIDFile(str(make_tiny_vid(tmp_path_factory.mktemp('json'), (3, 2))))


RESULTS = [
    dict(image_id=4, category_id=2, bbox=[1, 2, 3, 4], score=0.5),
    dict(image_id=1, category_id=3, bbox=[0, 0, 9, 8], score=0.75),
    dict(image_id=4, category_id=1, bbox=[5, 5, 1, 1], score=0.25),
]


def test_results_become_videos_with_all_their_frames(source):
    found = from_coco_results(RESULTS, source)
    assert [v.num_boxes.tolist() for v in found.videos] == [[1, 0, 0], [2, 0]]
    assert found.videos[0].boxes.tolist() == [[0, 0, 9, 8]]
    assert found.videos[1].labels.tolist() == [1, 0]
    assert found.videos[1].image_ids.tolist() == [4, 5]
    assert found.videos[0].img_shape == (48, 64)
    assert found.classes == ('class_0', 'class_1', 'class_2')


def test_there_and_back(source):
    again = to_coco_results(from_coco_results(RESULTS, source), [1, 2, 3])
    order = sorted(RESULTS, key=lambda row: row['image_id'])
    assert again == order


def test_tracks_are_kept(source):
    tracked = [dict(row, track_id=i) for i, row in enumerate(RESULTS)]
    found = from_coco_results(tracked, source)
    assert found.videos[1].track_ids.tolist() == [0, 2]
    assert [row['track_id'] for row in to_coco_results(found, [1, 2, 3])] == [1, 0, 2]


@pytest.mark.parametrize(('change', 'word'), [
    (dict(image_id=77), "result 1 has the image_id 77, which is not in"),
    (dict(category_id=9), 'category_id 9'), (dict(category_id='class_9'), 'category_id'),
    (dict(image_id='000004'), "image_id '000004'"), (dict(image_id=True), 'image_id True'),
    (dict(image_id=None), 'image_id None'), (dict(image_id=[4]), 'image_id'),
    (dict(image_id=1.5), 'image_id 1.5'), (dict(image_id='other/000001'), 'image_id'),
    (dict(image_id='000001'), r"can be 2 files of .* \(images \[2, 5\]\): write the folder"),
    (dict(score=None), 'the score None, expected'), (dict(score=-1), 'a number from 0'),
    (dict(score=float('nan')), 'the score nan'), (dict(score='high'), 'the score'),
    (dict(bbox=[1, 2, None, 4]), 'the bbox .* four finite numbers'),
    (dict(bbox=[1, 2, 3]), 'the bbox'), (dict(bbox=None), 'the bbox None'),
])
def test_results_of_another_annotation_file_are_refused(source, change, word):
    with pytest.raises(ValueError, match=word):
        from_coco_results([RESULTS[0], dict(RESULTS[1], **change)], source)


@pytest.mark.parametrize('name', [
    'video_1/000000.jpg', 'video_1/000000', './video_1/000000.PNG', 'video_1\\000000.jpg',
    '/data/set/video_1/000000.jpg'])
def test_images_are_matched_by_file(source, name):
    rows = [dict(row, image_id=name) if row['image_id'] == 4 else row for row in RESULTS]
    with pytest.warns(UserWarning, match='2 results is the name of a file'):
        found = from_coco_results(rows, source)
    expected = from_coco_results(RESULTS, source)
    assert all(a.equals(b) for a, b in zip(found.videos, expected.videos, strict=True))


def test_a_number_in_a_name_is_no_id():
    content = dict(categories=[dict(id=1, name='a')], videos=[dict(id=1, name='v')],
                   images=[dict(id=i + 1, video_id=1, frame_id=i, file_name=f'{i}.png')
                           for i in range(3)])
    rows = [dict(image_id=str(i), category_id='1', bbox=[0, 0, 9, 9], score=f'0.{i + 1}')
            for i in range(3)]
    with pytest.warns(UserWarning, match='3 results'):
        found = from_coco_results(rows, CocoVIDFile(content))
    assert found.videos[0].scores.tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_ids_written_as_text_are_ids_where_no_file_has_the_name(source):
    rows = [dict(row, image_id=str(row['image_id'])) for row in RESULTS]
    expected = from_coco_results(RESULTS, source)
    found = from_coco_results(rows, source)
    assert all(a.equals(b) for a, b in zip(found.videos, expected.videos, strict=True))


def test_files_by_their_names(source, tmp_path):
    predictions = from_coco_results(RESULTS, source)
    write_predictions(tmp_path / 'p.npz', predictions)
    write_predictions(tmp_path / 'deep/p.json', predictions, source)
    for path in ('p.npz', 'deep/p.json'):
        found = read_predictions(tmp_path / path, source)
        assert all(a.equals(b) for a, b in zip(predictions.videos, found.videos, strict=True))


def test_results_need_the_annotation_file(tmp_path):
    with pytest.raises(ValueError, match='pass the annotation file'):
        read_predictions(tmp_path / 'p.json')


@pytest.mark.parametrize('content', [dict(images=[]), [1, 2], [dict(image_id=1)]])
def test_other_json_is_refused(source, tmp_path, content):
    (tmp_path / 'p.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match='is not COCO results'):
        read_predictions(tmp_path / 'p.json', source)


def test_predictions_without_image_ids_are_no_coco_results(tmp_path):
    predictions = Predictions([video()], ('a', 'b'))
    with pytest.raises(ValueError, match='no image ids'):
        write_predictions(tmp_path / 'p.json', predictions)
    save_predictions(tmp_path / 'p.npz', predictions)


def test_numbers_of_json_are_plain():
    rows = to_coco_results(Predictions([video(image_ids=np.arange(3))], ('a', 'b')), [7, 8])
    assert json.loads(json.dumps(rows)) == rows
    assert {row['category_id'] for row in rows} == {7, 8}
