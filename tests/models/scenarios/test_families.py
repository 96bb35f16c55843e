"""Dense detectors and transformers: stock mmdet without references; temporal necks in each."""

import inspect

import pytest
import torch
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox_overlaps
from mmengine.config import ConfigDict

from mmvod_plugins.models.adapters.dense import FINISHED

from ..necks.test_mixing import train
from ..test_video_detector import assert_same, assert_same_losses
from ..tiny import detect, numbers, sample_of, training_batch, video
from .detectors import DETECTORS, WIDTH, detector_of, video_model

every_detector = pytest.mark.parametrize('name', DETECTORS)
FGFA = dict(
    references=dict(type='LocalWindow', radius=1, num_samples=2),
    temporal_neck=dict(type='FGFANeck', channels=WIDTH, embed_layers=[(8, 1)],
                       motion=dict(type='FlowNetSimple', base_channels=2)))
STMN = dict(
    references=dict(type='InterleavedWindows', num_frames=3, stride=2, num_samples=3),
    temporal_neck=dict(type='STMMNeck', in_channels=WIDTH, channels=8, levels=(0, 1, 2)))
OGEMN = dict(
    references=dict(type='PrecedingIntervals', num_samples=2, max_interval=2),
    temporal_neck=dict(type='OGEMNNeck', in_channels=WIDTH, num_heads=4, embed_channels=4,
                       levels=(0, 1, 2), strides=(8, 16, 32), temperature=8.0,
                       write_rule=dict(score_thr=0.01)))
MST = dict(
    references=FGFA['references'],
    temporal_neck=dict(type='MSTNeck', channels=WIDTH, attention=dict(num_heads=2),
                       dalign=dict(predict_channels=4, apply_channels=WIDTH)))
METHODS = dict(fgfa=FGFA, stmn=STMN, ogemn=OGEMN, mst=MST)
#: References of key frame 0 in training; one that changes must matter.
ROLES = dict(fgfa={'local': [2, 2]}, stmn={'window': [2, 4]}, ogemn={'memory': [2, 4]},
             mst={'local': [2, 2]})
QUERIES = ('deformable_detr', 'dino')
every_method = pytest.mark.parametrize('method', METHODS)


def video_detector(name, method, **settings):
    """Config of a small detector for a method: windows of queries need a suppression."""
    config = detector_of(name)
    if name in QUERIES and method == 'stmn':
        config.test_cfg.nms = dict(type='nms', iou_threshold=0.7)
    return dict(detector=config, **METHODS[method], **settings)


def plain(name, model):
    """The same detector as a plain mmdet model."""
    stock = MODELS.build(detector_of(name))
    stock.load_state_dict(model.detector.state_dict())
    return stock


@every_detector
@torch.no_grad()
@pytest.mark.parametrize('scale', [(1.0, 1.0), (0.7, 0.3)])
def test_without_references_detections_are_those_of_mmdet_bit_for_bit(name, scale):
    model, frames = video_model(detector_of(name)), video(3, shape=(50, 70))
    stock = plain(name, model).eval()
    found = detect(model, frames, scale_factor=scale)
    assert max(len(sample.pred_instances) for sample in found) > 3
    for frame, sample in zip(frames, found, strict=True):
        expected = stock.test_step(dict(inputs=[frame], data_samples=[
            sample_of(sample.frame_id, 3, (50, 70), scale_factor=scale)]))
        assert_same(expected, [sample])


@every_detector
def test_without_references_losses_are_those_of_mmdet(name):
    model = video_model(detector_of(name)).train()
    stock = plain(name, model).train()
    assert_same_losses(model, stock)


@every_detector
@every_method
def test_detections_change_with_the_references(name, method):
    model, frames = video_model(**video_detector(name, method)), video(5)
    if method == 'stmn':  # the reduction starts at zero
        for level in model.temporal_neck.levels:
            torch.nn.init.normal_(level.reduction.weight, std=0.2)
    before = numbers(detect(model, frames))
    assert all(len(part) for part in before)
    changed = 1 if method == 'ogemn' else 4
    frames[changed] = video(1, seed=9)[0]
    same = [a.shape == b.shape and torch.equal(a, b)
            for a, b in zip(before, numbers(detect(model, frames)), strict=True)]
    # FGFA and MST look one frame ahead; STMN's windows hold frames 0, 2, 4; OGEMN remembers
    assert same == dict(fgfa=[True] * 3 + [False] * 2, stmn=[False, True, False, True, False],
                        ogemn=[True] + [False] * 4, mst=[True] * 3 + [False] * 2)[method]


@every_detector
@every_method
def test_losses_are_those_of_enhanced_maps(name, method, monkeypatch):
    """Another reference frame, and nothing else, changes the maps of the key frame's loss."""
    model = video_model(**video_detector(name, method))
    if method == 'stmn':  # the reduction starts at zero
        for level in model.temporal_neck.levels:
            torch.nn.init.normal_(level.reduction.weight, std=0.2)
    model.train().detector.eval()  # batch norm would see the other frame too
    seen = []
    monkeypatch.setattr(model.adapter, 'loss', lambda maps, samples, references: seen.append(
        maps[0][:1].detach()) or dict(loss=maps[0].sum()))
    for seed in (0, 0, 9):
        frames = video(6)
        frames[2] = video(6, seed=seed)[2]
        data = model.data_preprocessor(training_batch(frames, 0, ROLES[method]), training=True)
        model(**data, mode='loss')
    assert torch.equal(seen[0], seen[1])
    assert not torch.allclose(seen[0], seen[2])


@every_detector
@every_method
def test_the_loss_falls_and_every_parameter_has_a_gradient(name, method):
    torch.manual_seed(0)
    model = MODELS.build(ConfigDict(type='VideoDetector', **video_detector(name, method)))
    model.init_weights()
    # RTMDet's loss starts near zero, before anything overlaps, and falls from its peak
    total = train(model, 60 if name == 'rtmdet' else 8, repeat=True, lr=2e-3)
    assert total[-1] < 0.97 * (max(total) if name == 'rtmdet' else total[0])
    missing = [key for key, p in model.named_parameters() if p.requires_grad and p.grad is None]
    # the decoder of two stages draws its queries' content from the encoder, and has no use for
    # what plain mmdet leaves without a gradient there
    stock = video_model(detector_of(name)).train()
    data = stock.data_preprocessor(training_batch(video(2), 0, {}), True)
    stock.parse_losses(stock(**data, mode='loss'))[0].backward()
    assert missing == [key for key, p in stock.named_parameters()
                       if p.requires_grad and p.grad is None]


@every_detector
@torch.no_grad()
def test_options_that_only_add_leave_the_detections(name):
    frames = video(2)
    few = detect(video_model(detector_of(name)), frames)
    assert all(len(part) for part in numbers(few))
    fewer = detect(video_model(detector_of(name), detections=dict(score_thr=0.2)), frames)
    for one, other in zip(numbers(few), numbers(fewer), strict=True):
        # nothing that is suppressed by a strong box depends on weak ones
        assert torch.equal(other, one[one[:, 4] > 0.2])
    many = detect(video_model(detector_of(name), detections=dict(nms=False, score_thr=1e-6)),
                  frames)
    assert all(len(b) >= len(a) for a, b in zip(numbers(few), numbers(many), strict=True))


@pytest.mark.parametrize('name', QUERIES)
@torch.no_grad()
def test_windows_of_queries_are_pooled_and_suppressed_once(name):
    frames = video(7)  # windows overlap from frame 2 on
    for sample in detect(video_model(**video_detector(name, 'stmn')), frames):
        rows = sample.pred_instances
        overlaps = bbox_overlaps(rows.bboxes, rows.bboxes).fill_diagonal_(0)
        overlaps[rows.labels[:, None] != rows.labels] = 0
        assert len(rows)
        assert overlaps.max() <= 0.7
    with pytest.raises(ValueError, match=r'suppresses nothing: add nms=.* or use CentredWindow'):
        detect(video_model(detector_of(name), **STMN), frames)
    centred = dict(STMN, references=dict(STMN['references'], type='CentredWindow'))
    assert len(detect(video_model(detector_of(name), **centred), frames)) == 7


@every_detector
def test_class_scores_are_refused(name):
    with pytest.raises(ValueError, match=r'detections\.class_scores needs a detector with a RoI'):
        video_model(detector_of(name), detections=dict(class_scores=True))


def test_heads_without_boxes_before_suppression_are_declared():
    """The signatures of mmdet's heads say which ones have thresholds and raw boxes to choose."""
    heads = {cls for cls in MODELS.module_dict.values() if inspect.isclass(cls)
             and issubclass(cls, BaseDenseHead)
             and cls.__module__.startswith('mmdet.models.dense_heads')}
    assert len(heads) > 30
    for head in heads:
        known = inspect.signature(head.predict_by_feat).parameters
        if not {'cfg', 'with_nms'} <= known.keys():
            assert issubclass(head, FINISHED), head


@torch.no_grad()
def test_a_head_with_finished_detections_is_the_stock_head():
    settings = detector_of('retinanet')
    settings.bbox_head = dict(type='CenterNetHead', in_channels=WIDTH, feat_channels=WIDTH,
                              num_classes=4)
    settings.type, settings.neck.num_outs = 'CenterNet', 1
    settings.neck.update(start_level=0, end_level=0)
    settings.test_cfg = dict(topk=20, local_maximum_kernel=3, max_per_img=20)
    model, frames = video_model(settings), video(2)
    stock = MODELS.build(settings)
    stock.load_state_dict(model.detector.state_dict())
    found = detect(model, frames, scale_factor=(0.5, 0.5), border=(0, 64, 0, 96))
    for frame, sample in zip(frames, found, strict=True):
        meta = sample_of(sample.frame_id, 2, scale_factor=(0.5, 0.5))
        meta.set_metainfo(dict(border=(0, 64, 0, 96)))
        assert len(sample.pred_instances) > 0
        expected = stock.eval().test_step(dict(inputs=[frame], data_samples=[meta]))
        assert_same(expected, [sample])
    with pytest.raises(ValueError, match='CenterNetHead, which gives nothing but finished'):
        video_model(settings, detections=dict(nms=False))


@torch.no_grad()
def test_ssd_detects_though_its_head_has_no_loss_to_ask_for():
    """mmdet's own prediction fails: it asks the head for a loss that SSDHead does not have."""
    settings = detector_of('retinanet')
    settings.bbox_head = dict(
        type='SSDHead', in_channels=[WIDTH] * 3, num_classes=4,
        anchor_generator=dict(type='AnchorGenerator', scales=[4], ratios=[1.0],
                              strides=[8, 16, 32]))
    model, frames = video_model(settings), video(2)
    stock = MODELS.build(settings).eval()
    stock.load_state_dict(model.detector.state_dict())
    stock.bbox_head.loss_cls = None
    for frame, sample in zip(frames, detect(model, frames), strict=True):
        assert len(sample.pred_instances) > 0
        expected = stock.test_step(dict(inputs=[frame], data_samples=[sample_of(
            sample.frame_id, 2)]))
        assert_same(expected, [sample])
