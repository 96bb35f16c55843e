"""Proposals that every aggregator enhances: the rows of proposals in docs/mixing.md."""

import copy

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config

from ...parity.mega_runs import BASES
from ..tiny import detect, numbers, shrink, video
from .test_mixing import train

CHANNELS = 32
RELATIONS = dict(channels=CHANNELS, num_heads=4)
WINDOW = dict(type='LocalWindow', radius=2, num_samples=2, sample_key=True)
AGGREGATORS = dict(
    selsa=dict(type='SELSAAggregator', num_stages=1, reference_topk=10, **RELATIONS),
    rdn=dict(type='RDNAggregator', reference_topk=10, distilled_topk=5, **RELATIONS),
    mega=dict(type='MEGAAggregator', reference_topk=10, distilled_topk=5, memory_size=3,
              **RELATIONS),
    yolov=dict(type='YOLOVAggregator', channels=CHANNELS, reference_topk=10))
POLICIES = dict.fromkeys(AGGREGATORS, WINDOW) | dict(mega=dict(
    type='ComposedReferences',
    policies=[WINDOW, dict(type='PrecedingWindow', distance=5, radius=2, num_samples=2),
              dict(type='GlobalShuffle', num_frames=2, num_samples=1)]))
DETECTORS = dict(faster_rcnn='faster-rcnn_r50-fpn', cascade='cascade-rcnn_r50-fpn')
every_pair = pytest.mark.parametrize(
    ('detector', 'aggregator'), [(d, a) for d in DETECTORS for a in AGGREGATORS])


def config_of(detector, aggregator):
    config = Config.fromfile(BASES / f'{DETECTORS[detector]}.py').model
    head = config.detector.roi_head
    head.type = dict(StandardRoIHead='TemporalRoIHead',
                     CascadeRoIHead='TemporalCascadeRoIHead')[head.type]
    head.embedding = dict(type='RoIEmbedding', in_channels=256, roi_feat_size=7,
                          activation=aggregator != 'selsa')
    head.aggregator = copy.deepcopy(AGGREGATORS[aggregator])
    boxes = head.bbox_head if isinstance(head.bbox_head, list) else [head.bbox_head]
    for part in boxes:
        part.update(type='BBoxHead', with_avg_pool=False, roi_feat_size=1)
        part.pop('fc_out_channels', None)
    shrink(config, CHANNELS)
    if aggregator == 'yolov':
        for part in boxes:
            part.in_channels = 4 * CHANNELS
    config.references = POLICIES[aggregator]
    return config


def model_of(detector, aggregator, spread=True):
    torch.manual_seed(0)
    model = MODELS.build(config_of(detector, aggregator))
    model.init_weights()
    for key, weight in model.named_parameters() if spread else ():
        if weight.dim() > 1 and 'roi_head' in key:
            std = 0.1 if key.endswith('fc_reg.weight') else 1.0
            torch.nn.init.normal_(weight, std=std / weight[0].numel()**0.5)
    return model.eval()


@every_pair
def test_other_frames_matter(detector, aggregator):
    model, frames = model_of(detector, aggregator), video(6)
    found = numbers(detect(model, frames))
    other = frames.clone()
    other[4] = 255 - other[4]
    changed = numbers(detect(model, other))
    assert {t for t in range(6) if not torch.equal(found[t], changed[t])} > {4}


@pytest.mark.parametrize(('detector', 'aggregator'), [
    pytest.param(d, a, marks=[] if a == 'yolov' else [pytest.mark.slow])
    for d in DETECTORS for a in AGGREGATORS])
def test_fifty_iterations_lower_the_loss(detector, aggregator):
    history = [step['loss'] for step in train(model_of(detector, aggregator, spread=False), 50)]
    assert np.mean(history[-5:]) < 0.8 * np.mean(history[:5])


def test_groups_are_refused_with_a_part_that_knows_them():
    config = config_of('faster_rcnn', 'yolov')
    config.references = dict(type='ShuffledGroups')
    with pytest.raises(ValueError, match=r"references name the roles \['window'\], but the model"):
        MODELS.build(config)
