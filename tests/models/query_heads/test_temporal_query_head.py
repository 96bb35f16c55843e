"""Every aggregator on the queries of Deformable DETR and DINO."""

import copy
import warnings

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.runner.checkpoint import load_state_dict

from mmvod_plugins.references import KeyFrameOnly

from ...checkpoints.test_other_classes import family_config
from ..necks.test_mixing import scene, train
from ..scenarios.detectors import WIDTH, detector_of, video_model
from ..test_video_detector import assert_same
from ..tiny import batch, detect, numbers, sample_of, training_batch, video

HEADS = dict(deformable_detr='TemporalDeformableDETRHead', dino='TemporalDINOHead')
SIZE = dict(channels=WIDTH, num_heads=4)
SELSA = dict(type='SELSAAggregator', **SIZE, reference_topk=6)
YOLOV = dict(type='YOLOVAggregator', **SIZE)
WINDOW = dict(type='LocalWindow', radius=1, num_samples=2)
GROUPS = dict(type='ShuffledGroups', num_frames=3, num_samples=3)
#: Aggregator, width of its output, references.
AGGREGATORS = dict(
    selsa=(SELSA, WIDTH, WINDOW),
    rdn=(dict(type='RDNAggregator', **SIZE, reference_topk=6, distilled_topk=3), WIDTH, WINDOW),
    mega=(dict(type='MEGAAggregator', **SIZE, reference_topk=6, distilled_topk=3, memory_size=2),
          WIDTH,
          dict(type='ComposedReferences', policies=dict(
              local=dict(WINDOW, sample_key=True),
              memory=dict(type='PrecedingWindow', distance=3, radius=1, num_samples=1),
              global_=dict(type='GlobalShuffle', num_frames=2, num_samples=1)))),
    yolov=(YOLOV, 4 * WIDTH, GROUPS))
every_detector = pytest.mark.parametrize('detector', HEADS)
every_aggregator = pytest.mark.parametrize('aggregator', AGGREGATORS)


def config_of(detector, aggregator='selsa', **head):
    settings, feat_channels, _ = AGGREGATORS[aggregator]
    return detector_of(detector, **dict(type=HEADS[detector], aggregator=settings,
                                        feat_channels=feat_channels), **head)


def model_of(detector, aggregator='selsa', head=None, **settings):
    """A model in which other frames matter; ``references`` of the aggregator."""
    settings = dict(references=AGGREGATORS[aggregator][2]) | settings
    return video_model(config_of(detector, aggregator, **(head or {})), **settings)


def alone_of(detector, aggregator, **settings):
    """A model that looks at one frame: without references, and without a memory."""
    config = config_of(detector, aggregator)
    if aggregator == 'mega':
        config.bbox_head.aggregator.memory_size = 0
    return video_model(config, **settings)


def stock_of(detector, model):
    """The stock detector with the weights of a temporal one."""
    stock = MODELS.build(detector_of(detector))
    left = stock.load_state_dict(model.detector.state_dict(), strict=False)
    assert not left.missing_keys
    assert all(key.startswith(('bbox_head.aggregator.', 'bbox_head.project.'))
               for key in left.unexpected_keys)
    return stock


def silence(model):
    """Let the head be as it is before training."""
    for parameter in model.adapter.head.project.parameters():
        torch.nn.init.zeros_(parameter)
    return model


def same(first, second):
    return [a.shape == b.shape and torch.equal(a, b)
            for a, b in zip(numbers(first), numbers(second), strict=True)]


# Detection ---------------------------------------------------------------------------------------


@every_detector
@every_aggregator
@torch.no_grad()
def test_without_references_it_is_the_stock_detector_and_with_them_it_is_not(detector, aggregator):
    frames, meta = video(4, shape=(50, 70)), dict(scale_factor=(0.7, 0.3))
    model = model_of(detector, aggregator)
    stock, found = stock_of(detector, model).eval(), detect(model, frames, **meta)
    alone = alone_of(detector, aggregator)
    alone.load_state_dict(model.state_dict())
    for frame, sample in zip(frames, detect(alone, frames, **meta), strict=True):
        assert len(sample.pred_instances) == 10
        assert_same(stock.test_step(dict(inputs=[frame], data_samples=[
            sample_of(sample.frame_id, 4, (50, 70), **meta)])), [sample])
    lonely = [3] if aggregator == 'yolov' else []  # a group of three, and one of one frame
    equal = same(found, detect(alone, frames, **meta))
    assert sum(equal) == len(lonely)
    assert all(torch.isfinite(part).all() for part in numbers(found))


@every_detector
@every_aggregator
@torch.no_grad()
def test_an_untrained_head_is_the_stock_detector(detector, aggregator):
    model, frames = silence(model_of(detector, aggregator)), video(4)
    alone = alone_of(detector, aggregator)
    for one, other in zip(numbers(detect(model, frames)), numbers(detect(alone, frames)),
                          strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-4)


def test_the_head_starts_as_the_stock_detector_with_and_without_initial_weights():
    config = config_of('dino')
    for start in (lambda model: None, lambda model: model.init_weights()):
        model = MODELS.build(dict(type='VideoDetector', detector=copy.deepcopy(config)))
        start(model)
        assert not any(p.any() for p in model.adapter.head.project.parameters())
    free = model_of('dino', head=dict(residual=False))
    free.init_weights()
    assert free.adapter.head.project.weight.any()


@every_detector
@torch.no_grad()
def test_only_frames_of_the_window_matter_and_order_and_batches_do_not(detector):
    model, frames = model_of(detector, encode_batch=1), video(6)
    expected = detect(model, frames)
    assert all(same(expected, detect(model, frames, batch_size=4)))
    assert all(same(expected, detect(model, frames, order=[5, 4, 3, 2, 1, 0])))
    frames[5] = video(1, seed=9)[0]
    assert same(expected, detect(model, frames)) == [True] * 4 + [False] * 2


@every_detector
@torch.no_grad()
def test_groups_are_detected_together_without_a_suppression(detector):
    model, frames = model_of(detector, 'yolov'), video(7)
    expected = detect(model, frames)
    assert [sample.frame_id for sample in expected] == list(range(7))
    frames[2] = video(1, seed=9)[0]
    group = model.policy.group(2, 7)
    assert len(group) in (1, 3)
    assert same(expected, detect(model, frames)) == [t not in group for t in range(7)]


def points_config():
    config = config_of('deformable_detr')
    config.with_box_refine = False
    return config


def two_stage_config():
    config = family_config('deformable_detr/deformable-detr-refine-twostage_r50_16xb2-50e', 4)
    config.num_queries = 12
    config.bbox_head.update(type=HEADS['deformable_detr'], feat_channels=256,
                            aggregator=dict(SELSA, channels=256))
    return config


@pytest.mark.parametrize('config', [
    lambda: config_of('deformable_detr'), points_config, two_stage_config,
    lambda: config_of('dino')], ids=['refined', 'points', 'two stages', 'dino'])
@torch.no_grad()
def test_objects_are_what_the_stock_head_gives_of_the_last_layer(config):
    """In every form: reference points, refined boxes, a branch of the encoder after the last."""
    model = video_model(config())
    head, shape = model.adapter.head, (50, 70)
    data = model.data_preprocessor(batch(video(2, shape=shape), [0, 1]), False)
    records = list(model.encode(data['inputs'], data['data_samples']))
    samples = [record.sample for record in records]
    maps = model.adapter.maps(data['inputs'][:, 0])
    decoded = model.adapter.decode(maps, samples)
    logits, boxes = (part[-1] for part in head(decoded['hidden_states'], decoded['references']))
    for i, objects in enumerate(head.extract(maps, decoded, records)):
        probs = logits[i].sigmoid()
        order = probs.amax(1).sort(descending=True).indices
        assert torch.equal(objects.class_probs, probs[order])
        assert torch.equal(objects.queries, decoded['hidden_states'][-1, i][order])
        assert torch.equal(objects.feats, objects.queries)
        assert (objects.scores.diff() <= 0).all()
        assert objects.frame_ids.tolist() == [i] * 12
        corners = bbox_cxcywh_to_xyxy(boxes[i][order]) * torch.tensor([70, 50, 70, 50])
        expected = corners.clamp(min=0).minimum(torch.tensor([70.0, 50, 70, 50]))
        torch.testing.assert_close(objects.boxes, expected, rtol=0, atol=1e-4)


@torch.no_grad()
def test_few_objects_are_enough_for_the_stock_detections():
    """As many as ``max_per_img``: no other query has one of the best scores."""
    frames = video(3)
    expected = detect(model_of('dino', references=None), frames)
    few = model_of('dino', head=dict(num_objects=10), references=None)
    assert all(same(expected, detect(few, frames)))
    few = model_of('dino', 'yolov', head=dict(num_objects=3))
    data = few.data_preprocessor(batch(frames, [0]), False)
    [record] = few.encode(data['inputs'], data['data_samples'])
    assert record.objects.feats.shape == (3, WIDTH)
    assert all(len(part) == 10 for part in numbers(detect(few, frames)))  # 3 queries, 4 classes


@torch.no_grad()
def test_an_embedding_has_the_width_of_the_aggregator():
    embedding = dict(type='RoIEmbedding', in_channels=WIDTH, roi_feat_size=1, out_channels=24)
    config = config_of('deformable_detr', embedding=embedding)
    config.bbox_head.aggregator = dict(SELSA, channels=24)
    config.bbox_head.feat_channels = 24
    model, frames = video_model(config, references=WINDOW), video(3)
    data = model.data_preprocessor(batch(frames, [0]), False)
    [record] = model.encode(data['inputs'], data['data_samples'])
    assert record.objects.feats.shape == (12, 24)
    assert record.objects.queries.shape == (12, WIDTH)
    assert not any(same(detect(model, frames), detect(video_model(config), frames)))
    config.bbox_head.aggregator = dict(YOLOV, channels=24)
    config.bbox_head.feat_channels = 96
    assert len(detect(video_model(config, references=GROUPS), frames)) == 3


@torch.no_grad()
def test_relations_belong_to_the_queries_of_the_detections():
    options = dict(relations=True)
    found = detect(model_of('dino', 'rdn', detections=options), video(3))
    assert [sample.relations.shape for sample in found] == [(12, 6), (12, 6), (12, 0)]
    assert all(sample.pred_instances.proposal_ids.max() < 12 for sample in found)
    plain = detect(model_of('dino', 'rdn'), video(3))
    assert 'proposal_ids' not in plain[0].pred_instances
    assert all(same(found, plain))


@torch.no_grad()
def test_no_query_above_the_threshold_gives_no_detections():
    """What other frames look at does not depend on it."""
    silent = detect(model_of('dino', 'mega', detections=dict(score_thr=1.0)), video(4))
    assert [len(part) for part in numbers(silent)] == [0] * 4


# Training ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(('detector', 'aggregator'), [
    pytest.param(detector, aggregator, marks=[] if (detector, aggregator) in (
        ('deformable_detr', 'selsa'), ('dino', 'yolov')) else pytest.mark.slow)
    for detector in HEADS for aggregator in AGGREGATORS])
def test_fifty_iterations_overfit_a_clip(detector, aggregator):
    torch.manual_seed(0)
    model = MODELS.build(dict(type='VideoDetector', detector=config_of(detector, aggregator),
                              references=AGGREGATORS[aggregator][2]))
    model.init_weights()
    total = train(model, 50, repeat=True, lr=2e-3)
    assert sum(total[-5:]) < 0.75 * sum(total[:5])
    for name, parameter in model.adapter.head.named_parameters():
        if name.startswith(('aggregator.', 'project.')) and parameter.dim() > 1:
            assert parameter.grad.any(), name


def losses_of(model, roles, seed=0, frames=None):
    data = model.data_preprocessor(
        training_batch(video(6) if frames is None else frames, 3, roles), training=True)
    torch.manual_seed(seed)  # of DINO's noise
    return model(**data, mode='loss')


def assert_last_layer_differs(found, expected):
    assert found.keys() == expected.keys()
    changed = {key for key, value in expected.items()
               if not torch.allclose(found[key], value, rtol=1e-5)}
    assert {'loss_cls'} <= changed <= {'loss_cls', 'loss_bbox', 'loss_iou'}


@every_detector
@every_aggregator
def test_the_losses_of_the_last_layer_are_those_of_enhanced_queries(detector, aggregator):
    """All others are those of mmdet: of other layers, of the encoder, of denoising queries.

    Boxes far outside of the frame have the same loss with and without references.
    """
    model = model_of(detector, aggregator)
    roles = {role: [4, 2][:count] for role, count in model.policy.draws.items()}
    if aggregator == 'yolov':
        roles = {}  # a group has losses in all of its frames: here the key frame alone
        model.policy = model.trainer.policy = KeyFrameOnly()
    model.train().detector.backbone.eval()  # batch norm would see the other frames too
    stock = stock_of(detector, model).train()
    stock.backbone.eval()
    maps = stock.extract_feat(model.data_preprocessor(
        training_batch(video(6), 3, {}), training=True)['inputs'][:, 0])
    sample = sample_of(3, 6)
    sample.set_metainfo(dict(batch_input_shape=(64, 96)))
    found = losses_of(model, roles)
    if not roles:  # no reference draws noise before
        torch.manual_seed(0)
        expected = stock.bbox_head.loss(**stock.forward_transformer(maps, [sample]),
                                        batch_data_samples=[sample])
        assert_last_layer_differs(found, expected)
    assert_last_layer_differs(found, losses_of(silence(model), roles))


@every_detector
def test_every_frame_of_a_group_has_losses(detector):
    model = model_of(detector, 'yolov').train()
    seen = []
    loss = model.adapter.head.loss
    model.adapter.head.loss = lambda **given: seen.append(given) or loss(**given)
    losses = losses_of(model, {'window': [4, 2]})
    [given] = seen
    assert len(given['batch_data_samples']) == given['hidden_states'].shape[1] == 3
    model.parse_losses(losses)[0].backward()
    assert all(p.grad.any() for p in model.adapter.head.aggregator.parameters())


def test_denoising_queries_are_no_objects():
    """They are made of the true boxes, which no frame knows of the others while testing."""
    model = model_of('dino').train()
    data = model.data_preprocessor(training_batch(video(6), 3, {'local': [4, 2]}), training=True)
    samples = data['data_samples'][0].video_data_samples
    decoded = model.adapter.decode(model.adapter.maps(data['inputs'][0]), samples)
    noise = decoded['dn_meta']['num_denoising_queries']
    assert decoded['hidden_states'].shape[2] == noise + 12 > 12
    objects, rows = model.adapter.head._objects(samples, **decoded)
    assert all(sorted(row.tolist()) == list(range(noise, noise + 12)) for row in rows)
    assert all(len(part) == 12 for part in objects)


@every_detector
def test_a_frozen_base_stays_and_its_head_learns(detector):
    trained = [f'detector.bbox_head.{name}' for name in ('aggregator', 'project')]
    torch.manual_seed(0)
    model = MODELS.build(dict(type='VideoDetector', detector=config_of(detector),
                              references=WINDOW,
                              frozen=dict(names=['detector'], trained=trained)))
    model.init_weights()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    total = train(model, 12, repeat=True, lr=1e-2)
    assert total[-1] < total[0]
    changed = {key for key, value in model.state_dict().items()
               if not torch.equal(value, before[key])}
    assert {key for key in changed if not key.startswith(tuple(trained))} == set()
    assert changed == {name for name, p in model.named_parameters() if p.requires_grad}


@every_detector
@pytest.mark.parametrize('residual', [True, False])
def test_a_step_in_half_precision(detector, residual):
    model = model_of(detector, head=dict(residual=residual)).train()
    exact = losses_of(model, {'local': [4, 2]}, frames=scene())
    with torch.autocast('cpu', torch.bfloat16):
        half = losses_of(model, {'local': [4, 2]}, frames=scene())
    assert half.keys() == exact.keys()
    total, _ = model.parse_losses(half)
    total.backward()
    assert torch.isfinite(total)
    assert all(p.grad is not None for p in model.adapter.head.parameters() if p.requires_grad)


# What does not fit -------------------------------------------------------------------------------


@every_detector
def test_a_stock_checkpoint_starts_it_with_the_same_and_with_other_classes(detector):
    model = model_of(detector)
    stock = MODELS.build(detector_of(detector))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        load_state_dict(model, stock.state_dict())
    for key, value in stock.state_dict().items():
        assert torch.equal(model.detector.state_dict()[key], value), key
    config = detector_of(detector, num_classes=7)
    other, before = MODELS.build(config), copy.deepcopy(model.state_dict())
    with pytest.warns(UserWarning, match='another number of classes or anchors.*cls_branches'):
        load_state_dict(model, other.state_dict())
    last = 'detector.bbox_head.cls_branches.0.weight'
    assert torch.equal(model.state_dict()[last], before[last])
    first = 'detector.bbox_head.reg_branches.0.0.weight'
    assert torch.equal(model.state_dict()[first], other.state_dict()[first.partition('.')[2]])


def wrong_head(detector, head):
    config = detector_of(detector)
    config.bbox_head = dict(config_of(head).bbox_head)
    return config


def softmax_head():
    config = config_of('dino')
    config.bbox_head.loss_cls = dict(type='CrossEntropyLoss', use_sigmoid=False)
    return config


@pytest.mark.parametrize(('config', 'message'), [
    (lambda: wrong_head('dino', 'deformable_detr'),
     r"TemporalDeformableDETRHead .* does not fit DINO: .*'DINO': 'TemporalDINOHead'"),
    (lambda: wrong_head('deformable_detr', 'dino'),
     r'TemporalDINOHead is a head of DINO and does not fit DeformableDETR'),
    (lambda: wrong_head('yolox', 'dino'), 'TemporalDINOHead .* does not fit YOLOX'),
    (softmax_head, 'TemporalDINOHead .* use_sigmoid=True'),
], ids=['in DINO', 'in Deformable DETR', 'in YOLOX', 'softmax'])
def test_a_head_that_does_not_fit_is_refused_with_those_that_do(config, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type='VideoDetector', detector=config()))


@pytest.mark.parametrize(('head', 'message'), [
    (dict(feat_channels=WIDTH), r'YOLOVAggregator returns \(64,\) .* feat_channels .* is 16: set'),
    (dict(aggregator=dict(YOLOV, objectness='decoupled')), "needs objectness='none'"),
])
def test_an_aggregator_of_another_width_or_with_objectness_is_refused(head, message):
    config = config_of('dino', 'yolov')
    config.bbox_head.update(head)
    with pytest.raises(ValueError, match=message):
        detect(video_model(config, references=GROUPS), video(3))


@pytest.mark.parametrize('frozen', [
    dict(names=['detector.bakbone']),
    dict(names=['detector'], trained=['detector.bbox_head.attention'])])
def test_names_that_are_not_there_are_refused(frozen):
    with pytest.raises(ValueError, match=r"frozen names '.*(bakbone|attention)'.*beside it are"):
        model_of('dino', frozen=frozen)


def test_windows_are_refused_where_the_aggregator_knows_none():
    with pytest.raises(ValueError, match=r"references name the roles .*'window'"):
        model_of('dino', 'selsa', references=GROUPS)
