"""Precomputed proposals: the file, the data set, and the way into the network."""

import json

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmengine.runner import Runner

from mmvod_plugins.datasets import ProposalFile, save_proposals
from mmvod_plugins.datasets.transforms.proposals import follow_image

from .conftest import build, stream_pipeline, train_pipeline
from .tiny_vid import make_tiny_proposals

LOAD = dict(type='LoadFrameProposals')
SIZE = 48, 64  # height, width of the tiny frames


@pytest.fixture
def proposals(tiny_json):
    """The file of proposals beside the tiny json."""
    return make_tiny_proposals(tiny_json)


def with_load(pipeline, *transforms, at=1):
    """A pipeline that loads proposals, and does something after it."""
    index = next(i for i, t in enumerate(pipeline) if t['type'] == 'ClipTransform')
    inner = pipeline[index]['transforms']
    inner[at:at] = [LOAD]
    inner += transforms
    return pipeline


def drop(path, keep):
    """Write a file again without some of its frames."""
    source = ProposalFile(str(path))
    frames = {name: source.proposals(row) for name, row in source.rows.items() if keep(name)}
    save_proposals(path, {name: (p['bboxes'], p['scores']) for name, p in frames.items()})


# The file ----------------------------------------------------------------------------------------


def test_what_is_written_is_read(tmp_path):
    frames = {'a/0.jpg': ([[1, 2, 3.5, 4]], [0.5]), 'a/1.jpg': ([], []),
              'b/0.jpg': ([[0, 0, 9, 9], [5, 5, 6, 6]], [0.1, 0.9])}
    save_proposals(tmp_path / 'p.npz', frames)
    source = ProposalFile(str(tmp_path / 'p.npz'))
    assert len(source) == 3
    for name, (boxes, scores) in frames.items():
        found = source.proposals(source.row(name))
        assert found['bboxes'].tolist() == boxes
        assert found['scores'].tolist() == pytest.approx(scores)
    assert source.row('c/0.jpg') == -1
    assert source.proposals(-1) is None
    assert [path.name for path in tmp_path.iterdir()] == ['p.npz']


def test_a_file_may_name_no_frame(tmp_path):
    save_proposals(tmp_path / 'p.npz', {})
    assert len(ProposalFile(str(tmp_path / 'p.npz'))) == 0


def rewrite(path, **arrays):
    with np.load(path) as data:
        content = dict(data)
    content.update(arrays)
    np.savez(path, **{key: value for key, value in content.items() if value is not None})


@pytest.mark.parametrize(('arrays', 'message'), [
    (dict(scores=None), r"lacks the arrays \['scores'\]"),
    (dict(meta=np.array('{}')), 'is None version None'),
    (dict(meta=np.array(json.dumps(dict(format='mmvod_proposals', version=9)))), 'version 9'),
    (dict(num_boxes=np.array([1, 1])), r'file_names has the shape \(3,\), expected \(2,\)'),
    (dict(num_boxes=np.array([1, -1, 3])), 'num_boxes has negative numbers'),
    (dict(boxes=np.zeros((2, 4))), r'boxes has the shape \(2, 4\), expected \(3, 4\)'),
    (dict(file_names=np.array(['a', 'a', 'b'])), "names 'a' more than once"),
    (dict(boxes=np.array([[0, 0, 1, 1], [0, 0, 1, 1], [5, 0, 4, 1.0]])),
     "1 proposals are not valid boxes.*'c'"),
    (dict(scores=np.array([0, np.nan, 0])), "1 proposals are not valid boxes.*'b'"),
])
def test_faulty_files_are_refused(tmp_path, arrays, message):
    path = tmp_path / 'p.npz'
    box = ([[0, 0, 1, 1]], [1])
    save_proposals(path, dict(a=box, b=box, c=box))
    rewrite(path, **arrays)
    with pytest.raises(ValueError, match=message) as error:
        ProposalFile(str(path))
    assert str(path) in str(error.value)


def test_other_files_are_refused(tmp_path, tiny_json):
    with pytest.raises(ValueError, match='is not a file of proposals'):
        ProposalFile(str(tiny_json))
    with pytest.raises(FileNotFoundError):
        ProposalFile(str(tmp_path / 'none.npz'))
    with pytest.raises(ValueError, match=r'written as .npz, got .*p.pkl'):
        save_proposals(tmp_path / 'p.pkl', {})


# The data set ------------------------------------------------------------------------------------


@pytest.mark.parametrize('serialize_data', [True, False])
def test_key_frames_and_references_carry_theirs_in_training(tiny_json, proposals, serialize_data):
    data = build(tiny_json, pipeline=with_load(train_pipeline()), serialize_data=serialize_data,
                 proposal_file=str(proposals))
    source = ProposalFile(str(proposals))
    for _ in range(2):  # the second time reads the same
        clip = data[(1, 2)]['data_samples']
        assert len(clip) > 1
        for sample in clip:
            name = '/'.join(sample.img_path.rsplit('/', 2)[1:])
            expected = source.proposals(source.row(name))
            torch.testing.assert_close(sample.proposals.bboxes, torch.tensor(expected['bboxes']))
            torch.testing.assert_close(sample.proposals.scores, torch.tensor(expected['scores']))


def test_every_frame_carries_its_own_in_testing(tiny_json, proposals):
    data = build(tiny_json, test_mode=True, pipeline=with_load(stream_pipeline()),
                 proposal_file=str(proposals))
    source = ProposalFile(str(proposals))
    for frame_id in range(4):
        [sample] = data[(0, frame_id)]['data_samples']
        expected = source.proposals(source.row(f'video_0/{frame_id:06d}.jpg'))['bboxes']
        torch.testing.assert_close(sample.proposals.bboxes, torch.tensor(expected))


def test_the_file_lies_below_data_root(tiny_json, proposals):
    data = build(tiny_json, data_root=str(tiny_json.parent), test_mode=True,
                 pipeline=with_load(stream_pipeline()), proposal_file=proposals.name)
    assert len(data[(0, 0)]['data_samples'][0].proposals)
    assert data._proposals.path == str(proposals)


def test_a_subset_keeps_them(tiny_json, proposals):
    data = build(tiny_json, test_mode=True, pipeline=with_load(stream_pipeline()),
                 proposal_file=str(proposals))
    part = data.get_subset([1])
    [sample], [expected] = part[(0, 1)]['data_samples'], data[(1, 1)]['data_samples']
    assert torch.equal(sample.proposals.bboxes, expected.proposals.bboxes)
    assert part._proposals is data._proposals


def test_stock_load_proposals_reads_the_same_keys(tiny_json, proposals):
    pipeline = stream_pipeline()
    pipeline[0]['transforms'].append(dict(type='LoadProposals', num_max_proposals=3))
    data = build(tiny_json, test_mode=True, pipeline=pipeline, proposal_file=str(proposals))
    assert len(data[(0, 0)]['data_samples'][0].proposals) == 3


def test_the_best_are_kept_best_first(tiny_json, proposals):
    boxes, scores = [[0, 0, 9, 9], [1, 1, 9, 9], [2, 2, 9, 9]], [0.2, 0.9, 0.5]
    save_proposals(proposals, {f'video_0/{i:06d}.jpg': (boxes, scores) for i in range(4)} | {
        f'video_1/{i:06d}.jpg': ([], []) for i in range(3)})
    pipeline = stream_pipeline()
    pipeline[0]['transforms'].append(dict(LOAD, num_max_proposals=2))
    data = build(tiny_json, test_mode=True, pipeline=pipeline, proposal_file=str(proposals))
    [sample] = data[(0, 1)]['data_samples']
    assert sample.proposals.bboxes.tolist() == [boxes[1], boxes[2]]
    assert sample.proposals.scores.tolist() == pytest.approx([0.9, 0.5])
    [sample] = data[(1, 1)]['data_samples']  # an empty entry is legal
    assert sample.proposals.bboxes.shape == (0, 4)
    assert sample.proposals.scores.shape == (0, )


# What is missing ---------------------------------------------------------------------------------


def test_a_test_frame_without_entry_is_named_at_once(tiny_json, proposals):
    drop(proposals, lambda name: name not in ('video_1/000001.jpg', 'video_1/000002.jpg'))
    with pytest.raises(KeyError, match=r'no entry for frame 1 of video .video_1. \(.*/video_1/'
                                       r'000001.jpg\), nor for 1 others'):
        build(tiny_json, test_mode=True, proposal_file=str(proposals))


def test_a_key_frame_without_entry_is_named_at_once(edit, proposals):

    def mark(content):
        for image in content['images']:
            image['is_vid_train_frame'] = image['frame_id'] == 1

    path = edit(mark)
    drop(proposals, lambda name: '000001' not in name)
    with pytest.raises(KeyError, match='no entry for frame 1 of video'):
        build(path, proposal_file=str(proposals))


def test_frames_that_are_never_drawn_need_none(edit, proposals):

    def mark(content):
        for image in content['images']:
            image['is_vid_train_frame'] = image['frame_id'] == 1

    path = edit(mark)
    drop(proposals, lambda name: '000001' in name)
    data = build(path, pipeline=with_load(train_pipeline(references=None)),
                 proposal_file=str(proposals))
    assert len(data[(0, 1)]['data_samples'][0].proposals)
    data = build(path, pipeline=with_load(train_pipeline()), proposal_file=str(proposals))
    with pytest.raises(KeyError, match=r'no proposals for frame \d \(.*video_0/00000[023].jpg\)'):
        data[(0, 1)]


def test_loading_without_a_file_and_a_file_without_loading_are_named(tiny_json, proposals):
    with pytest.raises(KeyError, match='or there is no proposal_file'):
        build(tiny_json, test_mode=True, pipeline=with_load(stream_pipeline()))[(0, 0)]
    data = build(tiny_json, test_mode=True, proposal_file=str(proposals))
    with pytest.raises(ValueError, match=r'add dict.type=.LoadFrameProposals'):
        data[(0, 0)]


def test_the_stock_broadcaster_is_refused():
    """It would flip some frames of a clip and not the others."""
    flip = dict(type='ProposalBroadcaster', transforms=[dict(type='RandomFlip', prob=1.0)])
    with pytest.raises(ValueError, match='Replace it by the transforms inside it'):
        TRANSFORMS.build(dict(type='ClipTransform', transforms=[LOAD, flip]))


# Following the frame -----------------------------------------------------------------------------


@TRANSFORMS.register_module()
class ProposalsAsTruth(BaseTransform):
    """Give a frame its proposals as ground truth, which mmdet's transforms move."""

    proposals_follow = True

    def transform(self, results):
        boxes = results['proposals']['bboxes']
        return dict(results, gt_bboxes=boxes.copy(), gt_bboxes_labels=np.arange(len(boxes)),
                    gt_ignore_flags=np.zeros(len(boxes), dtype=bool),
                    gt_instances_ids=np.arange(len(boxes)))


@pytest.mark.parametrize('transforms', [
    [dict(type='Resize', scale=(100, 80), keep_ratio=True)],
    [dict(type='Resize', scale=(100, 90), keep_ratio=False)],
    [dict(type='RandomFlip', prob=1.0)],
    [dict(type='RandomFlip', prob=1.0, direction='diagonal')],
    [dict(type='Resize', scale=(100, 80), keep_ratio=True), dict(type='RandomFlip', prob=0.5)],
    [dict(type='RandomFlip', prob=1.0), dict(type='Resize', scale=(90, 70), keep_ratio=True),
     dict(type='Pad', size_divisor=32)],
    [dict(type='RandomCrop', crop_size=(40, 40)), dict(type='RandomFlip', prob=0.5)],
], ids=lambda transforms: '-'.join(t['type'] for t in transforms))
@pytest.mark.parametrize('at', ['first', 'last'])
def test_they_move_as_ground_truth_does(tiny_json, proposals, transforms, at):
    """Wherever they are loaded; in frames of a clip with the same draws."""
    pipeline = train_pipeline()
    steps = [LOAD, *transforms] if at == 'first' else [*transforms, LOAD]
    pipeline[1]['transforms'] += [ProposalsAsTruth(), *steps]
    data = build(tiny_json, pipeline=pipeline, proposal_file=str(proposals))
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 mmdet's crops draw from it
    for _ in range(4):
        for sample in data[(0, 1)]['data_samples']:
            expected = sample.gt_instances.bboxes
            expected = expected[(expected[:, 2:] > expected[:, :2]).all(1)]
            assert len(expected)
            torch.testing.assert_close(sample.proposals.bboxes, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize('transform', [
    dict(type='Expand'), dict(type='RandomAffine'),
    dict(type='mmcv.RandomFlip', prob=0.5), dict(type='mmcv.CenterCrop', crop_size=8),
], ids=lambda transform: transform['type'])
@pytest.mark.parametrize('inside', [False, True])
def test_transforms_that_record_no_movement_are_refused(transform, inside):
    name = transform['type'].rpartition('.')[2]
    wrapped = dict(type='RandomApply', transforms=[transform]) if inside else transform
    TRANSFORMS.build(dict(type='ClipTransform', transforms=[wrapped]))
    with pytest.raises(ValueError, match=f'{name} is not known to record homography_matrix'):
        TRANSFORMS.build(dict(type='ClipTransform', transforms=[LOAD, wrapped]))


def test_transforms_that_move_nothing_or_record_it_are_taken():
    resize = dict(type='RandomChoiceResize', scales=[(8, 8)], resize_type='Resize')
    TRANSFORMS.build(dict(type='ClipTransform', transforms=[
        dict(type='LoadVideoFrame'), dict(type='LoadTrackAnnotations'), LOAD, resize,
        dict(type='RandomApply', transforms=[dict(type='PhotoMetricDistortion')]),
        dict(type='Rotate'), dict(type='Color'), dict(type='Pad', size_divisor=8)]))


def test_boxes_outside_are_clipped_or_leave():
    boxes = np.array([[-5, -5, 10, 10], [50, 40, 80, 70], [70, 0, 90, 9], [20, 20, 20, 30]])
    moved, rows = follow_image(boxes.astype(np.float32), None, SIZE)
    assert moved.tolist() == [[0, 0, 10, 10], [50, 40, 64, 48]]
    assert rows.tolist() == [0, 1]
    assert moved.dtype == np.float32


def test_no_boxes_move_to_no_boxes():
    moved, rows = follow_image(np.zeros((0, 4), np.float32), np.eye(3), SIZE)
    assert moved.shape == (0, 4)
    assert rows.shape == (0, )


def test_a_stock_loader_hands_them_to_the_model(tiny_json, proposals):
    dataset = dict(
        type='CocoVIDDataset', ann_file=str(tiny_json), test_mode=True,
        data_prefix=dict(img_path=str(tiny_json.parent)), proposal_file=str(proposals),
        pipeline=with_load(stream_pipeline()))
    loader = Runner.build_dataloader(dict(
        batch_size=2, num_workers=1, dataset=dataset,
        sampler=dict(type='VideoStreamSampler', references=None)), seed=0)
    samples = [sample for batch in loader for clip in batch['data_samples'] for sample in clip]
    assert len(samples) == 7
    assert all(len(sample.proposals) == 8 for sample in samples)
