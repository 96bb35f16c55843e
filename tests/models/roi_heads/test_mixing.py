"""Temporal RoI heads in pyramids, a cascade, a double head, a transformer: configs/mixed."""

import copy
import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.runner.checkpoint import load_state_dict
from mmengine.structures import InstanceData

from mmvod_plugins.models import TemporalCascadeRoIHead, temporal_part
from mmvod_plugins.models.selection import OutputOptions
from mmvod_plugins.references import build_references
from mmvod_plugins.streaming import VideoStream

from ..tiny import (
    batch,
    clip_of,
    detect,
    numbers,
    sample_of,
    shrink,
    training_batch,
    video,
)

FOLDER = Path(__file__).resolve().parents[3] / 'configs' / 'mixed'
CONFIGS = {path.stem: path for path in FOLDER.glob('*.py')
           if re.search('rcnn|double-head', path.stem)}
CASCADE = 'selsa_cascade-rcnn_r50-fpn_8xb1-7e_imagenetvid'
DOUBLE = 'selsa_double-head_r50-fpn_8xb1-7e_imagenetvid'
MEGA = 'mega_faster-rcnn_r50-fpn_4xb1-120k_imagenetvid'
SWIN = 'mega_faster-rcnn_swin-t-fpn_4xb1-120k_imagenetvid'
every_config = pytest.mark.parametrize('name', sorted(CONFIGS))
#: The references of the papers, for a video of some frames.
WINDOW = dict(type='LocalWindow', radius=2, num_samples=2, sample_key=True)
REFERENCES = {
    'mega': dict(
        type='ComposedReferences',
        policies=[WINDOW, dict(type='PrecedingWindow', distance=5, radius=2, num_samples=2),
                  dict(type='GlobalShuffle', num_frames=2, num_samples=1)]),
    'selsa': dict(
        type='TrainTestReferences',
        training=dict(type='LocalWindow', radius=2, num_samples=2, bilateral=True),
        testing=dict(type='UniformStride', num_frames=3, append_key=True)),
}


def config_of(name, **settings):
    config = shrink(Config.fromfile(CONFIGS[name]).model)
    config.references = REFERENCES[name.split('_')[0]]
    for key, value in settings.items():
        config[key] = value  # update() would merge dicts
    return config


def model_of(name, config=None, spread=True, **settings):
    """A tiny model; ``spread`` weights make references matter without training."""
    torch.manual_seed(0)
    model = MODELS.build(config or config_of(name, **settings))
    model.init_weights()
    for key, parameter in model.named_parameters() if spread else ():
        if parameter.dim() > 1 and 'roi_head' in key:
            std = 0.1 if key.endswith('fc_reg.weight') else 1.0
            torch.nn.init.normal_(parameter, std=std / parameter[0].numel()**0.5)
    return model.eval()


def scene(length=6):
    """Noise with a bright box where the ground truth of the samples is."""
    frames = video(length) // 4
    for t, frame in enumerate(frames):
        frame[:, 10:44, 8 + t:40 + t] += 150
    return frames


def train(model, iterations, repeat=False):
    """The losses of some iterations on clips of one video.

    Or on one clip, with ``repeat``: then the RoI head learns alone, and proposals stay the same.
    """
    model.train()
    learning = model.adapter.head if repeat else model
    optimizer = torch.optim.AdamW(learning.parameters(), lr=1e-3)
    rng, frames, history = np.random.default_rng(0), scene(), []
    for iteration in range(iterations):
        key_id = 2 if repeat else iteration % len(frames)
        roles = model.policy.sample(
            key_id, len(frames), np.random.default_rng(0) if repeat else rng)
        clips = model.data_preprocessor(training_batch(frames, key_id, roles), training=True)
        loss, values = model.parse_losses(model(**clips, mode='loss'))
        model.zero_grad()
        loss.backward()
        optimizer.step()
        history.append({key: value.item() for key, value in values.items()})
    return history


# Training ----------------------------------------------------------------------------------------


@pytest.mark.slow
@every_config
def test_fifty_iterations_overfit_a_video(name):
    # Boxes count from the first proposal on that meets the object. Those of the double head
    # outweigh the rest then, as in the stock one; with Swin rounding alone decides how far they
    # are after fifty iterations (0.05 to 1.1). The next test trains them on proposals that stay.
    left_out = 'loss_bbox' if name in (DOUBLE, SWIN) else None
    total = [step['loss'] - step.get(left_out, 0)
             for step in train(model_of(name, spread=False), 50)]
    assert np.mean(total[-5:]) < 0.4 * np.mean(total[:5])


@every_config
def test_the_loss_falls_and_every_parameter_has_a_gradient(name):
    config = config_of(name)
    stages = config.detector.train_cfg.rcnn
    for part in (config.detector.train_cfg.rpn, *(stages if CASCADE == name else [stages])):
        part.sampler.num = 10000  # all of them, so that nothing is drawn
    model = model_of(name, config, spread=False)
    total = [step['loss'] for step in train(model, 5, repeat=True)]
    assert total[-1] < 0.95 * total[0]
    assert [key for key, parameter in model.named_parameters()
            if parameter.requires_grad and parameter.grad is None] == []


# Detection ---------------------------------------------------------------------------------------


@every_config
def test_detections_change_with_the_references(name):
    model, frames = model_of(name), video(6)
    found = detect(model, frames)
    assert [sample.frame_id for sample in found] == list(range(6))
    assert torch.equal(numbers(detect(model, frames))[0], numbers(found)[0])
    other = frames.clone()
    other[1:] = video(5, seed=9)
    before, after = numbers(found)[0], numbers(detect(model, other))[0]
    assert before.shape != after.shape or not torch.allclose(before, after, atol=1e-3)


@every_config
def test_a_video_of_one_frame(name):
    [found] = detect(model_of(name), video(1))
    assert len(found.pred_instances)
    assert torch.isfinite(numbers([found])[0]).all()


@every_config
@torch.no_grad()
def test_without_references_it_is_a_stock_detector_that_says_so(name, monkeypatch):
    lines = []
    monkeypatch.setattr(temporal_part, 'print_log', lambda line, **_: lines.append(line))
    temporal_part.warn_without_references.cache_clear()
    model, frames = model_of(name, references=None), video(2)
    found = numbers(detect(model, frames))
    [line] = lines
    assert 'each frame is its own reference' in line
    sample = sample_of(0, 2)
    sample.set_metainfo(dict(batch_input_shape=(64, 96)))
    data = dict(inputs=[frames[0][None]], data_samples=[clip_of([sample])])
    inputs = model.data_preprocessor(data)['inputs'][:, 0]
    assert torch.equal(numbers(model.detector.predict(inputs, [sample]))[0], found[0])


def test_the_dcn_variant_of_the_readme_trains_a_step(tmp_path):
    text = (FOLDER / 'README.md').read_text()
    [block] = re.findall(r'^```python dcn config\n(.*?)^```', text, flags=re.MULTILINE | re.DOTALL)
    path = tmp_path / 'dcn.py'
    path.write_text(block.replace("'./", f"'{FOLDER}/"))
    config = shrink(Config.fromfile(path).model)
    config.references = REFERENCES['mega']
    model = model_of(MEGA, config)
    assert type(model.detector.backbone.layer2[0].conv2).__name__ == 'ModulatedDeformConv2dPack'
    assert np.isfinite(train(model, 1)[0]['loss'])


# Without attention: the stock detector -----------------------------------------------------------


def stock_and_silent(name):
    """The stock detector, and SELSA in it with the same weights and no attention."""
    path = FOLDER.parent / '_base_' / 'models' / f'{name.split("_")[1]}_r50-fpn.py'
    stock = model_of(name, shrink(Config.fromfile(path).model))
    silent = model_of(name, references=None)
    left_out = silent.load_state_dict(stock.state_dict(), strict=False)
    assert left_out.unexpected_keys == []
    assert all('.attentions.' in key for key in left_out.missing_keys)
    for key, parameter in silent.named_parameters():
        if '.attentions.' in key and '.out.' in key:
            torch.nn.init.zeros_(parameter)
    return stock, silent


@pytest.mark.parametrize('name', [CASCADE, DOUBLE])
def test_without_attention_it_is_the_stock_detector(name):
    stock, silent = stock_and_silent(name)
    for before, after in zip(numbers(detect(stock, video(2))), numbers(detect(silent, video(2))),
                             strict=True):
        assert len(before)
        torch.testing.assert_close(after, before, rtol=0, atol=1e-5)


@pytest.mark.parametrize('name', [CASCADE, DOUBLE])
def test_without_attention_the_losses_are_those_of_the_stock_detector(name):
    losses = []
    for model in stock_and_silent(name):
        model.train()
        batch = model.data_preprocessor(training_batch(scene(), 2, {}), training=True)
        torch.manual_seed(3)  # of the samplers
        losses.append(model(**batch, mode='loss'))
    stages = ['s0.', 's1.', 's2.'] if name == CASCADE else ['']
    assert {f'{stage}{part}' for stage in stages
            for part in ('loss_cls', 'loss_bbox', 'acc')} <= set(losses[0])
    torch.testing.assert_close(dict(losses[1]), dict(losses[0]), rtol=0, atol=1e-5)


# The double head ---------------------------------------------------------------------------------


@torch.no_grad()
def double_head_parts(key_maps, reference_feats):
    """Scores and deltas of a key frame's objects, whose embeddings stay the same."""
    model, found = model_of(DOUBLE), []
    data = model.data_preprocessor(batch(video(2), [0, 1]))
    key, reference = model.encode(data['inputs'], data['data_samples'])
    reference.objects.feats.add_(reference_feats)
    model.adapter.head.bbox_head.register_forward_hook(lambda _, __, out: found.append(out))
    key.maps = tuple(level + key_maps for level in key.maps)
    model.adapter.head.enhance(key, {'global': [reference]}, None)
    return found[0]


def test_references_classify_and_the_key_frame_s_maps_localise():
    scores, deltas = double_head_parts(key_maps=0.0, reference_feats=0.0)
    other_scores, same_deltas = double_head_parts(key_maps=0.0, reference_feats=1.0)
    assert not torch.allclose(other_scores, scores, atol=1e-3)
    assert torch.equal(same_deltas, deltas)
    same_scores, other_deltas = double_head_parts(key_maps=1.0, reference_feats=0.0)
    assert torch.equal(same_scores, scores)
    assert not torch.allclose(other_deltas, deltas, atol=1e-3)


def test_boxes_are_regressed_from_larger_rois():
    model, seen = model_of(DOUBLE), []
    extractor = model.adapter.head.bbox_roi_extractor
    plain = extractor.forward

    def forward(feats, rois, roi_scale_factor=None):
        seen.append(roi_scale_factor)
        return plain(feats, rois, roi_scale_factor)

    extractor.forward = forward
    detect(model, video(1))
    assert seen == [None, 1.3]


@pytest.mark.parametrize('part', ['res_block', 'conv_branch', 'fc_reg'])
def test_boxes_reach_the_convolutions_alone(part):
    head = model_of(DOUBLE, spread=False).train().detector.roi_head
    maps, proposals, sample = boxes_around_the_object()
    head.loss(maps, proposals, [sample])['loss_bbox'].backward()
    with_gradient = {name for name, value in head.named_parameters()
                     if value.grad is not None and value.grad.any()}
    assert any(name.startswith(f'bbox_head.{part}') for name in with_gradient)
    assert all(name.startswith('bbox_head.') for name in with_gradient)


def test_boxes_learn():
    head = model_of(DOUBLE, spread=False).train().detector.roi_head
    maps, proposals, sample = boxes_around_the_object()
    optimizer, history = torch.optim.AdamW(head.parameters(), lr=1e-3), []
    for _ in range(50):
        losses = head.loss(maps, proposals, [sample])
        optimizer.zero_grad()
        sum(losses[key] for key in ('loss_cls', 'loss_bbox')).backward()
        optimizer.step()
        history.append(losses['loss_bbox'].item())
    assert np.mean(history[-5:]) < 0.4 * np.mean(history[:5])


def boxes_around_the_object():
    """Maps of a frame, and proposals to the upper right of its object."""
    generator = torch.Generator().manual_seed(4)
    maps = tuple(torch.rand(1, 16, 16 // 2**i, 24 // 2**i, generator=generator) for i in range(4))
    sample = sample_of(0, 1)
    shifts = torch.tensor([5, -4, 5, -4]) + torch.randint(-1, 2, (12, 4), generator=generator)
    boxes = sample.gt_instances.bboxes + shifts
    return maps, [InstanceData(bboxes=boxes, scores=torch.ones(12))], sample


@pytest.mark.parametrize('aggregator', ['MEGAAggregator', 'RDNAggregator'])
def test_other_aggregators_fit_the_double_head(aggregator):
    references = REFERENCES['mega'] if aggregator == 'MEGAAggregator' else WINDOW
    config = config_of(DOUBLE, references=references, detections=dict(relations=True))
    config.detector.roi_head.aggregator = dict(
        type=aggregator, channels=32, num_heads=4, reference_topk=8, distilled_topk=3)
    model = model_of(DOUBLE, config)
    assert [sample.frame_id for sample in detect(model, video(4))] == [0, 1, 2, 3]
    assert np.isfinite(train(model, 2)[-1]['loss'])


def test_the_fully_connected_branch_is_the_embedding_and_the_aggregator_s():
    stock, silent = stock_and_silent(DOUBLE)
    theirs, ours = stock.detector.roi_head, silent.detector.roi_head
    fcs = [ours.embedding.fc, *ours.aggregator.fcs]
    for branch, fc in zip(theirs.bbox_head.fc_branch, fcs, strict=True):
        assert torch.equal(branch.weight, fc.weight)
        assert torch.equal(branch.bias, fc.bias)


# The cascade -------------------------------------------------------------------------------------


def test_proposals_are_embedded_once_and_refined_boxes_anew():
    model, calls = model_of(CASCADE), [0, 0, 0]

    def count(stage):
        def hook(*_):
            calls[stage] += 1
        return hook

    for stage, embedding in enumerate(model.adapter.head.embedding):
        embedding.register_forward_hook(count(stage))
    detect(model, video(6))
    assert calls == [6, 12, 12]


@torch.no_grad()
def test_maps_are_kept_until_their_frame_is_detected():
    model = model_of(CASCADE)
    data = model.data_preprocessor(batch(video(2), [0, 1]))
    records = list(model.encode(data['inputs'], data['data_samples']))
    detected = model.encoder.shrink(records[0])
    assert detected.maps is None
    assert len(detected.objects) == 20
    assert records[0].maps is not None


class Spy:
    """A stream that notes which of the frames it holds have maps."""

    def __init__(self, monkeypatch):
        self.seen = []
        add = VideoStream.add

        def note(stream, frame_id, record):
            add(stream, frame_id, record)
            record = stream._records[frame_id]
            self.seen.append((frame_id, frame_id < stream.next_key, record))

        monkeypatch.setattr(VideoStream, 'add', note)


@pytest.mark.parametrize('name', [CASCADE, DOUBLE])
def test_frames_loaded_again_after_their_detection_keep_no_maps(name, monkeypatch):
    references = dict(type='ComposedReferences', max_records=5, policies=[
        dict(type='LocalWindow', radius=1), dict(type='GlobalShuffle', num_frames=2)])
    config = config_of(name, references=references)
    config.detector.roi_head.aggregator = dict(
        type='MEGAAggregator', channels=32, num_heads=4, num_local_stages=2, reference_topk=8,
        distilled_topk=3, memory_size=4)
    model, spy, frames = model_of(name, config), Spy(monkeypatch), video(12)
    found = detect(model, frames)
    again = [record for _, was_detected, record in spy.seen if was_detected]
    assert again
    assert all(record.maps is None for record in again)
    assert all(len(record.objects) <= 8 for record in again)
    model.policy = build_references(references | dict(max_records=None))
    model.streams.policy = model.policy
    for ours, free in zip(numbers(found), numbers(detect(model, frames)), strict=True):
        assert torch.equal(ours, free)


def test_keep_objects_leaves_maps_as_they_are(monkeypatch):
    model, spy = model_of(CASCADE, keep_objects=dict(dtype='float16')), Spy(monkeypatch)
    detect(model, video(2), order=[0])
    [(_, _, record)] = spy.seen
    assert record.objects.feats.dtype == torch.float16
    assert {level.dtype for level in record.maps} == {torch.float32}


@torch.no_grad()
def test_stages_read_their_own_embeddings():
    model = model_of(CASCADE)
    data = model.data_preprocessor(batch(video(2), [0, 1]))
    key, reference = model.encode(data['inputs'], data['data_samples'])
    assert key.objects.feats.shape[1:] == (3, 32)

    def scores(stage, value):
        changed = copy.deepcopy(reference)
        changed.objects.feats[:, stage] += value
        step = model.adapter.head.enhance(key, {'global': [changed]}, None)
        return [part.feats for part in step.to_memory.to_memory]

    plain = scores(0, 0.0)
    for stage in range(3):
        changed = scores(stage, 1.0)
        same = [a.shape == b.shape and torch.equal(a, b)
                for a, b in zip(plain, changed, strict=True)]
        assert same[:stage] == [True] * stage
        assert not same[stage]


@torch.no_grad()
@pytest.mark.parametrize('options', [
    OutputOptions(), OutputOptions(nms=False, class_scores=True)])
def test_no_proposals_give_no_detections(options):
    model = model_of(CASCADE)
    data = model.data_preprocessor(batch(video(1), [0]))
    [key] = model.encode(data['inputs'], data['data_samples'])
    empty = dataclasses.replace(key, objects=key.objects[:0])
    step = model.adapter.head.enhance(empty, {'global': [key]}, None)
    assert len(model.adapter.select(step.raw, empty, options, rescale=True)) == 0


def test_without_a_roi_the_double_head_still_runs():
    head = model_of(DOUBLE).train().detector.roi_head
    maps, _, sample = boxes_around_the_object()
    sample.gt_instances = sample.gt_instances[:0]
    empty = InstanceData(bboxes=torch.zeros(0, 4), scores=torch.zeros(0))
    losses = head.loss(maps, [empty], [sample])
    assert sum(value.sum() for key, value in losses.items() if 'loss' in key) == 0
    assert all(torch.isfinite(value).all() for value in head.state_dict().values())


def test_without_a_roi_every_stage_still_runs():
    """Neither proposals nor ground truth in a frame."""
    head = model_of(CASCADE).train().detector.roi_head
    maps = tuple(torch.rand(1, 16, 16 // 2**i, 24 // 2**i) for i in range(4))
    sample = sample_of(0, 1)
    sample.gt_instances = sample.gt_instances[:0]
    empty = InstanceData(bboxes=torch.zeros(0, 4), scores=torch.zeros(0))
    losses = head.loss(maps, [empty], [sample])
    assert {'s0.loss_bbox', 's1.loss_bbox', 's2.loss_bbox'} <= set(losses)
    total = sum(value.sum() for key, value in losses.items() if 'loss' in key)
    assert total.isfinite()
    total.backward()
    missing = {key for key, parameter in head.named_parameters() if parameter.grad is None}
    # mmdet's box heads leave loss_cls out, with one stage as with three
    assert missing == {f'bbox_head.{stage}.fc_cls.{part}'
                       for stage in range(3) for part in ('weight', 'bias')}


def test_objects_may_be_kept_in_half_precision():
    exact = numbers(detect(model_of(CASCADE), video(2)))
    half = numbers(detect(model_of(CASCADE, keep_objects=dict(dtype='float16')), video(2)))
    assert len(exact[0]) == len(half[0])
    torch.testing.assert_close(half[0][:, 4], exact[0][:, 4], rtol=0, atol=2e-2)


def test_details_of_detections():
    plain = model_of(CASCADE)
    detailed = model_of(CASCADE, detections=dict(class_scores=True))
    for before, after in zip(detect(plain, video(3)), detect(detailed, video(3)), strict=True):
        assert torch.equal(numbers([before])[0], numbers([after])[0])
        rows = after.pred_instances
        assert torch.equal(rows.class_scores.gather(1, rows.labels[:, None])[:, 0], rows.scores)
    everything = model_of(
        CASCADE, detections=dict(nms=False, score_thr=0.0, class_scores=True))
    rows = detect(everything, video(2))[0].pred_instances
    assert len(rows) == (int(rows.proposal_ids.max()) + 1) * 4
    with pytest.raises(ValueError, match=r'relates objects by location .* got SELSA'):
        detect(model_of(CASCADE, detections=dict(relations=True)), video(3))


def test_mega_in_the_cascade_has_a_memory_for_every_stage():
    """Any aggregator fits any of the heads; relations are those of the proposals."""
    config = config_of(CASCADE, references=REFERENCES['mega'], detections=dict(relations=True))
    config.detector.roi_head.aggregator = dict(
        type='MEGAAggregator', channels=32, num_heads=4, num_local_stages=2, reference_topk=8,
        distilled_topk=3, memory_size=4)
    model = model_of(CASCADE, config)
    found = detect(model, video(6))
    assert [sample.relations.shape[1] for sample in found] == [8] * 5 + [0]
    assert [len(part) for part in model.adapter.head.init_memory()] == [0, 0, 0]
    assert np.isfinite(train(model, 2)[-1]['loss'])


def test_masks_are_refused():
    settings = config_of(CASCADE).detector.roi_head
    settings.update(mask_roi_extractor=settings.bbox_roi_extractor,
                    mask_head=dict(type='FCNMaskHead', in_channels=16, num_convs=1))
    with pytest.raises(ValueError, match='omit mask_head'):
        TemporalCascadeRoIHead(**{k: v for k, v in settings.items() if k != 'type'})


def tensors_of(parts):
    if isinstance(parts, torch.Tensor):
        return [parts]
    return [part for item in parts for part in tensors_of(item)]


@every_config
def test_the_bare_detector_gives_scores_of_every_proposal(name):
    model, proposals = model_of(name), []
    rpn = model.detector.rpn_head
    original = rpn.predict
    rpn.predict = lambda *args, **options: proposals.extend(
        found := original(*args, **options)) or found
    sample = sample_of(0, 1)
    sample.set_metainfo(dict(batch_input_shape=(64, 96), pad_shape=(64, 96)))
    *_, found = model(video(1)[None].float(), [clip_of([sample])], mode='tensor')
    scores, deltas = tensors_of(found)
    [boxes] = proposals
    assert len(boxes) > 5
    assert scores.shape == (len(boxes), 5)  # four classes and the background
    assert deltas.shape == (len(boxes), 4 if name == CASCADE else 16)
    for part in (scores, deltas):
        assert torch.isfinite(part).all()
        assert len(part.unique(dim=0)) > 1


def test_checkpoints_of_other_methods_and_forms_are_refused_by_a_cascade():
    cascade, mega = model_of(CASCADE), model_of(MEGA)
    with pytest.raises(ValueError, match=r'holds MEGA .* but the model is SELSA'):
        load_state_dict(cascade, mega.state_dict())
    single = {name.replace('aggregator.0.', 'aggregator.'): value
              for name, value in cascade.state_dict().items()
              if 'aggregator.1.' not in name and 'aggregator.2.' not in name}
    with pytest.raises(ValueError, match='one of the two is a cascade'):
        load_state_dict(cascade, single)
