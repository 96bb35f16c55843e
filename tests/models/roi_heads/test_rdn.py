"""RDN's aggregator against a plain transcription, its laws, and a head without references."""

import logging

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict

from mmvod_plugins.models import RDNAggregator, temporal_part
from mmvod_plugins.structures import ObjectFeatures

from .. import literal
from ..tiny import (
    SHAPE,
    WINDOW,
    detect,
    numbers,
    sample_of,
    tiny_config,
    tiny_model,
    training_batch,
    video,
)
from .test_mega_training import EXACT, frames_of, objects

VARIANTS = {
    'RDN': {},
    'RDN-base': dict(num_advanced_stages=0),
    'one basic stage': dict(num_base_stages=1),
    'refined twice': dict(num_advanced_stages=2),
}
variants = pytest.mark.parametrize('settings', VARIANTS.values(), ids=VARIANTS)


def rdn_of(settings=None):
    """An aggregator in double precision with weights that matter."""
    rdn = RDNAggregator(16, 4, reference_topk=5, distilled_topk=2, **(settings or {}))
    for parameter in rdn.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return rdn.double()


@variants
def test_step_and_gradients_are_those_of_the_paper(settings):
    rdn, key, window = rdn_of(settings), objects(6, 20), frames_of((5, 6, 7))
    leaves = [key.feats, *(frame.feats for frame in window), *rdn.parameters()]
    for leaf in leaves:
        leaf.requires_grad_()
    found = []
    for out in (rdn(key, {'local': window}, None).feats, literal.rdn(rdn, key, window)):
        found.append([out, *torch.autograd.grad(out.square().sum(), leaves)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, **EXACT)


@variants
def test_every_parameter_matters(settings):
    rdn = rdn_of(settings)
    rdn(objects(6, 20), {'local': frames_of((5, 6))}, None).feats.square().sum().backward()
    # The softmax forgets what all references share: the bias of the keys has a gradient of zero.
    assert [name for name, p in rdn.named_parameters()
            if p.grad.abs().max() < 1e-12 and not name.endswith('key.bias')] == []


@variants
@torch.no_grad()
def test_the_window_is_a_set(settings):
    rdn, key, window = rdn_of(settings), objects(6, 20), frames_of((5, 6, 7))
    torch.testing.assert_close(rdn(key, {'local': window[::-1]}, None).feats,
                               rdn(key, {'local': window}, None).feats, **EXACT)


@variants
@torch.no_grad()
def test_a_repeated_window_changes_nothing(settings):
    """Weights are shares: every frame twice is every frame once."""
    rdn, key, window = rdn_of(settings), objects(6, 20), frames_of((5, 6))
    torch.testing.assert_close(rdn(key, {'local': window * 2}, None).feats,
                               rdn(key, {'local': window}, None).feats, **EXACT)


@torch.no_grad()
def test_relations_of_weight_zero_leave_the_linear_layers_alone():
    rdn, key = rdn_of(), objects(6, 20)
    for module in [*rdn.base_relations, *rdn.advanced_relations]:
        torch.nn.init.zeros_(module.value.weight)
        torch.nn.init.zeros_(module.value.bias)
    expected = rdn.base_transforms[0](key.feats).relu()
    torch.testing.assert_close(rdn(key, {'local': frames_of((5, 6))}, None).feats, expected)


@torch.no_grad()
def test_objects_beyond_the_best_take_no_part():
    rdn, key, window = rdn_of(), objects(6, 20), frames_of((5, 6))
    out = rdn(key, {'local': window}, None).feats
    for frame in window:
        frame.feats[5:], frame.boxes[5:] = 7, 9
    assert torch.equal(rdn(key, {'local': window}, None).feats, out)


@variants
@pytest.mark.parametrize('sizes', [(0, 7), (3, 1), (0, 0)])
@pytest.mark.parametrize('rows', [0, 6])
def test_frames_with_few_proposals_or_none(settings, sizes, rows):
    rdn, key = rdn_of(settings), objects(rows, 20)
    window = [objects(count, frame_id) for frame_id, count in enumerate(sizes)]
    out = rdn(key, {'local': window}, None).feats
    torch.testing.assert_close(out, literal.rdn(rdn, key, window), **EXACT)
    out.square().sum().backward()
    assert [name for name, p in rdn.named_parameters() if p.grad is None] == []


@torch.no_grad()
def test_proposals_that_are_all_the_same():
    rdn, one = rdn_of(), objects(1, 3)
    key = ObjectFeatures.cat([one] * 6)
    out = rdn(key, {'local': [key, key]}, None).feats
    assert torch.isfinite(out).all()
    torch.testing.assert_close(out, out[:1].expand_as(out), **EXACT)


@variants
@torch.no_grad()
def test_without_references_a_frame_is_its_own_window(settings):
    rdn, key = rdn_of(settings), objects(7, 3)
    assert rdn.needs.alone(key) == {'local': [key]}
    torch.testing.assert_close(rdn(key, {'local': [key]}, None).feats,
                               literal.rdn(rdn, key, [key]), **EXACT)


@torch.no_grad()
def test_the_first_relation_is_kept_for_box_linking():
    rdn, key = rdn_of(), objects(6, 20)
    weights_to = rdn(key, {'local': frames_of((5, 6, 5))}, None).details['relations']
    stage = weights_to.__self__
    assert stage.relation is rdn.base_relations[0]
    assert torch.equal(stage.objects.feats, key.feats)
    total = weights_to(5) + weights_to(6)
    torch.testing.assert_close(total.sum(1), torch.ones(6).double())


def test_settings_without_a_stage_are_refused():
    with pytest.raises(ValueError, match=r'num_base_stages must be at least 1 .* got 0 and 1'):
        RDNAggregator(16, 4, num_base_stages=0)


def test_default_settings_are_those_of_the_program():
    rdn = RDNAggregator()
    assert (rdn.needs.topk, rdn.distilled_topk) == (75, 15)
    assert [len(rdn.base_relations), len(rdn.advanced_relations)] == [2, 2]
    assert all(module.key_bias is None and module.num_heads == 16
               for module in [*rdn.base_relations, *rdn.advanced_relations])


# In a detector ------------------------------------------------------------------------------------


@pytest.mark.parametrize('batch_size', [2, 5])
def test_a_stream_depends_on_the_window_alone(batch_size):
    model, frames = tiny_model('rdn', WINDOW), video(7)
    whole = numbers(detect(model, frames))
    for mine, theirs in zip(numbers(detect(model, frames, batch_size=batch_size)), whole,
                            strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-3)
    other = frames.clone()
    other[6] = 255 - other[6]  # two frames after frame 4, three after frame 3
    changed = [not torch.equal(mine, theirs) for mine, theirs in zip(
        numbers(detect(model, other)), whole, strict=True)]
    assert changed == [False] * 4 + [True] * 3


def test_a_batch_of_clips_trains():
    model = tiny_model('rdn', WINDOW).train()
    data = training_batch(video(9), 4, {'local': [4, 2, 6]}, copies=2)
    data = model.data_preprocessor(data, True)
    losses = model(**data, mode='loss')
    sum(torch.as_tensor(part).sum() for value in losses.values()
        for part in (value if isinstance(value, list) else [value])).backward()
    assert all(torch.isfinite(p.grad).all() for name, p in model.named_parameters()
               if 'aggregator' in name)


@pytest.fixture
def lines(monkeypatch):
    """What the log of a new process would say."""
    found = []
    monkeypatch.setattr(temporal_part, 'print_log',
                        lambda text, level=logging.INFO, **_: found.append((level, text)))
    temporal_part.warn_without_references.cache_clear()
    yield found
    temporal_part.warn_without_references.cache_clear()


@pytest.mark.parametrize(('method', 'name'), [('rdn', 'RDN'), ('mega', 'MEGA')])
def test_a_plain_detector_says_once_that_it_has_no_references(method, name, lines):
    config = tiny_config(method, None)
    plain = MODELS.build(ConfigDict(config.detector)).eval()
    samples = [sample_of(t, 2, pad_shape=SHAPE, batch_input_shape=SHAPE) for t in (0, 1)]
    images = video(2).float() / 60
    with torch.no_grad():
        found = plain.predict(images, samples)
    plain.train().loss(images, samples)
    assert len(found) == 2
    assert len(lines) == 1
    level, text = lines[0]
    assert level == logging.WARNING
    assert text.startswith(f'{name} gets no reference frames: each frame is its own')


def test_a_video_detector_with_references_says_nothing(lines):
    detect(tiny_model('rdn', WINDOW), video(3))
    assert lines == []
    detect(tiny_model('rdn', None), video(3))
    assert len(lines) == 1
