"""MST in detectors: rows of the paper's tables, a pyramid and RetinaNet train and detect."""

from collections import Counter

import numpy as np
import pytest
import torch

from mmvod_plugins.models.aggregators import mst

from .necks.test_mixing import scene, train
from .tiny import batch, detect, numbers, training_batch, video
from .tiny_mst import KINDS, WINDOW, mst_config, mst_model

NEAR = {'b', 'g', 'retinanet'}
#: One of each kind by default.
every_kind = pytest.mark.parametrize('kind', [
    pytest.param(kind, marks=[] if kind in NEAR | {'mega', 'fpn'} else pytest.mark.slow)
    for kind in KINDS])


def same(first, second):
    return [a.shape == b.shape and torch.equal(a, b) for a, b in zip(first, second, strict=True)]


@every_kind
def test_detections_change_with_the_references(kind):
    model, frames = mst_model(kind), video(5)
    before = numbers(detect(model, frames))
    assert all(len(part) and torch.isfinite(part).all() for part in before)
    frames[4] = video(1, seed=9)[0]
    after = same(before, numbers(detect(model, frames)))
    if kind == 'mega':  # the changed frame is a global one, too
        assert not after[3]
    else:
        assert after == [True, True, True, False, False]


@every_kind
def test_any_order_and_batch_gives_the_same_bits(kind):
    config = mst_config(kind)
    config.encode_batch = 1
    model, frames = mst_model(kind, config=config), video(4)
    expected = numbers(detect(model, frames))
    assert all(same(expected, numbers(detect(model, frames, batch_size=3))))
    assert all(same(expected, numbers(detect(model, frames, order=[3, 2, 1, 0]))))


@pytest.mark.slow
@every_kind
def test_fifty_iterations_overfit_a_video(kind):
    total = train(mst_model(kind, spread=False), 50)
    assert np.mean(total[-5:]) < 0.6 * np.mean(total[:5])


@every_kind
def test_the_loss_falls_and_every_parameter_has_a_gradient(kind):
    config = mst_config(kind)
    for part in ('rpn', 'rcnn'):
        if part in config.detector.train_cfg:  # take all of them, so that nothing is drawn
            config.detector.train_cfg[part].sampler.num = 10000
    model = mst_model(kind, config=config, spread=False)
    total = train(model, 5, repeat=True)
    assert total[-1] < 0.98 * total[0]
    assert [key for key, parameter in model.named_parameters()
            if parameter.requires_grad and parameter.grad is None] == []


@every_kind
def test_a_video_of_one_frame(kind):
    [found] = numbers(detect(mst_model(kind), video(1)))
    assert len(found)
    assert torch.isfinite(found).all()


@pytest.mark.parametrize('kind', ['d', 'g', 'retinanet'])
def test_without_references_a_frame_is_its_own(kind):
    config = mst_config(kind)
    config.references = None
    found = numbers(detect(mst_model(kind, config=config), video(2)))
    narrow = dict(WINDOW, radius=0)
    assert all(same(found, numbers(detect(mst_model(kind, narrow), video(2)))))


def losses(model, change=None, roles=None, key_id=2, **meta):
    """One training step on a video, and whether all parameters got a gradient."""
    model.train().zero_grad()
    data = training_batch(scene(), key_id, roles or {'local': [2, 1, 4]})
    for t, sample in enumerate(data['data_samples'][0]):
        sample.set_metainfo(meta)
        if change is not None:
            change(t, sample)
    found = model(**model.data_preprocessor(data, training=True), mode='loss')
    total, _ = model.parse_losses(found)
    total.backward()
    assert torch.isfinite(total)
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    return found


def named(number):
    """Give the objects of every frame an instance id."""
    def change(t, sample):
        truth = sample.gt_instances
        truth.instances_ids = torch.full((len(truth), ), number(t))
    return change


def test_training_looks_at_objects_of_the_same_instance(monkeypatch):
    model, seen = mst_model('g'), []
    level = type(model.detector.roi_head.aggregator.aggregators['instance'])
    found = level.same_instance
    monkeypatch.setattr(level, 'same_instance', lambda *args: seen.append(
        found(*args)) or seen[-1])
    # true boxes are the first key objects, and of the references where the RPN finds them
    monkeypatch.setattr(mst, 'warn_without_ids', lambda *_: pytest.fail('the ids are known'))
    model.adapter.propose = lambda maps, records: [
        _proposals(record.sample) for record in records]
    losses(model, named(lambda t: 5))
    losses(model, named(lambda t: 5 + t))  # row 0 is the key frame, row 1 itself as a reference
    assert seen[0].any(dim=1).sum() >= 1
    assert seen[0].sum(dim=1).max() == 3
    assert seen[1].sum(dim=1).max() == 1


def _proposals(sample):
    result = sample.gt_instances.new()
    result.bboxes = sample.gt_instances.bboxes.clone()
    result.scores = torch.ones(len(result.bboxes))
    return result


@pytest.mark.parametrize('meta', [{}, dict(has_instance_ids=False)], ids=['none', 'positions'])
@pytest.mark.parametrize('what', ['iou', 'off'])
def test_without_instance_ids_it_says_so_and_trains(what, meta, monkeypatch):
    lines = []
    monkeypatch.setattr(mst, 'print_log', lambda line, **_: lines.append(line))
    mst.warn_without_ids.cache_clear()
    config = mst_config('g')
    config.detector.roi_head.aggregator.aggregators.instance.without_ids = what
    losses(mst_model('g', config=config), named(lambda t: t) if meta else None, **meta)
    [line] = lines
    assert "Annotate 'instance_id'" in line
    assert dict(iou='overlap of boxes', off='is off')[what] in line


@pytest.mark.parametrize('share', [0, 1])
def test_all_background(share):
    def empty(_, sample):
        sample.gt_instances = sample.gt_instances[:0]
        sample.gt_instances.instances_ids = torch.zeros(0, dtype=torch.long)

    config = mst_config('g')
    config.detector.roi_head.aggregator.aggregators.instance.similarity_share = share
    assert losses(mst_model('g', config=config), empty)['loss_bbox'] == 0


@pytest.mark.parametrize('kind', ['c', 'g'])
def test_supports_without_proposals(kind, monkeypatch):
    model, frames = mst_model(kind), video(3)
    propose = model.adapter.propose
    monkeypatch.setattr(model.adapter, 'propose', lambda maps, records: [
        part[:0] if record.frame_id != 1 else part
        for part, record in zip(propose(maps, records), records, strict=True)])
    found = numbers(detect(model, frames))
    assert [len(part) > 0 for part in found] == [False, True, False]
    assert torch.isfinite(found[1]).all()
    losses(model, roles={'local': [1, 0, 4]}, key_id=1)


# What is computed how often ----------------------------------------------------------------------


def counted(model, monkeypatch):
    """How many frames pass each part of a model."""
    calls = Counter()

    def count(module, name, frames=lambda args: len(args[0])):
        if module is not None:
            module.register_forward_pre_hook(lambda _, args: calls.update({name: frames(args)}))

    count(model.detector.backbone, 'backbone')
    neck = model.temporal_neck
    count(neck.dalign, 'pairs', lambda args: len(args[1]))
    for name, part in (('shares', neck.dalign), ('keys', neck.attention)):
        project = part and part.project
        if part is not None:
            monkeypatch.setattr(part, 'project', lambda maps, name=name, project=project: (
                calls.update({name: len(maps)}), project(maps))[1])
    extract = model.adapter.objects
    monkeypatch.setattr(model.adapter, 'objects', lambda maps, *args: (
        calls.update(objects=len(maps[0])), extract(maps, *args))[1])
    return calls


PAIRS = 2 + 3 + 3 + 2  # frames of the windows of a video of four frames


@pytest.mark.parametrize(('kind', 'expected'), [
    # the frame level alone: keys and values once per frame
    ('b', dict(backbone=4, keys=4)),
    # every pair is aligned once, and its keys and values depend on the key frame
    ('d', dict(backbone=4, shares=4, pairs=PAIRS, keys=PAIRS)),
    # objects of the aligned references, the key frame's own once for both its roles
    ('g', dict(backbone=4, shares=4, pairs=PAIRS, keys=PAIRS, objects=PAIRS)),
    ('e', dict(backbone=4, shares=4, pairs=PAIRS, objects=PAIRS)),
])
def test_nothing_is_computed_twice(kind, expected, monkeypatch):
    model = mst_model(kind)
    calls = counted(model, monkeypatch)
    detect(model, video(4))
    assert calls == expected


def test_references_that_stay_as_they_are_are_embedded_once(monkeypatch):
    """With the frame level for the key frame alone and no alignment."""
    config = mst_config('key')
    config.temporal_neck.dalign = None
    model = mst_model('key', config=config)
    calls = counted(model, monkeypatch)
    detect(model, video(4))
    # every frame as a reference, and the enhanced key frames
    assert calls == dict(backbone=4, keys=4, objects=4 + 4)


@torch.no_grad()
def test_a_head_sees_the_references_that_the_neck_enhanced_for_the_key_frame(monkeypatch):
    model, seen = mst_model('g'), []
    head = model.adapter.head
    enhance = head.enhance
    monkeypatch.setattr(head, 'enhance', lambda key, references, memory: seen.append(
        references['local']) or enhance(key, references, memory))
    data = model.data_preprocessor(batch(video(3), range(3)), False)
    records = list(model.encode(data['inputs'], data['data_samples']))
    assert all(record.objects is None for record in records)
    model.key_frames.step(records[1], {'local': records}, model.init_memory())
    step = model.temporal_neck.enhance(records[1], {'local': records}, None)
    [seen] = seen
    for record, maps in zip(seen, step.references()['local'], strict=True):
        assert torch.equal(record.maps[0], maps[0])
        [objects] = model.adapter.objects(maps, [record])
        torch.testing.assert_close(record.objects.feats, objects.feats[:len(record.objects)])
    assert not torch.equal(seen[0].maps[0], records[0].maps[0])


@torch.no_grad()
def test_references_in_other_roles_are_enhanced_alone():
    model = mst_model('mega')
    data = model.data_preprocessor(batch(video(3), range(3)), False)
    records = list(model.encode(data['inputs'], data['data_samples']))
    alone = model.temporal_neck.enhance(records[0], {'local': records[:1]}, None).maps
    [objects] = model.adapter.objects(alone, records[:1])
    torch.testing.assert_close(records[0].objects.feats, objects.feats)


@torch.no_grad()
def test_the_same_step_serves_training_and_testing():
    """Shares that were computed with the frame change nothing but the order of sums."""
    model = mst_model('d')
    data = model.data_preprocessor(batch(video(3), range(3)), False)
    records = list(model.encode(data['inputs'], data['data_samples']))
    steps = [model.temporal_neck.enhance(records[1], {'local': records}, None)]
    for record in records:
        assert record.extras
        record.extras.clear()
    steps.append(model.temporal_neck.enhance(records[1], {'local': records}, None))
    torch.testing.assert_close(steps[0].maps, steps[1].maps)
