"""MEGA's training step and its inference steps against plain transcriptions of the paper."""

import copy

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch.nn import functional

from mmvod_plugins.models import MEGAAggregator
from mmvod_plugins.models.memories import kept_projections
from mmvod_plugins.structures import ObjectFeatures

from .. import literal
from ..records import record_of
from ..tiny import sample_of, tiny_config, tiny_model, training_batch, video

#: Settings of the aggregator, named after the rows of the paper's tables.
VARIANTS = {
    'default': {},
    'one local module': dict(num_local_stages=1),
    'two local modules': dict(num_local_stages=2),
    'four local modules': dict(num_local_stages=4),
    'no global stage': dict(num_global_stages=0),
    'no local stage': dict(num_global_stages=4, num_local_stages=0),
    'two global modules': dict(num_global_stages=2),
    'global result stage': dict(num_result_stages=1),
    'base model without memory': dict(memory_size=0),
    'short memory': dict(memory_size=2),
    'locations in the global stage': dict(global_location=True, num_result_stages=1),
}
variants = pytest.mark.parametrize('settings', VARIANTS.values(), ids=VARIANTS)
ROLES = {'local': [6, 5, 8], 'memory': [0, 1, 2], 'global': [3, 9]}
PARTS = ('embedding.', 'aggregator.', 'bbox_head.')
EXACT = dict(rtol=1e-8, atol=1e-10)


def mega_of(settings, channels=16):
    """An aggregator in double precision with weights that matter."""
    settings = dict(memory_size=4) | settings
    mega = MEGAAggregator(channels, 4, reference_topk=5, distilled_topk=2, **settings)
    for parameter in mega.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return mega.double()


def objects(count, frame_id=0, channels=16):
    """Objects whose boxes and features depend on the frame."""
    generator = torch.Generator().manual_seed(frame_id)
    corner = 60 * torch.rand(count, 2, generator=generator)
    side = 4 + 30 * torch.rand(count, 2, generator=generator)
    return ObjectFeatures(
        torch.cat([corner, corner + side], dim=1).double(),
        torch.randn(count, channels, generator=generator).double(),
        torch.rand(count, generator=generator).sort(descending=True).values,
        torch.full((count, ), frame_id))


def frames_of(frame_ids, count=7):
    return [objects(count, frame_id) for frame_id in frame_ids]


def clip_of(counts=(7, 7, 7)):
    """References of every role, with frames of given sizes."""
    local, memory, pool = counts
    return dict(local=frames_of((5, 6), local), memory=frames_of((1, 2, 3), memory),
                **{'global': frames_of((8, 9), pool)})


# One training step: losses and gradients ----------------------------------------------------------


def head_of(settings):
    """The RoI head of the tiny model in double precision."""
    head = tiny_model(**settings).detector.roi_head.double()
    return head.train()


def head_inputs(length=10):
    """Maps, proposals and a ground truth: (1, 32, 4, 6) and 12 boxes for every frame."""
    generator = torch.Generator().manual_seed(5)
    feats, proposals = [], []
    for _ in range(length):
        feats.append(torch.randn(1, 32, 4, 6, generator=generator).double().relu())
        corner = torch.rand(12, 2, generator=generator) * torch.tensor([60.0, 30.0])
        side = 8 + 24 * torch.rand(12, 2, generator=generator)
        scores = torch.rand(12, generator=generator).sort(descending=True).values
        bboxes = torch.cat([corner, corner + side], dim=1).double()
        proposals.append(InstanceData(bboxes=bboxes, scores=scores))
    return feats, proposals


def embedded(head, feat, proposals, frame_id):
    """The record of a frame with its embedded proposals."""
    record = record_of(sample_of(frame_id, 10))
    [record.objects] = head.extract((feat, ), [proposals], [record])
    return record


def literal_objects(head, feat, boxes):
    """RoIAlign on conv5, a fully connected layer and ReLU, frame by frame."""
    pooled = head.bbox_roi_extractor((feat, ), bbox2roi([boxes]))
    layer = head.embedding.fc
    feats = torch.clamp(pooled.flatten(1) @ layer.weight.T + layer.bias, min=0)
    count = len(boxes)
    return ObjectFeatures(boxes, feats, feats.new_zeros(count), torch.zeros(count).long())


def literal_losses(head, sampled, feats):
    """Cross entropy of all RoIs, and smooth L1 of the positives' own classes, per RoI."""
    box_head = head.bbox_head
    logits = feats @ box_head.fc_cls.weight.T + box_head.fc_cls.bias
    deltas = (feats @ box_head.fc_reg.weight.T + box_head.fc_reg.bias).view(len(feats), -1, 4)
    positive = len(sampled.pos_priors)
    labels = torch.full((len(feats), ), box_head.num_classes)
    labels[:positive] = sampled.pos_gt_labels
    targets = box_head.bbox_coder.encode(sampled.pos_priors, sampled.pos_gt_bboxes)
    chosen = deltas[torch.arange(positive), labels[:positive]]
    error = (chosen - targets).abs()
    smooth = torch.where(error < 1, 0.5 * error.square(), error - 0.5)
    return dict(loss_cls=functional.cross_entropy(logits, labels),
                loss_bbox=smooth.sum() / len(feats))


def gradients(losses, parameters):
    total = losses['loss_cls'] + losses['loss_bbox']
    found = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
    return {name: torch.zeros_like(p) if grad is None else grad
            for (name, p), grad in zip(parameters.items(), found, strict=True)}


def roi_parameters(head):
    return {name: p for name, p in head.named_parameters()
            if p.requires_grad and (name.startswith(PARTS) or 'roi_extractor' in name)}


def assert_steps_agree(ours, theirs, **tolerance):
    for mine, other in zip(ours, theirs, strict=True):
        for name, value in other.items():
            torch.testing.assert_close(
                mine[name].double(), value.double(), msg=lambda text, n=name: f'{n}: {text}',
                **tolerance)


@variants
def test_head_trains_as_the_paper_says(settings):
    head = head_of(settings)
    feats, proposals = head_inputs()
    sample = sample_of(7, 10)
    sample.gt_instances.bboxes = proposals[7].bboxes[[2]] + 2
    recorded = record_sampling(head)

    def references():
        return {role: [embedded(head, feats[t], proposals[t], t) for t in ids]
                for role, ids in ROLES.items()}

    parameters = roi_parameters(head)
    losses = head.loss((feats[7], ), [proposals[7]], [sample], [references()])
    ours = losses, gradients(losses, parameters)
    roles = {role: [literal_objects(head, feats[t], proposals[t].bboxes) for t in ids]
             for role, ids in ROLES.items()}
    key = literal_objects(head, feats[7], recorded[0].priors)
    expected = literal_losses(head, recorded[0], literal.training_step(head.aggregator, key, roles))
    assert len(recorded[0].pos_priors) > 0
    assert_steps_agree(ours, (expected, gradients(expected, parameters)), rtol=1e-6, atol=1e-7)


def record_sampling(head):
    """Note which RoIs a head draws."""
    recorded, original = [], head._sample

    def sample(*args):
        results, scores = original(*args)
        recorded.extend(results)
        return results, scores

    head._sample = sample
    return recorded


def fix_proposals(detector, proposals):
    """Give every frame its proposals: NMS has no double precision on the CPU."""
    rpn = detector.rpn_head
    rpn.predict = lambda _, samples, **__: [proposals[s.frame_id] for s in samples]
    rpn.loss_and_predict = lambda _, samples, **__: ({}, [proposals[s.frame_id] for s in samples])


def literal_roles(detector, inputs, samples, proposals):
    """Objects of the reference frames, each frame passing the network alone."""
    places, topk = [s.frame_id for s in samples], detector.roi_head.needs.topk
    roles = {}
    for role, ids in ROLES.items():
        with torch.set_grad_enabled(role != 'memory'):
            roles[role] = [
                literal_objects(detector.roi_head,
                                detector.extract_feat(inputs[:, places.index(t)])[0],
                                proposals[t].bboxes[:topk]) for t in ids
            ]
    return roles


def test_detector_trains_as_the_paper_says():
    """From pixels to the gradients of every weight."""
    model = tiny_model().train()
    head, detector = model.adapter.head, model.detector
    _, proposals = head_inputs()
    fix_proposals(detector, proposals)
    data = model.data_preprocessor(training_batch(video(10), 7, ROLES), True)
    inputs, samples = data['inputs'].double(), list(data['data_samples'][0])
    model.double()
    recorded = record_sampling(head)
    parameters = {name: p for name, p in detector.named_parameters()
                  if p.requires_grad and not name.startswith('rpn')}
    losses = model(inputs, data['data_samples'], mode='loss')
    ours = losses, gradients(losses, parameters)

    roles = literal_roles(detector, inputs, samples, proposals)
    key = literal_objects(head, detector.extract_feat(inputs[:, 0])[0], recorded[0].priors)
    expected = literal_losses(head, recorded[0], literal.training_step(head.aggregator, key, roles))
    theirs = expected, gradients(expected, parameters)
    assert_steps_agree(ours, theirs, rtol=1e-6, atol=1e-6)
    assert theirs[1]['backbone.layer1.0.conv1.weight'].abs().max() > 0.01


def test_no_gradient_flows_into_memory_frames():
    mega, clip = mega_of({}), clip_of()
    for frames in clip.values():
        for frame in frames:
            frame.feats.requires_grad_()
    key = objects(6, frame_id=20)
    key.feats.requires_grad_()
    mega(key, clip, None).feats.square().sum().backward()
    got = {role: [frame.feats.grad for frame in frames] for role, frames in clip.items()}
    assert all(grad is None for grad in got['memory'])
    # Objects beyond the best ones take no part; the others of every frame do.
    for role in ('local', 'global'):
        assert all(grad[:5].abs().sum(1).min() > 0 for grad in got[role])
        assert all(grad[5:].abs().max() == 0 for grad in got[role])
    assert key.feats.grad.abs().max() > 0


@torch.no_grad()
def test_memory_frames_matter_though_they_get_no_gradient():
    mega, clip, key = mega_of({}), clip_of(), objects(6, frame_id=20)
    other = clip | dict(memory=frames_of((11, 12, 13)))
    assert not torch.allclose(mega(key, clip, None).feats, mega(key, other, None).feats)


@pytest.mark.parametrize('role', ['local', 'memory', 'global'])
@torch.no_grad()
def test_order_of_reference_frames_does_not_matter(role):
    mega, clip, key = mega_of({}), clip_of(), objects(6, frame_id=20)
    turned = clip | {role: clip[role][::-1]}
    torch.testing.assert_close(mega(key, turned, None).feats, mega(key, clip, None).feats, **EXACT)


@variants
def test_every_parameter_of_a_variant_gets_a_gradient(settings):
    mega = mega_of(settings)
    mega(objects(6, frame_id=20), clip_of(), None).feats.square().sum().backward()
    without = [name for name, p in mega.named_parameters()
               if p.grad is None or (p.grad.abs().max() == 0 and not name.endswith('key.bias'))]
    assert without == []


# Streams ------------------------------------------------------------------------------------------


def window(key_id, length=9, radius=2):
    return [min(max(key_id + offset, 0), length - 1) for offset in range(-radius, radius + 1)]


def streaming_roles(key_id, counts=None, length=9):
    """References of one key frame; ``counts`` gives the objects of every frame."""
    count = (lambda t: counts[t]) if counts else (lambda _: 7)
    pool = (key_id * 5) % length, (key_id + 4) % length
    return {'local': [objects(count(t), t) for t in window(key_id, length)],
            'global': [objects(count(t), t) for t in pool]}


def run_stream(mega, counts=None, length=9):
    """Key by key as a stream does; yields our result, the memory, and the references."""
    memory = mega.init_memory()
    for key_id in range(length):
        key = objects(counts[key_id] if counts else 7, key_id)
        roles = streaming_roles(key_id, counts, length)
        aggregated = mega(key, roles, memory)
        yield key, roles, aggregated, memory
        if memory is not None:
            mega.write(memory, aggregated, None)


@pytest.fixture(params=[False, True], ids=['as it is', 'with kept biases'])
def kept(request, monkeypatch):
    """Whether location biases are kept for as few objects as these."""
    if request.param:
        monkeypatch.setattr(kept_projections, 'KEEP_BIAS_FROM', 1)
    return request.param


@pytest.mark.usefixtures('kept')
@variants
@torch.no_grad()
def test_stream_agrees_with_algorithm_1(settings):
    mega = mega_of(settings)
    steps = literal.InferenceSteps(mega)
    for key, roles, aggregated, memory in run_stream(mega):
        before = [len(level) for level in steps.memory]
        assert memory is None or [len(memory.read(k)) for k in range(len(before))] == before
        torch.testing.assert_close(aggregated.feats, steps(key, roles), **EXACT)


@pytest.mark.usefixtures('kept')
@torch.no_grad()
def test_frames_of_different_sizes_agree_with_algorithm_1():
    """Frames with fewer objects than the top-k, and with none."""
    mega = mega_of({})
    steps, counts = literal.InferenceSteps(mega), [7, 3, 0, 1, 7, 0, 2, 5, 0]
    for key, roles, aggregated, _ in run_stream(mega, counts):
        torch.testing.assert_close(aggregated.feats, steps(key, roles), **EXACT)
        assert aggregated.feats.shape == key.feats.shape


@torch.no_grad()
def test_memory_is_read_before_it_is_written():
    mega = mega_of({})
    runs = [mega(objects(6, 20), streaming_roles(0), memory).feats
            for memory in (None, mega.init_memory())]
    torch.testing.assert_close(*runs, **EXACT)


@torch.no_grad()
def test_reading_changes_nothing(kept):
    mega = mega_of({})
    for key, roles, aggregated, memory in run_stream(mega):
        again = mega(key, roles, memory).feats
        # a kept bias decides the order of the references, hence how sums are rounded
        torch.testing.assert_close(again, aggregated.feats,
                                   **(EXACT if kept else dict(rtol=0, atol=0)))


@torch.no_grad()
def test_memory_has_the_paper_s_levels_and_sizes():
    """Level 0 holds the best 5 objects of a frame, later ones 2; at most 4 frames."""
    *_, (_, _, _, memory) = run_stream(mega_of({}), length=8)
    assert [[len(entry) for entry in memory.read(level)] for level in range(3)] == [
        [5] * 4, [2] * 4, [2] * 4]
    assert [int(entry.frame_ids[0]) for entry in memory.read(0)] == [2, 3, 4, 5]


@torch.no_grad()
def test_memory_at_the_start_repeats_the_first_frame():
    """As the published program: its edge copies are entries of their own."""
    seen = [[int(entry.frame_ids[0]) for entry in memory.read(2)]
            for *_, memory in run_stream(mega_of({}), length=6)]
    assert seen == [[], [0], [0, 0], [0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 2]]


@torch.no_grad()
def test_memory_entries_never_change_and_own_their_storage():
    noted = {}
    for _, roles, aggregated, memory in run_stream(mega_of({})):
        for level in range(3):
            for entry in memory.read(level):
                if id(entry) in noted:
                    assert torch.equal(entry.feats, noted[id(entry)][1])
                noted[id(entry)] = entry, entry.feats.clone()
                assert entry.feats.untyped_storage().nbytes() == entry.feats.numel() * 8
        aggregated.feats.fill_(7)  # the caller may do what it likes with the result
        for frames in roles.values():
            for frame in frames:
                frame.feats.fill_(9)
    assert len(noted) == 3 * 8


@torch.no_grad()
def test_inputs_of_a_step_stay_as_they_are():
    for key, roles, _, _ in run_stream(mega_of({})):
        assert torch.equal(key.feats, objects(7, int(key.frame_ids[0])).feats)
        for frame in [*roles['local'], *roles['global']]:
            assert torch.equal(frame.feats, objects(7, int(frame.frame_ids[0])).feats)


# Edges --------------------------------------------------------------------------------------------


@variants
@torch.no_grad()
def test_without_references_a_frame_is_its_own_window(settings):
    mega, key = mega_of(settings), objects(7, 3)
    out = mega(key, mega.needs.alone(key), None).feats
    assert torch.equal(out, mega(key, {}, None).feats)
    torch.testing.assert_close(out, literal.training_step(mega, key, {}), **EXACT)


@variants
@pytest.mark.parametrize('counts', [(7, 7, 7), (0, 7, 7), (7, 0, 7), (7, 7, 0), (0, 0, 0)])
@pytest.mark.parametrize('rows', [0, 6])
def test_without_proposals_anywhere(settings, counts, rows):
    mega, clip, key = mega_of(settings), clip_of(counts), objects(rows, 20)
    out = mega(key, clip, None).feats
    assert out.shape == (rows, 16)
    torch.testing.assert_close(out, literal.training_step(mega, key, clip), **EXACT)


def test_a_key_frame_without_proposals_trains():
    """Ground truth joins the RoIs; references without proposals do no harm."""
    head = head_of({})
    feats, proposals = head_inputs()
    none = proposals[0][:0]
    sample = sample_of(7, 10)
    sample.gt_instances.bboxes = sample.gt_instances.bboxes.double()
    roles = {role: [embedded(head, feats[0], none, 0)] for role in ROLES}
    losses = head.loss((feats[7], ), [none], [sample], [roles])
    total = losses['loss_cls'] + losses['loss_bbox']
    total.backward()
    assert torch.isfinite(total)


def test_settings_are_those_of_the_program():
    mega = MODELS.build(tiny_config().detector.roi_head.aggregator | dict(
        reference_topk=75, distilled_topk=15, memory_size=25))
    default = MEGAAggregator()
    assert mega.needs == default.needs
    for name in ('distilled_topk', 'memory_size'):
        assert getattr(mega, name) == getattr(default, name)
    assert [len(stage) for stage in (default.global_relations, default.local_relations,
                                     default.result_relations)] == [1, 3, 0]
    assert copy.deepcopy(default).init_memory().size == 25
