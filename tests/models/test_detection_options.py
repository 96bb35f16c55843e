"""What testing returns beyond boxes: everything without NMS, class scores, relation weights."""

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from mmvod_plugins.models import selection
from mmvod_plugins.models.aggregators import RelationStage
from mmvod_plugins.models.layers import RelationModule
from mmvod_plugins.models.selection import OutputOptions, select_detections
from mmvod_plugins.structures import ObjectFeatures

from .tiny import detect, tiny_config, tiny_model, video

TEST_CFG = ConfigDict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=3)
RAW = dict(
    boxes=[[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]],
    scores=[[0.6, 0.3, 0.1], [0.5, 0.01, 0.49], [0.002, 0.9, 0.098]])


def raw(per_class=False):
    boxes = torch.tensor(RAW['boxes'], dtype=torch.float32)
    if per_class:  # those of class 1 lie a hundred pixels further on
        boxes = torch.cat([boxes, boxes + 100], dim=1)
    return InstanceData(bboxes=boxes, scores=torch.tensor(RAW['scores']))


def test_default_is_what_mmdet_does():
    found = select_detections(raw(), TEST_CFG, OutputOptions())
    assert found.labels.tolist() == [1, 0, 1]
    torch.testing.assert_close(found.scores, torch.tensor([0.9, 0.6, 0.3]))
    assert set(found.keys()) == {'bboxes', 'scores', 'labels'}


@pytest.mark.parametrize('per_class', [False, True], ids=['one box', 'a box per class'])
def test_without_nms_every_class_above_the_threshold_is_a_detection(per_class):
    options = OutputOptions(nms=False, class_scores=True)
    found = select_detections(raw(per_class), TEST_CFG, options)
    assert found.proposal_ids.tolist() == [2, 0, 1, 0, 1, 2]
    assert found.labels.tolist() == [1, 0, 0, 1, 1, 0]
    torch.testing.assert_close(found.scores, torch.tensor([0.9, 0.6, 0.5, 0.3, 0.01, 0.002]))
    torch.testing.assert_close(found.class_scores, raw().scores[found.proposal_ids, :2])
    shift = 100 * found.labels[:, None] if per_class else 0
    torch.testing.assert_close(found.bboxes, raw().bboxes[found.proposal_ids] + shift)


def test_class_scores_come_with_nms_too():
    plain = select_detections(raw(), TEST_CFG, OutputOptions())
    found = select_detections(raw(), TEST_CFG, OutputOptions(class_scores=True))
    assert torch.equal(found.bboxes, plain.bboxes)
    assert found.proposal_ids.tolist() == [2, 0, 0]


def test_no_proposals_give_no_detections():
    empty = InstanceData(bboxes=torch.zeros(0, 4), scores=torch.zeros(0, 3))
    for nms in (True, False):
        found = select_detections(empty, TEST_CFG, OutputOptions(nms=nms, class_scores=True))
        assert len(found) == 0
        assert found.class_scores.shape == (0, 2)


def test_weights_are_those_of_the_module():
    torch.manual_seed(0)
    module = RelationModule(16, 4).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    feats, references = torch.randn(5, 16).double(), torch.randn(7, 16).double()
    boxes, reference_boxes = (torch.tensor([[0, 0, 9, 9.0]]) + 9 * torch.rand(n, 1) for n in (5, 7))
    weights = module.weights(feats, references, boxes.double(), reference_boxes.double())
    values = module.value(references).view(7, 4, 4).transpose(0, 1)
    out = (weights @ values).transpose(0, 1).flatten(1)
    expected = module(feats, references, boxes.double(), reference_boxes.double())
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(weights.sum(-1), torch.ones(4, 5).double())


def objects(frame_id, number):
    generator = torch.Generator().manual_seed(frame_id)
    corner = 50 * torch.rand(number, 2, generator=generator)
    return ObjectFeatures(torch.cat([corner, corner + 10], 1),
                          torch.randn(number, 16, generator=generator), torch.rand(number),
                          torch.full((number, ), frame_id))


def test_weights_to_a_frame_are_its_columns_and_copies_add_up():
    module = RelationModule(16, 4)
    key, others = objects(1, 3), [objects(0, 2), objects(2, 4), objects(1, 3), objects(2, 4)]
    pool = ObjectFeatures.cat(others)
    mean = module.weights(key.feats, pool.feats, key.boxes, pool.boxes).mean(0)
    stage = RelationStage(module, key, others)
    torch.testing.assert_close(stage.weights_to(2), mean[:, 2:6] + mean[:, 9:13])
    assert stage.weights_to(5).shape == (3, 0)


def options_model(method='mega', **detections):
    """A tiny model with the weights of ``tiny_model`` and detection options."""
    model = tiny_model(method) if method == 'mega' else tiny_model(method, references=None)
    config = tiny_config(method)
    config.detections = detections
    changed = MODELS.build(config)
    changed.load_state_dict(model.state_dict())
    return model, changed.eval()


@pytest.mark.parametrize('method', ['mega', 'single'])
def test_options_do_not_change_the_detections_that_nms_leaves(method):
    plain, detailed = options_model(method, class_scores=True)
    frames = video(3)
    for before, after in zip(detect(plain, frames), detect(detailed, frames), strict=True):
        assert torch.equal(before.pred_instances.bboxes, after.pred_instances.bboxes)
        assert torch.equal(before.pred_instances.scores, after.pred_instances.scores)
        rows = after.pred_instances
        assert len(rows)
        assert torch.equal(rows.class_scores.gather(1, rows.labels[:, None])[:, 0], rows.scores)


@pytest.mark.parametrize('method', ['mega', 'single'])
def test_everything_without_nms(method):
    _, detailed = options_model(method, nms=False, score_thr=0.0, class_scores=True)
    rows = detect(detailed, video(2))[0].pred_instances
    proposals = int(rows.proposal_ids.max()) + 1
    assert len(rows) == proposals * rows.class_scores.shape[1]


def test_relation_weights_lead_to_the_next_frame():
    plain, detailed = options_model(relations=True)
    frames = video(4)
    found = detect(detailed, frames)
    topk = detailed.adapter.head.needs.topk
    assert [s.relations.shape[1] for s in found] == [topk, topk, topk, 0]
    assert all((s.relations.sum(1) <= 1 + 1e-5).all() and (s.relations >= 0).all() for s in found)
    assert all(s.pred_instances.proposal_ids.max() < len(s.relations) for s in found)
    for before, after in zip(detect(plain, frames), found, strict=True):
        assert torch.equal(before.pred_instances.scores, after.pred_instances.scores)


DENSE = ConfigDict(
    type='RetinaNet',
    data_preprocessor=dict(type='DetDataPreprocessor', mean=[0] * 3, std=[60] * 3),
    backbone=dict(type='ResNet', depth=18, base_channels=8, out_indices=(1, 2), frozen_stages=-1),
    neck=dict(type='FPN', in_channels=[16, 32], out_channels=8, num_outs=2),
    bbox_head=dict(
        type='RetinaHead', num_classes=2, in_channels=8, stacked_convs=1, feat_channels=8,
        anchor_generator=dict(type='AnchorGenerator', octave_base_scale=2, scales_per_octave=1,
                              ratios=[1.0], strides=[8, 16])),
    test_cfg=dict(nms_pre=50, min_bbox_size=0, score_thr=0.005, max_per_img=5,
                  nms=dict(type='nms', iou_threshold=0.1)))


def test_dense_detectors_return_everything_too():
    def run(**detections):
        torch.manual_seed(0)
        model = MODELS.build(ConfigDict(
            type='VideoDetector', detector=DENSE, detections=detections))
        model.init_weights()
        return detect(model.eval(), video(1))[0].pred_instances
    few, many = run(), run(nms=False)
    assert len(few) <= 5 < 200 < len(many)  # nms_pre is 50 per level
    rows = {tuple(row) for row in many.bboxes.tolist()}
    assert {tuple(row) for row in few.bboxes.tolist()} <= rows


@pytest.mark.parametrize(('config', 'word'), [
    (dict(detector=DENSE, detections=dict(class_scores=True)), 'dense detector'),
    (dict(detector=DENSE, detections=dict(relations=True)), 'needs a temporal head'),
], ids=['class scores of a dense head', 'relations without an aggregator'])
def test_what_a_detector_does_not_have_is_refused(config, word):
    with pytest.raises(ValueError, match=word):
        MODELS.build(dict(type='VideoDetector', **config))


def test_many_candidates_are_suppressed_class_by_class_with_the_same_result(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    corner = 200 * torch.rand(60, 1, 2, generator=generator)
    boxes = torch.cat([corner, corner + 60], -1) + 4 * torch.randn(60, 5, 4, generator=generator)
    raw = InstanceData(bboxes=boxes.flatten(1),
                       scores=torch.randn(60, 6, generator=generator).softmax(1))
    config = ConfigDict(score_thr=0.01, nms=dict(type='nms', iou_threshold=0.5), max_per_img=300)
    whole = selection.select_detections(raw, config, selection.OutputOptions())
    monkeypatch.setattr(selection, 'SPLIT', 10)
    split = selection.select_detections(raw, config, selection.OutputOptions())
    assert 0 < len(whole) < 300
    for name in ('bboxes', 'scores', 'labels'):
        assert torch.equal(whole[name], split[name])
    assert 'split_thr' not in config.nms
    # mmcv does not know class_agnostic class by class
    config.nms.class_agnostic = True
    assert len(selection.select_detections(raw, config, selection.OutputOptions())) < len(whole)
