"""Transforms of clips: sampling, loading, sharing, packing."""

import random

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform, TransformBroadcaster
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.dataset import pseudo_collate, worker_init_fn
from torch.utils.data import DataLoader

from mmvod_plugins.datasets import (
    ClipTransform,
    LoadVideoFrame,
    PackVideoInputs,
    SampleReferenceFrames,
    VideoKeyFrameSampler,
)
from mmvod_plugins.references import LocalWindow, PrecedingWindow, ReferencePolicy

from .conftest import build, stream_pipeline, train_pipeline
from .tiny_vid import make_tiny_vid


class Fixed(ReferencePolicy):
    role = 'local'

    def __init__(self, roles):
        super().__init__()
        self.roles = roles

    @property
    def draws(self):
        return {role: len(ids) for role, ids in self.roles.items()}

    def sample(self, key_id, video_length, rng):
        return self.roles

    def frames(self, key_id, video_length, video_id=0):
        return self.roles


def meta(packed, key):
    return [s.metainfo[key] for s in packed['data_samples'].video_data_samples]


def test_the_key_frame_comes_first_then_role_by_role(tiny_json):
    policy = Fixed({'memory': [0, 0], 'local': [3]})
    clip = build(tiny_json, pipeline=train_pipeline(policy))[0, 2]
    assert meta(clip, 'role') == ['key', 'memory', 'memory', 'local']
    assert meta(clip, 'frame_id') == [2, 0, 0, 3]
    assert meta(clip, 'video_length') == [4] * 4
    assert meta(clip, 'ori_video_length') == [4] * 4
    assert meta(clip, 'is_video_data') == [True] * 4
    assert meta(clip, 'has_instance_ids') == [True] * 4
    assert meta(clip, 'video_name') == ['video_0'] * 4
    assert clip['data_samples'].key_frames_inds == [0]
    assert clip['inputs'].shape == (4, 3, 48, 64)


def test_a_key_frame_that_is_its_own_reference_shares_no_annotation(tiny_json):
    video = build(tiny_json).get_data_info(0)
    clip = SampleReferenceFrames(Fixed({'local': [1]})).transform(dict(video, key_frame_id=1))
    clip['instances'][0].clear()
    assert clip['instances'][1]
    assert video['images'][1]['instances']


def test_a_still_image_stands_in_for_all_references(tmp_path):
    dataset = build(make_tiny_vid(tmp_path, lengths=(1, )))
    assert meta(dataset[0, 0], 'frame_id') == [0] * 5


def test_a_video_shorter_than_the_window_repeats_frames(tmp_path):
    policy = LocalWindow(12, num_samples=6)
    dataset = build(make_tiny_vid(tmp_path, lengths=(2, )), pipeline=train_pipeline(policy))
    assert set(meta(dataset[0, 0], 'frame_id')) <= {0, 1}


@pytest.mark.parametrize('roles', [{'local': [4]}, {'local': [-1]}, {'key': [0]}])
def test_frames_outside_of_the_video_are_refused(tiny_json, roles):
    with pytest.raises(ValueError, match='key frame 0 in a video of 4 frames'):
        build(tiny_json, pipeline=train_pipeline(Fixed(roles)))[0, 0]


def test_sampling_in_a_test_pipeline_is_refused(tiny_json):
    with pytest.raises(ValueError, match='For testing omit it'):
        build(tiny_json, test_mode=True, pipeline=train_pipeline())[0, 0]


def test_torch_seeds_the_draws_and_numpy_is_untouched(tiny_json):
    dataset = build(tiny_json, pipeline=train_pipeline(LocalWindow(3)))
    state = np.random.get_state()[1].copy()  # noqa: NPY002

    def draw(seed):
        torch.manual_seed(seed)
        return [meta(dataset[0, 1], 'frame_id') for _ in range(8)]
    assert draw(1) == draw(1) != draw(2)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


def test_workers_draw_differently_and_repeatably(tmp_path):
    dataset = build(make_tiny_vid(tmp_path, lengths=(30, )),
                    pipeline=[SampleReferenceFrames(PrecedingWindow(0, 20, num_samples=4))])

    def load():
        loader = DataLoader(
            dataset, num_workers=2, sampler=[(0, 15)] * 8, collate_fn=pseudo_collate,
            worker_init_fn=lambda i: worker_init_fn(i, num_workers=2, rank=0, seed=5))
        return [str(batch['frame_id']) for batch in loader]
    first = load()
    assert first == load()
    assert first[0] != first[1]


# Reading files


def break_file(path, frame, content=b'no image'):
    file = path.parent / 'video_0' / f'{frame:06d}.jpg'
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)


BROKEN = pytest.mark.parametrize('content', [None, b'', b'no image', b'\xff\xd8\xff\xe0'],
                                 ids=['missing', 'empty', 'text', 'header only'])


@BROKEN
def test_an_unreadable_file_raises_with_name_size_and_remedy(tiny_json, content):
    break_file(tiny_json, 1, content)
    with pytest.raises(OSError, match=r'000001.jpg cannot be .*\(48, 64\).*unreadable="skip"'):
        build(tiny_json, test_mode=True)[0, 1]


@BROKEN
def test_an_unreadable_file_is_grey_in_testing(tiny_json, content):
    break_file(tiny_json, 1, content)
    dataset = build(tiny_json, test_mode=True, pipeline=stream_pipeline('blank'))
    with pytest.warns(UserWarning, match=r'000001.jpg cannot be .* grey frame'):
        sample = dataset[0, 1]
    assert (sample['inputs'] == 114).all()
    assert meta(sample, 'unreadable') == [True]
    assert meta(sample, 'ori_shape') == [(48, 64)]
    assert meta(dataset[0, 0], 'unreadable') == [False]


@BROKEN
def test_an_unreadable_file_skips_the_clip_in_training(tiny_json, content):
    for frame in range(4):
        break_file(tiny_json, frame, content)
    dataset = build(tiny_json, pipeline=train_pipeline(unreadable='skip'))
    with pytest.warns(UserWarning, match=r'00000\d.jpg cannot be .* another sample is drawn'):
        sample = dataset[0, 1]
    assert meta(sample, 'video_id') == [2] * 5


def test_a_grey_frame_needs_an_annotated_size(edit):
    path = edit(lambda c: [image.pop('width') for image in c['images']])
    break_file(path, 1)
    with pytest.raises(OSError, match='cannot be decoded'):
        build(path, test_mode=True, pipeline=stream_pipeline('blank'))[0, 1]


@pytest.mark.parametrize('unreadable', ['raise', 'blank'])
def test_another_size_than_annotated_is_an_error_with_both_sizes(tiny_json, unreadable):
    cv2.imwrite(str(tiny_json.parent / 'video_0' / '000001.jpg'), np.zeros((40, 60, 3), np.uint8))
    dataset = build(tiny_json, test_mode=True, pipeline=stream_pipeline(unreadable))
    with pytest.raises(ValueError, match=r'01.jpg is \(40, 60\).*annotated as \(48, 64\)'):
        dataset[0, 1]


def test_another_size_than_annotated_is_skipped_in_training(tiny_json):
    for frame in range(4):
        cv2.imwrite(str(tiny_json.parent / 'video_0' / f'{frame:06d}.jpg'),
                    np.zeros((40, 60, 3), np.uint8))
    dataset = build(tiny_json, pipeline=train_pipeline(unreadable='skip'))
    with pytest.warns(UserWarning, match='boxes do not fit'):
        assert meta(dataset[0, 0], 'video_id')[0] == 2


def test_wrong_loading_option_is_refused():
    with pytest.raises(ValueError, match="'skip'"):
        LoadVideoFrame(unreadable='ignore')
    assert "unreadable='raise'" in repr(LoadVideoFrame())


# Sharing of random draws

SHARED = [
    dict(type='Resize', scale=(80, 60), keep_ratio=True),
    dict(type='RandomResize', scale=(64, 48), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomChoiceResize', scales=[(64, 48), (100, 75)], keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomCrop', crop_size=(30, 40)),
    dict(type='PhotoMetricDistortion'),
    dict(type='Expand', mean=(0, 0, 0)),
    dict(type='RandomAffine'),
    dict(type='YOLOXHSVRandomAug'),
    dict(type='RandomApply', transforms=[dict(type='PhotoMetricDistortion')], prob=0.5),
    *(dict(type=name, prob=0.8) for name in (
        'Rotate', 'ShearX', 'ShearY', 'TranslateX', 'TranslateY', 'Color', 'Brightness',
        'Contrast', 'Sharpness', 'Solarize', 'SolarizeAdd', 'Posterize', 'Equalize', 'AutoContrast',
        'Invert')),
    dict(type='RandomChoice', transforms=[[dict(type='RandomFlip', prob=0.5)],
                                          [dict(type='Rotate', prob=0.5), dict(type='Color')]]),
    dict(type='AutoAugment'), dict(type='RandAugment', aug_num=2),
    dict(type='RandomOrder', transforms=[dict(type='Rotate'), dict(type='Brightness')]),
    dict(type='RandomErasing', n_patches=(1, 4), ratio=(0.1, 0.4)),
    dict(type='CutOut', n_holes=(1, 3), cutout_shape=[(4, 4), (9, 6)]),
    dict(type='DrawsAnywhere'),
]


class DrawsAnywhere(BaseTransform):
    """A transform of a user that draws from all generators, where it likes."""

    def transform(self, results):
        noise = random.random() + np.random.rand() + float(torch.rand(()))  # noqa: NPY002, S311
        results['img'] = (results['img'] * (noise / 3)).astype(np.uint8)
        return results


@pytest.fixture(autouse=True, scope='module')
def _registered():
    TRANSFORMS.register_module(module=DrawsAnywhere)
    yield
    TRANSFORMS.module_dict.pop('DrawsAnywhere')


def equal_frames(seed):
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    image = np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    boxes = np.array([[5, 5, 40, 40], [20, 10, 60, 30]], np.float32)
    return dict(img=[image.copy() for _ in range(3)], img_shape=[(48, 64)] * 3,
                gt_bboxes=[HorizontalBoxes(boxes.copy()) for _ in range(3)],
                gt_bboxes_labels=[np.array([0, 1])] * 3,
                gt_ignore_flags=[np.zeros(2, bool)] * 3)


def alike(clip):
    return all(
        first.shape == other.shape and (first == other).all()
        for frames in (clip['img'], [boxes.numpy() for boxes in clip['gt_bboxes']])
        for first in frames[:1] for other in frames[1:])


@pytest.mark.parametrize('config', SHARED, ids=lambda config: config['type'])
def test_a_clip_is_transformed_as_one(config):
    transform = ClipTransform([config])
    results = [transform(equal_frames(seed)) for seed in range(12)]
    assert all(alike(clip) for clip in results)
    if 'Random' in config['type'] or 'prob' in config:
        assert any((clip['img'][0] != results[0]['img'][0]).any() for clip in results
                   if clip['img'][0].shape == results[0]['img'][0].shape)


def test_the_generators_go_on_as_after_one_frame():
    config = dict(type='PhotoMetricDistortion')
    clip, states = equal_frames(3), []
    one = {key: value[0] for key, value in clip.items()}
    for call in (lambda: TRANSFORMS.build(config)(one), lambda: ClipTransform([config])(clip)):
        np.random.seed(5)  # noqa: NPY002
        call()
        states.append(np.random.rand())  # noqa: NPY002
    assert states[0] == states[1]


def test_draws_differ_between_clips():
    transform = ClipTransform([dict(type='RandomFlip', prob=0.5)])
    assert {transform(equal_frames(seed))['flip'][0] for seed in range(12)} == {True, False}


@pytest.mark.parametrize(('config', 'reason'), [
    (dict(type='MinIoURandomCrop'), 'draws separately'),
    (dict(type='RandomShift'), 'draws separately'),
    (dict(type='RandomCenterCropPad', crop_size=(8, 8), ratios=(1.0, ), mean=[0] * 3, std=[1] * 3,
          to_rgb=False, test_pad_mode=None), 'draws separately'),
    (dict(type='Mosaic', img_scale=(64, 48)), 'mixes single images'),
    (dict(type='MixUp', img_scale=(64, 48)), 'mixes single images'),
    (dict(type='CachedMosaic', img_scale=(64, 48)), 'mixes single images'),
    (dict(type='CachedMixUp', img_scale=(64, 48)), 'mixes single images'),
    (dict(type='CopyPaste'), 'mixes single images'),
], ids=lambda value: value['type'] if isinstance(value, dict) else '')
def test_transforms_that_a_clip_cannot_share_are_refused_with_a_reason(config, reason):
    for wrapped in (config, dict(type='RandomApply', transforms=[config], prob=0.5),
                    dict(type='RandomChoice', transforms=[[dict(type='Color')], [config]])):
        with pytest.raises(ValueError, match=f'{config["type"]} cannot be in ClipTransform: .*'
                           f'{reason}'):
            ClipTransform([dict(type='Resize', scale=(8, 8)), wrapped])


def test_draws_by_content_are_found_at_the_first_frame_that_differs():
    class ByContent(BaseTransform):
        def transform(self, results):
            np.random.rand(len(results['gt_bboxes']))  # noqa: NPY002
            return results

    clip = equal_frames(0)
    clip['gt_bboxes'][2] = clip['gt_bboxes'][2][:1]
    with pytest.raises(ValueError, match=r'for frame 2 of a clip .*ByContent'):
        ClipTransform([ByContent()])(clip)


def test_stock_broadcasting_cannot_skip():
    results = dict(img_path=['nowhere.jpg'], height=[4], width=[4])
    load = [dict(type='LoadVideoFrame', unreadable='skip')]
    with pytest.warns(UserWarning, match='nowhere'), pytest.raises(ValueError, match='None'):
        TransformBroadcaster(load)(dict(results))
    with pytest.warns(UserWarning, match='nowhere'):
        assert ClipTransform(load)(dict(results)) is None


# Packing


def test_frames_without_boxes_are_packed(edit):
    path = edit(lambda c: c.update(annotations=[a for a in c['annotations'] if a['image_id'] == 1]))
    flip = [dict(type='Resize', scale=(32, 24)), dict(type='RandomFlip', prob=1.0)]
    clip = build(path, pipeline=train_pipeline(Fixed({'local': [2]}), flip))[0, 0]
    key, reference = clip['data_samples'].video_data_samples
    assert key.gt_instances.bboxes.shape == (2, 4)
    assert reference.gt_instances.bboxes.shape == (0, 4)
    assert reference.gt_instances.labels.shape == (0, )
    assert reference.ignored_instances.bboxes.shape == (0, 4)


def test_frames_of_different_size_name_files_and_sizes():
    results = dict(img=[np.zeros((4, 6, 3), np.uint8), np.zeros((5, 6, 3), np.uint8)],
                   img_path=['a.jpg', 'b.jpg'], img_id=[1, 2])
    with pytest.raises(ValueError, match=r'a\.jpg \(4, 6\), b\.jpg \(5, 6\)'):
        PackVideoInputs()(results)


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
@pytest.mark.parametrize('change', [
    pytest.param(lambda image: image, id='as read'),
    pytest.param(lambda image: image[:, ::-1], id='flipped view'),
    pytest.param(lambda image: image[1:5, 2:6], id='cropped view'),
    pytest.param(lambda image: image[..., :1], id='one channel'),
])
def test_images_become_one_tensor_with_the_channels_first(dtype, change):
    random_numbers = np.random.default_rng(0)
    images = [change(random_numbers.integers(0, 256, (6, 8, 3)).astype(dtype)) for _ in range(2)]
    inputs = packed_inputs(images)
    expected = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy())
    assert torch.equal(inputs, expected)
    assert inputs.dtype == expected.dtype
    assert inputs.is_contiguous()


def packed_inputs(images):
    paths = [str(i) for i in range(len(images))]
    return PackVideoInputs()(dict(img=images, img_path=paths, img_id=paths))['inputs']


@pytest.mark.parametrize('dtypes', [('float32', 'uint8', 'float32'), ('int64', 'int64'), ('bool', ),
                                    ('uint8', 'float64')], ids=str)
def test_images_of_other_types_are_packed_as_by_mmdet(dtypes):
    values = np.random.default_rng(0).integers(0, 2, (6, 8, 3))
    inputs = packed_inputs([values.astype(dtype) for dtype in dtypes])
    expected = np.stack([values.astype(dtype) for dtype in dtypes]).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(inputs.numpy(), expected)
    assert inputs.numpy().dtype == expected.dtype


@pytest.mark.parametrize('channels', [(3, 1), (1, 3), (4, 3)], ids=str)
def test_images_with_other_channels_are_refused(channels):
    with pytest.raises(ValueError, match='same shape'):
        packed_inputs([np.zeros((6, 8, count), np.uint8) for count in channels])


@pytest.mark.parametrize('keys', ['height', ['height', 'width']], ids=['one', 'two'])
def test_further_keys_can_be_kept(tiny_json, keys):
    pipeline = [*train_pipeline(Fixed({'local': [2]}))[:-1], dict(type='PackVideoInputs',
                                                                 meta_keys=keys)]
    clip = build(tiny_json, pipeline=pipeline)[0, 0]
    assert meta(clip, 'height') == [48, 48]
    assert ('width' in clip['data_samples'].video_data_samples[0].metainfo) == (keys != 'height')


def test_the_sampler_and_the_pipeline_work_together(tiny_json):
    dataset = build(tiny_json)
    seen = {(meta(dataset[i], 'video_id')[0], meta(dataset[i], 'frame_id')[0])
            for i in VideoKeyFrameSampler(dataset, seed=0)}
    assert len(seen) == 7


def test_a_frame_that_stands_twice_in_a_clip_is_transformed_once():
    clip, calls = equal_frames(3), []
    clip.update(img_path=['a', 'b', 'a'], frame_id=[0, 1, 0], role=['key', 'local', 'local'])

    def count(data):
        calls.append(data['img_path'])
        return data

    out = ClipTransform([dict(type='PhotoMetricDistortion'), count])(clip)
    assert calls == ['a', 'b']
    assert out['role'] == ['key', 'local', 'local']
    assert (out['img'][0] == out['img'][2]).all()
    assert not np.shares_memory(out['img'][0], out['img'][2])
