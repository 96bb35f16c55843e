"""ConcatVideoDataset: several data sets behave as one."""

import json

import pytest
from mmengine.dataset import ConcatDataset

from mmvod_plugins.datasets import ConcatVideoDataset

from .conftest import build, train_pipeline
from .tiny_vid import make_tiny_vid

CLASSES = ('class_0', 'class_1', 'class_2')


def shifted(path, name, **settings):
    """Another copy of a json whose ids differ."""
    content = json.loads(path.read_text())
    for image in content['images']:
        image['id'] += settings.get('images', 0)
        image['video_id'] += settings.get('videos', 0)
    for annotation in content['annotations']:
        annotation['image_id'] += settings.get('images', 0)
    for video in content['videos']:
        video['id'] += settings.get('videos', 0)
    other = path.with_name(name)
    other.write_text(json.dumps(content))
    return other


def test_pairs_reach_the_right_video(tmp_path):
    first, second = make_tiny_vid(tmp_path / 'a'), make_tiny_vid(tmp_path / 'b', lengths=(5, ))
    joined = ConcatVideoDataset([build(first), build(second)])
    assert len(joined) == 3
    assert joined.num_all_imgs == 12
    assert [joined.get_len_per_video(i) for i in range(3)] == [4, 3, 5]
    assert joined.key_frame_ids(2) == [0, 1, 2, 3, 4]
    assert joined.part_of(2) == (1, 0)
    sample = joined[2, 3]['data_samples'].video_data_samples[0]
    assert '/b/' in sample.img_path
    assert sample.frame_id == 3
    assert joined[0]['data_samples'].video_data_samples[0].video_id == 1
    assert len(joined.get_cat_ids((2, 3))) == 2


def test_the_stock_concatenation_cannot_be_indexed_so(tiny_json):
    with pytest.raises(TypeError):
        ConcatDataset([build(tiny_json)])[0, 1]


def test_parts_without_pipeline_take_the_common_one(tiny_json):
    part = dict(type='CocoVIDDataset', ann_file=str(tiny_json), filter_cfg=dict(min_size=1),
                data_prefix=dict(img_path=str(tiny_json.parent)))
    joined = ConcatVideoDataset([part, dict(part, pipeline=[])], pipeline=train_pipeline())
    assert joined[0, 0]['inputs'].shape[0] == 5
    assert joined[2, 0]['key_frame_id'] == 0


def test_different_classes_are_refused(tiny_json):
    with pytest.raises(ValueError, match=r"different classes .*class_2.*'class_1'\) in"):
        ConcatVideoDataset([
            build(tiny_json), build(tiny_json, metainfo=dict(classes=CLASSES[:2]))])


def test_training_and_testing_do_not_mix(tiny_json):
    with pytest.raises(ValueError, match='cannot be concatenated'):
        ConcatVideoDataset([build(tiny_json), build(tiny_json, test_mode=True)])


def test_nothing_and_foreign_datasets_are_refused(tiny_json):
    with pytest.raises(ValueError, match='at least one'):
        ConcatVideoDataset([])
    with pytest.raises(TypeError, match='got ConcatVideoDataset'):
        ConcatVideoDataset([ConcatVideoDataset([build(tiny_json)])])


@pytest.mark.parametrize(('shift', 'what'), [
    (dict(), 'video id 1'), (dict(videos=5), 'image id 1')], ids=['videos', 'images'])
def test_ids_that_collide_in_testing_are_refused(tiny_json, shift, what):
    other = shifted(tiny_json, 'other.json', **shift)
    with pytest.raises(ValueError, match=f'{what} occurs in two of the datasets'):
        ConcatVideoDataset([build(tiny_json, test_mode=True), build(other, test_mode=True)])


def test_disjoint_ids_can_be_tested_together(tiny_json):
    other = shifted(tiny_json, 'other.json', videos=5, images=50)
    joined = ConcatVideoDataset([build(tiny_json, test_mode=True), build(other, test_mode=True)])
    assert [joined.video_id(i) for i in range(4)] == [1, 2, 6, 7]
    assert joined.test_mode
