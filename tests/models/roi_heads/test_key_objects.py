"""The key objects of a training step carry what they carry in testing: scores and frame numbers."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData

from mmvod_plugins.models.aggregators import Aggregated
from mmvod_plugins.models.roi_heads.temporal_cascade_roi_head import _with_scores as with_scores

from ..tiny import WINDOW, detect, sample_of, tiny_model, training_batch, video
from .test_mixing import CASCADE, model_of


def seen_by(aggregator, monkeypatch):
    """Key objects that an aggregator is given."""
    seen, original = [], aggregator.forward

    def forward(key, references, memory):
        seen.append(key)
        return original(key, references, memory)

    monkeypatch.setattr(aggregator, 'forward', forward)
    return seen


def proposals_of(adapter, monkeypatch):
    """Training proposals, as the RPN gives them to the RoI head."""
    found, original = [], adapter._rpn_loss

    def rpn_loss(maps, samples):
        losses, proposals = original(maps, samples)
        found.extend(proposals)
        return losses, proposals

    monkeypatch.setattr(adapter, '_rpn_loss', rpn_loss)
    return found


def assert_scores(key, proposals, truth):
    """True boxes have score 1, the others that of their proposal; positives are no exception."""
    assert len(key)
    for box, score in zip(key.boxes, key.scores, strict=True):
        if (truth == box).all(1).any():
            assert score == 1
        else:
            rows = (proposals.bboxes == box).all(1).nonzero()[:, 0]
            assert score in proposals.scores[rows]


def test_scores_are_those_of_the_proposals_and_1_for_true_boxes(monkeypatch):
    model = tiny_model(references=WINDOW).train()
    keys = seen_by(model.adapter.head.aggregator, monkeypatch)
    proposals = proposals_of(model.adapter, monkeypatch)
    data = model.data_preprocessor(
        training_batch(video(9), 4, {'local': [4, 3, 5]}, copies=2), training=True)
    model(**data, mode='loss')
    assert len(keys) == len(proposals) == 2
    for key, part, clip in zip(keys, proposals, data['data_samples'], strict=True):
        truth = clip[0].gt_instances.bboxes
        assert key.frame_ids.tolist() == [4] * len(key)
        assert (key.scores == 1).sum() == len(truth)
        assert_scores(key, part, truth)


def test_training_and_testing_agree_on_the_scores_of_equal_boxes(monkeypatch):
    """The RPN of both modes on the same frame, with the same settings."""
    model = tiny_model(references=WINDOW)
    model.detector.train_cfg.rpn_proposal = model.detector.test_cfg.rpn
    keys = seen_by(model.adapter.head.aggregator, monkeypatch)
    frames = video(9)
    detect(model, frames)
    tested = keys[4]
    keys.clear()
    model.train().detector.backbone.eval()
    data = model.data_preprocessor(training_batch(frames, 4, {'local': [4, 3, 5]}), training=True)
    model(**data, mode='loss')
    [trained] = keys
    matches = 0
    for box, score in zip(trained.boxes, trained.scores, strict=True):
        distance = (tested.boxes - box).abs().amax(1)
        if distance.min() < 1e-3:
            torch.testing.assert_close(score, tested.scores[distance.argmin()], rtol=1e-4,
                                       atol=1e-5)
            matches += 1
    assert matches > 5


def test_every_stage_of_a_cascade_knows_the_scores(monkeypatch):
    model = model_of(CASCADE).train()
    stages = [seen_by(aggregator, monkeypatch) for aggregator in model.adapter.head.aggregator]
    roles = model.policy.sample(2, 6, np.random.default_rng(0))
    data = model.data_preprocessor(training_batch(video(6), 2, roles), training=True)
    model(**data, mode='loss')
    for [key] in stages:
        assert key.frame_ids.tolist() == [2] * len(key)
        assert (key.scores == 1).sum() >= 1
        assert ((key.scores > 0) & (key.scores <= 1)).all()
        assert key.scores[key.scores < 1].unique().numel() > 1


def test_proposals_without_scores_give_none(monkeypatch):
    head = tiny_model(references=WINDOW).train().adapter.head
    seen = []
    monkeypatch.setattr(head.aggregator, 'forward', lambda key, roles, memory: (
        seen.append(key), Aggregated(key.feats))[1])
    maps = (torch.randn(1, 32, 4, 6), )
    boxes = torch.tensor([[4.0, 4, 30, 30], [20, 8, 60, 50]])
    head.loss(maps, [InstanceData(bboxes=boxes)], [sample_of(3, 9)])
    assert seen[0].scores is None
    assert seen[0].frame_ids.unique().tolist() == [3]


@pytest.mark.parametrize('sampler', ['RandomSampler', 'PseudoSampler', 'OHEMSampler'])
def test_samplers_that_add_no_true_boxes(sampler):
    """Scores follow the rows that a sampler took, whatever it adds."""
    head = tiny_model(references=WINDOW).train().adapter.head
    config = dict(type=sampler)
    if sampler != 'PseudoSampler':
        config.update(num=8, pos_fraction=0.25, neg_pos_ub=-1, add_gt_as_proposals=False)
    if sampler == 'OHEMSampler':
        config['context'] = head
    proposals = InstanceData(bboxes=torch.tensor([[4.0, 4, 30, 30], [8, 10, 40, 44]]),
                             scores=torch.tensor([0.9, 0.3]))
    maps = (torch.randn(1, 32, 4, 6), )
    [result], [scores] = head._sample(maps, [proposals], [sample_of(0, 9)], head.bbox_assigner,
                                      TASK_UTILS.build(config))
    for box, score in zip(result.priors, scores, strict=True):
        row = (proposals.bboxes == box).all(1).nonzero()[0, 0]
        assert score == proposals.scores[row]


def test_refined_boxes_keep_the_scores_of_their_proposals():
    """mmdet removes the true boxes, which come first among the positives, when it refines."""
    sampled = SimpleNamespace(pos_is_gt=torch.tensor([1, 0, 1], dtype=torch.uint8))
    refined = [InstanceData(bboxes=torch.rand(3, 4)), InstanceData(bboxes=torch.rand(3, 4))]
    scores = torch.tensor([1.0, 0.9, 1.0, 0.4, 0.2])
    known, unknown = with_scores(refined, [sampled, sampled], [scores, None])
    assert known.scores.tolist() == scores[[1, 3, 4]].tolist()
    assert 'scores' not in unknown
