"""Points of dense heads that every aggregator enhances: the dense rows of docs/mixing.md."""

import copy
import warnings

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from mmvod_plugins.models import temporal_part
from mmvod_plugins.models.dense_heads.temporal_dense_head import best_alone
from mmvod_plugins.models.dense_heads.towers import PREDICTORS, decode_points, run_towers
from mmvod_plugins.models.task_modules.point_selection import DensePoints
from mmvod_plugins.structures import ObjectFeatures

from ..roi_heads.test_mixing import train
from ..scenarios.detectors import ANCHORS, DETECTORS, WIDTH, detector_of, video_model
from ..test_video_detector import assert_same
from ..tiny import detect, numbers, sample_of, training_batch, video

FCOS = dict(
    DETECTORS['retinanet'], type='FCOS',
    bbox_head=dict(type='FCOSHead', num_classes=4, in_channels=WIDTH, stacked_convs=1,
                   feat_channels=WIDTH, strides=[8, 16, 32], norm_on_bbox=True,
                   regress_ranges=((-1, 64), (64, 128), (128, 1e8)),
                   norm_cfg=dict(type='GN', num_groups=4)))
DENSE = {name: DETECTORS[name] for name in ('yolox', 'rtmdet', 'retinanet', 'atss')} | dict(
    fcos=FCOS)
CHANNELS = 32
RELATIONS = dict(channels=CHANNELS, num_heads=4)
LOCAL = dict(type='LocalWindow', radius=2, num_samples=2)
AGGREGATORS = dict(
    selsa=dict(type='SELSAAggregator', **RELATIONS),
    rdn=dict(type='RDNAggregator', reference_topk=20, distilled_topk=5, **RELATIONS),
    mega=dict(type='MEGAAggregator', reference_topk=20, distilled_topk=5, memory_size=3,
              **RELATIONS),
    yolov=dict(type='YOLOVAggregator', channels=WIDTH))
POLICIES = dict(
    selsa=LOCAL, rdn=LOCAL, yolov=dict(type='ShuffledGroups', num_frames=4, num_samples=3),
    mega=dict(type='ComposedReferences', policies=dict(
        local=LOCAL, global_=dict(type='GlobalShuffle', num_frames=2, num_samples=1),
        memory=dict(type='PrecedingWindow', distance=5, radius=2, num_samples=2))))
EMBEDDING = dict(type='RoIEmbedding', in_channels=2 * WIDTH, roi_feat_size=1,
                 out_channels=CHANNELS, activation=False)
pytestmark = pytest.mark.filterwarnings('ignore:more than max_objects')
every_head = pytest.mark.parametrize('name', DENSE)
every_aggregator = pytest.mark.parametrize('aggregator', AGGREGATORS)


def stock(name):
    config = ConfigDict(copy.deepcopy(DENSE[name]))
    if 'nms_pre' in config.test_cfg:
        # an untrained RTMDet swaps the corners of its boxes
        config.test_cfg.update(nms_pre=10**6, max_per_img=10**6, min_bbox_size=-1)
    config.test_cfg.score_thr = 1e-5
    return config


def temporal(name, aggregator, **head):
    """A small detector with a temporal head around its own."""
    config, groups = stock(name), aggregator == 'yolov'
    config.bbox_head = ConfigDict(
        type='TemporalDenseHead', base=config.bbox_head,
        selection=dict(type='ScoreThreshold', score_thr=1e-5, min_objects=5, max_objects=60),
        aggregator=copy.deepcopy(AGGREGATORS[aggregator]),
        embedding=None if groups else EMBEDDING,
        feat_channels=4 * WIDTH if groups else CHANNELS, **head)
    return config


def model_of(name, aggregator, references='own', **head):
    policy = POLICIES[aggregator] if references == 'own' else references
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return video_model(temporal(name, aggregator, **head), references=policy)


@every_head
@every_aggregator
def test_other_frames_matter(name, aggregator):
    model, frames = model_of(name, aggregator), video(6)
    found = numbers(detect(model, frames))
    assert [len(part) > 0 for part in found] == [True] * 6
    other = frames.clone()
    other[4] = 255 - other[4]
    changed = numbers(detect(model, other))
    differing = [t for t in range(6) if not torch.equal(found[t], changed[t])]
    assert set(differing) > {4}, 'other frames than the one that changed'
    boxes = detect(model_of(name, aggregator, None), frames)
    assert all(not torch.equal(a, b) for a, b in zip(found, numbers(boxes), strict=True))


@every_head
@every_aggregator
@torch.no_grad()
def test_without_references_it_is_the_stock_detector_whose_file_it_loads(name, aggregator):
    frames = video(2, shape=(50, 70))
    plain = MODELS.build(stock(name))
    plain.load_state_dict(video_model(stock(name), seed=1).detector.state_dict())
    model = model_of(name, aggregator, None)
    model.detector.bbox_head.selection.max_objects = 10**6
    loaded = model.load_state_dict(plain.state_dict(), strict=False)
    assert not loaded.unexpected_keys
    assert all('bbox_head.base' not in key for key in loaded.missing_keys)
    # every frame is a video of its own: MEGA would remember the first one
    found = [detect(model, frame[None], video_id=t)[0] for t, frame in enumerate(frames)]
    assert max(len(sample.pred_instances) for sample in found) > 3
    plain.eval()
    for frame, sample in zip(frames, found, strict=True):
        expected = plain.test_step(dict(inputs=[frame], data_samples=[
            sample_of(0, 1, (50, 70))]))
        assert_same(expected, [sample], rtol=0, atol=1e-5)


@every_head
@every_aggregator
def test_a_step_reaches_every_weight(name, aggregator):
    model = model_of(name, aggregator, refine_objectness=name in ('yolox', 'atss', 'fcos')).train()
    roles = model.policy.sample(2, 6, np.random.default_rng(0))
    clips = model.data_preprocessor(training_batch(video(6), 2, roles, copies=2), training=True)
    total, values = model.parse_losses(model(**clips, mode='loss'))
    total.backward()
    assert {'loss_cls', 'loss_bbox', 'loss_refined_cls'} <= set(values)
    without = [key for key, weight in model.named_parameters() if weight.grad is None]
    assert without == []
    assert model.detector.bbox_head.fc_cls.weight.grad.abs().sum() > 0


def test_the_local_form_of_yolov_trains_and_looks_at_other_frames():
    config = temporal('yolox', 'yolov', refine_objectness=True)
    config.bbox_head.aggregator.update(form='local', objectness='coupled')
    config.bbox_head.feat_channels = WIDTH
    model, frames = video_model(config, references=POLICIES['yolov']).train(), video(6)
    roles = model.policy.sample(2, 6, np.random.default_rng(0))
    clips = model.data_preprocessor(training_batch(frames, 2, roles, copies=2), training=True)
    model.parse_losses(model(**clips, mode='loss'))[0].backward()
    assert [key for key, weight in model.named_parameters() if weight.grad is None] == []
    model.eval()
    found = numbers(detect(model, frames))
    other = frames.clone()
    other[4] = 255 - other[4]
    changed = numbers(detect(model, other))
    assert {t for t in range(6) if not torch.equal(found[t], changed[t])} > {4}
    config.bbox_head.aggregator.objectness = 'none'
    with pytest.raises(ValueError, match=r"form='local' .* needs objectness='coupled', got 'none'"):
        video_model(config, references=POLICIES['yolov'])


DEFAULT = {('yolox', 'yolov'), ('rtmdet', 'mega'), ('retinanet', 'selsa'), ('atss', 'rdn'),
           ('fcos', 'yolov')}


@pytest.mark.parametrize(('name', 'aggregator'), [
    pytest.param(name, aggregator, marks=[] if (name, aggregator) in DEFAULT
                 else [pytest.mark.slow]) for name in DENSE for aggregator in AGGREGATORS])
def test_fifty_iterations_of_a_frozen_detector_lower_the_loss(name, aggregator):
    torch.manual_seed(0)
    model = MODELS.build(ConfigDict(
        type='VideoDetector', detector=temporal(name, aggregator), references=POLICIES[aggregator],
        frozen=dict(names=['detector.backbone', 'detector.neck', 'detector.bbox_head.base'])))
    model.init_weights()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    history = [step['loss_refined_cls'] for step in train(model, 50)]
    assert np.mean(history[-5:]) < 0.8 * np.mean(history[:5])
    after = model.state_dict()
    frozen = ('detector.backbone', 'detector.neck', 'detector.bbox_head.base')
    assert all(torch.equal(before[key], after[key]) for key in after if key.startswith(frozen))
    assert not torch.equal(before['detector.bbox_head.fc_cls.weight'],
                           after['detector.bbox_head.fc_cls.weight'])


@every_head
def test_residual_layers_start_at_the_stock_scores(name):
    torch.manual_seed(0)
    model = MODELS.build(ConfigDict(type='VideoDetector', references=LOCAL,
                                    detector=temporal(name, 'selsa', residual=True)))
    model.init_weights()
    model.eval()
    head = model.detector.bbox_head
    head.selection.score_thr = 0.0
    rows = objects(num=7, classes=4, objectness=name != 'retinanet')
    logits, _ = head._logits(rows, torch.randn(7, CHANNELS))
    assert torch.allclose(logits.sigmoid(), rows.class_probs, atol=1e-5)


def objects(num, classes, objectness=True):
    return ObjectFeatures(
        torch.rand(num, 4), torch.rand(num, 2, WIDTH), torch.rand(num), torch.zeros(num).long(),
        class_probs=torch.rand(num, classes), objectness=torch.rand(num) if objectness else None)


# Points ------------------------------------------------------------------------------------------


def test_a_point_alone_keeps_the_first_of_its_best_classes():
    probs = torch.tensor([[0.1, 0.7, 0.7], [0.3, 0.2, 0.1]])
    assert torch.equal(best_alone(probs), torch.tensor([[-1, 0.7, -1], [0.3, -1, -1]]))
    assert best_alone(probs[:0]).shape == (0, 3)


@every_head
@torch.no_grad()
def test_points_are_those_that_the_stock_head_decodes(name):
    torch.manual_seed(0)
    head = MODELS.build(stock(name)).eval().bbox_head
    maps = [torch.rand(2, WIDTH, *size) for size in ((8, 12), (4, 6), (2, 3))]
    metas = [dict(img_shape=(60, 90), scale_factor=(1, 1))] * 2
    found = run_towers(head, maps)
    config = copy.deepcopy(head.test_cfg)
    config.score_thr = 0.0
    expected = head.predict_by_feat(*found.outputs, batch_img_metas=metas, cfg=config,
                                    with_nms=False)
    for points, raw in zip(decode_points(head, found.outputs, metas), expected, strict=True):
        probs = best_alone(points.class_probs) if name == 'yolox' else points.class_probs
        scores = probs if points.objectness is None else probs * points.objectness[:, None]
        rows, labels = (scores > 0).nonzero(as_tuple=True)
        own = torch.cat([points.boxes[rows], scores[rows, labels][:, None], labels[:, None]], 1)
        theirs = torch.cat([raw.bboxes, raw.scores[:, None], raw.labels[:, None]], 1)
        assert torch.allclose(own.sort(0).values, theirs.sort(0).values, atol=1e-4)


@torch.no_grad()
def test_features_of_a_point_are_those_of_its_cell():
    config = stock('retinanet')
    config.bbox_head.anchor_generator = dict(ANCHORS, scales_per_octave=3)
    head = MODELS.build(temporal('retinanet', 'yolov').bbox_head | dict(
        base=config.bbox_head, test_cfg=config.test_cfg, train_cfg=config.train_cfg))
    maps = [torch.rand(1, WIDTH, *size) for size in ((8, 12), (4, 6), (2, 3))]
    [found], [rows], outputs, _ = head._objects(maps, [sample_of(0, 1)])
    first = 8 * 12 * 3
    for feats, row in zip(found.feats, rows.tolist(), strict=True):
        level, start = (0, 0) if row < first else (1, first) if row < first + 72 else (2, 360)
        cell = (row - start) // 3
        for feat, levels in zip(feats, (outputs.cls_feats, outputs.reg_feats), strict=True):
            assert torch.equal(feat, levels[level][0].flatten(1)[:, cell])


# Bad input ---------------------------------------------------------------------------------------


def test_a_head_without_towers_is_refused_with_those_that_fit():
    config = temporal('yolox', 'selsa')
    config.bbox_head.base = dict(type='RPNHead', in_channels=WIDTH, feat_channels=WIDTH,
                                 anchor_generator=ANCHORS)
    with pytest.raises(ValueError, match=r'RPNHead is none that is known: use one of YOLOXHead, '):
        MODELS.build(ConfigDict(type='VideoDetector', detector=config, references=LOCAL))
    assert 'RTMDetHead' in ' '.join(kind.__name__ for kind in PREDICTORS)


@every_aggregator
@pytest.mark.parametrize('empty', [[2], [0, 1, 2, 3, 4]])
def test_frames_without_points_do_not_harm_the_others(aggregator, empty):
    model, frames = model_of('yolox', aggregator), video(5)
    head = model.detector.bbox_head
    head.selection.min_objects = 0
    seen = iter(model.policy.schedule(5, 0))
    rule = head.selection
    head.selection = lambda points: rule(points)[:0] if next(seen) in empty else rule(points)
    found = detect(model, frames)
    assert [len(sample.pred_instances) == 0 for sample in found] == [t in empty for t in range(5)]


def test_too_many_points_are_bounded_with_a_warning():
    model = model_of('yolox', 'selsa')
    model.detector.bbox_head.selection.max_objects = 10
    with pytest.warns(UserWarning, match='more than max_objects=10 points .* Raise score_thr'):
        detect(model, video(2))


@every_aggregator
def test_a_step_without_points_or_objects_trains(aggregator):
    model = model_of('yolox', aggregator).train()
    head = model.detector.bbox_head
    rule = head.selection
    roles = model.policy.sample(2, 6, np.random.default_rng(0))
    for nothing in ('points', 'objects'):
        head.selection = (lambda points: rule(points)[:0]) if nothing == 'points' else rule
        data = training_batch(video(6), 2, roles)
        for sample in data['data_samples'][0] if nothing == 'objects' else ():
            sample.gt_instances = sample.gt_instances[:0]
        clips = model.data_preprocessor(data, training=True)
        total, _ = model.parse_losses(model(**clips, mode='loss'))
        total.backward()
        assert torch.isfinite(total)


@pytest.mark.parametrize(('name', 'refined', 'background'), [
    ('yolox', False, False), ('yolox', True, False), ('rtmdet', False, True),
    ('retinanet', False, True), ('atss', False, True), ('atss', True, False)])
@pytest.mark.parametrize('classes_of', ['positive', 'overlapping', 'all'])
@pytest.mark.parametrize('objects', [0, 2])
def test_background_is_learned_where_nothing_else_tells_it(name, refined, background, classes_of,
                                                           objects):
    head = model_of(name, 'selsa', refine_objectness=refined,
                    losses=dict(classes_of=classes_of)).detector.bbox_head
    sample = sample_of(0, 1)
    truth = torch.tensor([[0.0, 0, 20, 20], [30.0, 30, 60, 60]])[:objects]
    sample.gt_instances = InstanceData(bboxes=truth, labels=torch.zeros(objects, dtype=torch.long))
    boxes = torch.tensor([[0.0, 0, 20, 20], [40.0, 0, 60, 20], [30.0, 30, 60, 59]])
    points = DensePoints(
        boxes, torch.full((3, 4), 0.3), torch.full((3, ), 0.5) if name != 'rtmdet' else None,
        torch.tensor([[8.0, 8, 8, 8], [48, 8, 8, 8], [40, 40, 8, 8]]))
    found = head.losses.targets(head.base, points, torch.arange(3), sample)
    free = torch.tensor([objects == 0, True, objects == 0])
    assert found.supervised[free].all() == (background or classes_of == 'all')
    assert not found.classes[free].any()
    assert found.supervised[~free].all()
    assert (found.classes[~free, 0] > 0.9).all()


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match=r"losses.classes_of must be one of .* got 'none'"):
        model_of('yolox', 'selsa', losses=dict(classes_of='none'))
    with pytest.raises(ValueError, match=r"frozen names 'detector.bakbone', .*'detector.backbone'"):
        video_model(temporal('yolox', 'selsa'), references=LOCAL,
                    frozen=dict(names=['detector.bakbone']))
    with pytest.raises(ValueError, match='min_objects is 9, more than max_objects, 5'):
        model_of('yolox', 'selsa').detector.bbox_head.selection.__class__(
            min_objects=9, max_objects=5)


def test_other_classes_than_the_base_s_keep_their_initial_weights():
    model, plain = model_of('yolox', 'selsa', None), MODELS.build(stock('yolox'))
    plain.bbox_head = MODELS.build(dict(
        stock('yolox').bbox_head, num_classes=7, test_cfg=None, train_cfg=None))
    with pytest.warns(UserWarning, match=r'another number of classes .*base.multi_level_conv_cls'):
        model.load_state_dict(plain.state_dict(), strict=False)


def test_a_plain_detector_with_the_head_detects_as_the_stock_one():
    torch.manual_seed(0)
    detector = MODELS.build(temporal('yolox', 'selsa')).eval()
    temporal_part.warn_without_references.cache_clear()
    [found] = detector.test_step(dict(inputs=[video(1)[0]], data_samples=[sample_of(0, 1)]))
    assert len(found.pred_instances)
    assert detector_of('yolox').type == 'YOLOX'


@pytest.mark.parametrize('dtype', [torch.bfloat16])
@every_aggregator
def test_autocast(dtype, aggregator):
    model, frames = model_of('yolox', aggregator), video(4)
    exact = detect(model, frames)
    with torch.autocast('cpu', dtype=dtype):
        found = detect(model, frames)
    assert all(torch.isfinite(part).all() for part in numbers(found))
    assert len(found) == len(exact)
