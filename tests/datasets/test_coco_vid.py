"""CocoVIDDataset: what is read, what is refused."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from mmvod_plugins.datasets import CocoVIDDataset, ImageNetVIDDataset

from .conftest import build

SHARED_DATA = Path(__file__).resolve().parents[3] / 'shared' / 'data'
CLASSES = ('class_0', 'class_1', 'class_2')


def frames_of(dataset, video_idx=0):
    return dataset.get_data_info(video_idx)['images']


def test_classes_come_from_the_json_in_its_order(tiny_json):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert build(tiny_json).metainfo['classes'] == CLASSES


def test_categories_in_another_order_than_their_ids_are_said(edit):
    path = edit(lambda c: c['categories'].reverse())
    with pytest.warns(UserWarning, match=r'labels follow the order of the file, .*metainfo'):
        assert build(path).metainfo['classes'] == CLASSES[::-1]
    with pytest.warns(UserWarning, match='omit its ann_file'):
        assert build(path, metainfo=dict(classes=CLASSES)).metainfo['classes'] == CLASSES


def test_labels_follow_the_asked_classes_and_warn_about_the_metric(tiny_json):
    plain = build(tiny_json)
    with pytest.warns(UserWarning, match='omit its ann_file'):
        turned = build(tiny_json, metainfo=dict(classes=CLASSES[::-1]))
    for first, second in zip(frames_of(plain), frames_of(turned), strict=True):
        for a, b in zip(first['instances'], second['instances'], strict=True):
            assert CLASSES[a['bbox_label']] == CLASSES[::-1][b['bbox_label']]


def test_a_class_that_the_json_lacks_is_an_error_with_both_lists(tiny_json):
    with pytest.raises(ValueError, match=r"\['zebra'\].*class_0.*zebra.*class_0"):
        build(tiny_json, metainfo=dict(classes=('class_0', 'zebra')))


def test_a_class_that_is_requested_twice_is_an_error(tiny_json):
    with pytest.raises(ValueError, match='names a class twice'):
        build(tiny_json, metainfo=dict(classes=('class_0', 'class_1', 'class_0')))


def test_other_classes_are_dropped(tiny_json):
    full = build(tiny_json, test_mode=True)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        part = build(tiny_json, test_mode=True, metainfo=dict(classes=['class_1']))
    count = sum(i['bbox_label'] == 1 for v in range(2) for f in frames_of(full, v)
                for i in f['instances'])
    labels = [i['bbox_label'] for v in range(2) for f in frames_of(part, v)
              for i in f['instances']]
    assert labels == [0] * count


def test_instance_ids_are_kept_and_zero_is_one(tiny_json):
    ids = [i['instance_id'] for f in frames_of(build(tiny_json)) for i in f['instances']]
    assert set(ids) == {0, 1}
    assert [i['instance_id'] for i in frames_of(build(tiny_json), 1)[0]['instances']] == [2, 3]


def test_missing_instance_ids_count_within_the_frame(edit):
    path = edit(lambda c: [a.pop('instance_id') for a in c['annotations']])
    frames = frames_of(build(path), 1)
    assert [i['instance_id'] for i in frames[0]['instances']] == [0, 1]
    assert not any(frame['has_instance_ids'] for frame in frames if frame['instances'])


def test_frames_are_sorted_by_frame_id(edit):
    dataset = build(edit(lambda c: c['images'].reverse()))
    names = [f['img_path'][-10:] for f in frames_of(dataset)]
    assert names == [f'{i:06d}.jpg' for i in range(4)]
    assert [f['frame_id'] for f in frames_of(dataset)] == [0, 1, 2, 3]


def test_without_frame_ids_the_file_order_counts(edit):
    def change(content):
        content['images'].reverse()
        for image in content['images']:
            del image['frame_id']
    with pytest.warns(UserWarning, match=r"'video_\d' \(2 such videos\) have no frame_id; .*names"):
        dataset = build(edit(change))
    assert [f['img_path'][-5] for f in frames_of(dataset)] == ['3', '2', '1', '0']
    assert [f['frame_id'] for f in frames_of(dataset)] == [0, 1, 2, 3]


def test_some_frames_without_frame_id_are_refused(edit):
    path = edit(lambda c: c['images'][1].pop('frame_id'))
    with pytest.raises(ValueError, match=r'video_0.*000001.jpg has none'):
        build(path)


def test_gaps_in_frame_ids_are_closed_with_one_warning(edit):
    def change(content):
        for image in content['images']:
            image['frame_id'] = 10 * image['frame_id'] + 5
    path = edit(change)
    with pytest.warns(UserWarning, match="'video_0' \\(2 such videos\\)") as caught:
        dataset = build(path)
    assert len([w for w in caught if 'frame ids' in str(w.message)]) == 1
    assert [f['frame_id'] for f in frames_of(dataset)] == [0, 1, 2, 3]


def test_duplicate_frame_ids_name_video_frame_and_files(edit):
    path = edit(lambda c: c['images'][2].update(frame_id=1))
    with pytest.raises(ValueError, match=r"'video_0' has frame_id 1 twice: .*01.jpg.*02.jpg"):
        build(path)


def test_frames_of_different_size_name_video_frames_and_sizes(edit):
    path = edit(lambda c: c['images'][2].update(height=50))
    with pytest.raises(ValueError, match=r'video_0.*frame 0 .*\(48, 64\).*frame 2 .*\(50, 64\)'):
        build(path)


def test_a_video_without_sizes_loads(edit):
    path = edit(lambda c: [image.pop('height') for image in c['images']])
    assert build(path).num_all_imgs == 7
    assert build(path)[0, 1]['inputs'].shape == (5, 3, 48, 64)


@pytest.mark.parametrize('content', [{}, {'images': []}, []], ids=['nothing', 'no images', 'list'])
def test_an_empty_file_is_named(tmp_path, content):
    path = tmp_path / 'empty.json'
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r'empty\.json lists no images'):
        build(path)


def test_broken_json_is_named(tmp_path):
    path = tmp_path / 'broken.json'
    path.write_text('{"images": [')
    with pytest.raises(ValueError, match=r'broken\.json is not a valid json'):
        build(path)


def test_duplicate_image_ids_are_refused(edit):
    with pytest.raises(ValueError, match='image id 1 occurs'):
        build(edit(lambda c: c['images'][1].update(id=1)))


def test_images_without_video_are_still_images(edit):
    def change(content):
        del content['videos']
        for image in content['images']:
            del image['video_id'], image['frame_id']
    with pytest.warns(UserWarning, match='7 of 7 images have no video_id'):
        dataset = build(edit(change))
    assert len(dataset) == 7
    assert [dataset.video_id(i) for i in range(3)] == [100001, 100002, 100003]
    frame = frames_of(dataset, 3)[0]
    assert (frame['is_video_data'], frame['frame_id'], frame['ori_video_length']) == (False, 0, 1)
    clip = dataset[3, 0]['data_samples']
    assert {sample.img_id for sample in clip.video_data_samples} == {4}


def test_videos_may_lack_the_list_of_videos(edit):
    dataset = build(edit(lambda c: c.pop('videos')))
    assert [dataset.get_len_per_video(i) for i in range(2)] == [4, 3]
    assert frames_of(dataset)[0]['is_video_data'] is True
    assert frames_of(dataset)[0]['video_name'] == '1'


def test_a_listed_video_without_images_is_ignored_with_a_warning(edit):
    path = edit(lambda c: c['videos'].append(dict(id=9, name='nothing')))
    with pytest.warns(UserWarning, match="1 videos have no images .*'nothing'"):
        assert len(build(path)) == 2


def test_annotations_of_missing_images_are_counted(edit):
    path = edit(lambda c: c['annotations'][3].update(image_id=99))
    with pytest.warns(UserWarning, match=r'1 annotations .* annotation 4, image_id 99'):
        build(path)


@pytest.mark.parametrize(('box', 'reason'), [
    ([5, 5, 0, 9], '1 of less than one pixel'),
    ([64, 5, 9, 9], '1 outside of the image'),
    ([-9, 5, 9, 9], '1 outside of the image'),
    ([5, 5, float('nan'), 9], '1 without four numbers'),
    ([5, 5, float('inf'), 9], '1 without four numbers'),
    ([5, 5, 10**400, 9], '1 without four numbers'),
    ([5, 5, None, 9], '1 without four numbers'),
    ([5, 5, True, 9], '1 without four numbers'),
    ([5, 5], '1 without four numbers'),
    (None, '1 without four numbers'),
], ids=['zero area', 'right of the image', 'left of the image', 'nan', 'infinite', 'huge', 'null',
        'true', 'two numbers', 'no box'])
def test_unusable_boxes_are_dropped_and_counted(edit, box, reason):
    path = edit(lambda c: c['annotations'][0].update(bbox=box))
    with pytest.warns(UserWarning, match=f'boxes were dropped: {reason}'):
        dataset = build(path)
    assert len(frames_of(dataset)[0]['instances']) == 1


def test_crowds_are_ignored_regions(edit):
    dataset = build(edit(lambda c: c['annotations'][0].update(iscrowd=True)))
    assert [i['ignore_flag'] for i in frames_of(dataset)[0]['instances']] == [1, 0]
    sample = dataset[0, 0]['data_samples'].video_data_samples[0]
    assert len(sample.gt_instances) == len(sample.ignored_instances) == 1


def test_a_frame_with_regions_alone_is_no_key_frame(edit):
    def regions(content):
        for annotation in content['annotations']:
            if annotation['image_id'] == 2:
                annotation.update(iscrowd=True, category_id=3)

    dataset = build(edit(regions))
    assert dataset.key_frame_ids(0) == [0, 2, 3]
    assert dataset.get_cat_ids((0, 1)) == []
    assert len(dataset.get_cat_ids(0)) == 6


def drop_boxes(*image_ids):
    def change(content):
        content['annotations'] = [
            a for a in content['annotations'] if a['image_id'] not in image_ids]
    return change


def test_frames_without_boxes_stay_in_the_video_but_are_no_key_frames(edit):
    dataset = build(edit(drop_boxes(2, 5, 6, 7)))
    assert [dataset.get_len_per_video(i) for i in range(2)] == [4, 3]
    assert dataset.key_frame_ids(0) == [0, 2, 3]
    assert dataset.key_frame_ids(1) == []
    assert [f['frame_id'] for f in frames_of(dataset)] == [0, 1, 2, 3]
    keep = build(edit(lambda c: None), filter_cfg=dict(filter_empty_gt=False, min_size=1))
    assert keep.key_frame_ids(1) == [0, 1, 2]


def test_stock_dataset_loses_these_frames(edit):
    """The trap that CocoVIDDataset avoids: list positions are no frame ids."""
    from mmdet.datasets import BaseVideoDataset
    path = edit(drop_boxes(2))
    stock = BaseVideoDataset(ann_file=str(path), metainfo=dict(classes=CLASSES), pipeline=[],
                             filter_cfg=dict(min_size=1))
    assert [f['frame_id'] for f in frames_of(stock)] == [0, 2, 3]


def test_marked_frames_are_the_key_frames(edit):
    def change(content):
        for image in content['images']:
            image['is_vid_train_frame'] = image['id'] in (2, 3, 6)
    path = edit(change)
    dataset = build(path)
    assert (dataset.key_frame_ids(0), dataset.key_frame_ids(1)) == ([1, 2], [1])
    assert build(path, key_frames='all').key_frame_ids(0) == [0, 1, 2, 3]
    assert build(path, test_mode=True).key_frame_ids(0) == [0, 1, 2, 3]


def test_small_frames_are_no_key_frames(tiny_json):
    assert build(tiny_json, filter_cfg=None).key_frame_ids(0) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match='no frame to train on'):
        build(tiny_json, filter_cfg=dict(min_size=49))


def test_wrong_settings_are_refused(tiny_json):
    with pytest.raises(ValueError, match='filter_cfg has unknown keys'):
        build(tiny_json, filter_cfg=dict(minimum=3))
    with pytest.raises(ValueError, match='key_frames must be'):
        build(tiny_json, key_frames='some')
    with pytest.raises(ValueError, match='list of names'):
        build(tiny_json, metainfo=dict(classes='class_0'))


@pytest.mark.parametrize('serialize_data', [True, False])
def test_indices_are_int_or_pair(tiny_json, serialize_data):
    dataset = build(tiny_json, test_mode=True, serialize_data=serialize_data)
    whole = dataset[1]['data_samples']
    assert [s.frame_id for s in whole.video_data_samples] == [0, 1, 2]
    assert whole.video_data_samples[0].video_length == 3
    one = dataset[np.int64(1), np.int64(2)]['data_samples'].video_data_samples
    assert [(s.frame_id, s.video_length, s.ori_video_length, s.video_id) for s in one] == [
        (2, 1, 3, 2)]
    with pytest.raises(IndexError, match='has 3 frames, asked for frame 3'):
        dataset[1, 3]
    with pytest.raises(IndexError, match='has 2 videos'):
        dataset[2, 0]
    with pytest.raises(TypeError, match='indexed by'):
        dataset[0, 1, 2]


def test_an_int_in_training_draws_a_key_frame(edit):
    dataset = build(edit(drop_boxes(1, 2, 4)))
    torch.manual_seed(0)
    for _ in range(5):
        assert dataset[0]['data_samples'].video_data_samples[0].frame_id == 2


def test_a_video_is_unpickled_once_per_stream(tiny_json, monkeypatch):
    calls = []
    original = CocoVIDDataset.get_data_info
    monkeypatch.setattr(CocoVIDDataset, 'get_data_info',
                        lambda self, i: calls.append(i) or original(self, i))
    dataset = build(tiny_json, test_mode=True)
    for idx in [(0, 0), (0, 1), (0, 3), (1, 0), (1, 2)]:
        dataset[idx]
    assert calls == [0, 1]


def test_what_the_pipeline_changes_does_not_come_back(tiny_json):
    dataset = build(tiny_json, test_mode=True, pipeline=[])
    dataset[0, 0]['instances'][0].clear()
    assert len(dataset[0, 0]['instances'][0]) == 2


def test_subsets_keep_their_key_frames(tiny_json):
    dataset = build(tiny_json)
    part = dataset.get_subset([1])
    assert len(part) == 1
    assert part.key_frame_ids(0) == [0, 1, 2]
    assert build(tiny_json, indices=[1]).get_len_per_video(0) == 3
    dataset.get_subset_(-1)
    assert dataset.video_id(0) == 2
    assert dataset.num_all_imgs == 3


def test_imagenet_vid_reads_the_schema_of_mmtracking(tmp_path):
    names = ImageNetVIDDataset.METAINFO['classes']
    assert len(names) == len(set(names)) == len(ImageNetVIDDataset.METAINFO['palette']) == 30
    assert list(names) == sorted(names)
    categories = [dict(id=i + 1, name=name, encode_name='n') for i, name in enumerate(names)]
    categories.append(dict(id=31, name='other_categeries', encode_name=None))
    size = dict(height=40, width=40)
    images = [dict(id=1, file_name='a.JPEG', is_vid_train_frame=True, **size),
              dict(id=2, file_name='b.JPEG', is_vid_train_frame=False, **size),
              dict(id=3, file_name='c.JPEG', is_vid_train_frame=True, **size)]
    box = dict(bbox=[1, 1, 9, 9], area=81, iscrowd=False)
    annotations = [dict(id=1, image_id=1, category_id=30, **box),
                   dict(id=2, image_id=1, category_id=31, **box),
                   dict(id=3, image_id=2, category_id=1, **box),
                   dict(id=4, image_id=3, category_id=31, **box)]
    path = tmp_path / 'det.json'
    path.write_text(json.dumps(
        dict(categories=categories, images=images, annotations=annotations)))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        dataset = ImageNetVIDDataset(ann_file=str(path), pipeline=[])
    assert [dataset.key_frame_ids(i) for i in range(3)] == [[0], [], []]
    frame = frames_of(dataset)[0]
    assert [i['bbox_label'] for i in frame['instances']] == [29]
    assert frame['is_video_data'] is False


@pytest.mark.parametrize('folder', ['demo_imagenetvid_data', 'demo_cocovid_data'])
@pytest.mark.parametrize(('name', 'videos'), [('ann_vid', 1), ('ann_img', None)])
def test_json_files_of_mmtracking_load_unchanged(folder, name, videos):
    path = SHARED_DATA / 'mmtracking_tests' / folder / f'{name}.json'
    if not path.exists():
        pytest.skip(f'{path.name} of MMTracking is not in the folder shared/data')
    content = json.loads(path.read_text())
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        dataset = CocoVIDDataset(ann_file=str(path), pipeline=[],
                                 data_prefix=dict(img_path=str(path.parents[1])))
    assert dataset.num_all_imgs == len(content['images'])
    assert len(dataset) == (videos or len(content['images']))
    valid = {a['image_id'] for a in content['annotations'] if not a.get('ignore')}
    keys = {frames_of(dataset, v)[t]['img_id'] for v in range(len(dataset))
            for t in dataset.key_frame_ids(v)}
    assert keys <= valid
