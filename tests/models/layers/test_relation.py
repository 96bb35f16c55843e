"""The relation module against its literal form."""

import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from mmvod_plugins.models.layers import (
    RelationModule,
    location_terms,
    position_embedding,
    relation,
    sine_embedding,
)
from mmvod_plugins.models.layers.position_embedding import projected_embedding
from mmvod_plugins.models.layers.relation import projected_biases

from .. import literal

KINDS = [(location, key_bias) for location in (True, False) for key_bias in (True, False)]


def module_of(location=True, key_bias=True, channels=16, heads=4):
    module = RelationModule(channels, heads, location=location, key_bias=key_bias)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return module.double()


def objects(count, channels=16, seed=0):
    """Boxes (N, 4) and features (N, C)."""
    generator = torch.Generator().manual_seed(seed)
    corner = 60 * torch.rand(count, 2, generator=generator)
    side = 2 + 40 * torch.rand(count, 2, generator=generator)
    feats = torch.randn(count, channels, generator=generator)
    return torch.cat([corner, corner + side], dim=1).double(), feats.double()


@pytest.mark.parametrize(('location', 'key_bias'), KINDS)
def test_projecting_first_equals_the_literal_form(location, key_bias):
    module = module_of(location, key_bias)
    (boxes, feats), (others, references) = objects(5), objects(7, seed=1)
    feats.requires_grad_()
    references.requires_grad_()
    leaves = [feats, references, *module.parameters()]
    found = []
    for out in (module(feats, references, boxes, others),
                literal.relation(module, feats, references, boxes, others)):
        found.append([out, *torch.autograd.grad(out.square().sum(), leaves)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(('location', 'key_bias'), KINDS)
def test_every_parameter_gets_a_gradient(location, key_bias):
    module = module_of(location, key_bias)
    (boxes, feats), (others, references) = objects(5), objects(7, seed=1)
    module(feats, references, boxes, others).square().sum().backward()
    grads = {name: parameter.grad.abs().max() for name, parameter in module.named_parameters()}
    # The softmax forgets what all references share: the bias of the keys has a gradient of zero.
    assert [name for name, grad in grads.items() if grad < 1e-12] == ['key.bias']


@torch.no_grad()
@pytest.mark.parametrize('chunk', [1, 64 * 7, 64 * 7 * 2, 64 * 7 * 3])
def test_chunks_give_the_whole(chunk, monkeypatch):
    module = module_of()
    (boxes, feats), (others, references) = objects(5), objects(7, seed=1)
    whole = module(feats, references, boxes, others)
    monkeypatch.setattr(position_embedding, 'CHUNK', chunk)
    torch.testing.assert_close(module(feats, references, boxes, others), whole, rtol=1e-12,
                               atol=1e-12)


@torch.no_grad()
@pytest.mark.parametrize('portion', [1, 4 * 7 * 32, 4 * 7 * 64])
def test_portions_give_the_whole(portion, monkeypatch):
    module = module_of()
    (boxes, feats), (others, references) = objects(70), objects(7, seed=1)
    whole = module(feats, references, boxes, others)
    monkeypatch.setattr(relation, 'PORTION', portion)
    torch.testing.assert_close(module(feats, references, boxes, others), whole, rtol=1e-12,
                               atol=1e-12)


@torch.no_grad()
def test_chunks_hold_no_more_than_the_limit(monkeypatch):
    """Two rows of 7 references, with 32 embedded values of the distances for each pair."""
    module, rows = module_of(), []
    original = torch.bmm
    monkeypatch.setattr(position_embedding, 'CHUNK', 32 * 7 * 2 + 1)
    monkeypatch.setattr(torch, 'bmm',
                        lambda *args, **kw: (rows.append(len(args[1])), original(*args, **kw))[1])
    module.location_bias(objects(5)[0], objects(7)[0])
    assert rows == [2, 2, 1]


def test_the_plain_embedding_is_the_papers():
    """What the benchmark takes as the literal form, against pairs written out one by one."""
    boxes, others = objects(5)[0], objects(7, seed=1)[0]
    pairs = [[literal.embed_pair(box, other) for other in others.tolist()]
             for box in boxes.tolist()]
    torch.testing.assert_close(literal.plain_relation.embed_pairs(boxes, others),
                               boxes.new_tensor(pairs), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(('num_boxes', 'num_references'), [(5, 7), (1, 1), (9, 2)])
def test_bias_for_inference_is_the_one_for_training(num_boxes, num_references):
    """Angle addition and chunks against the embedding as the papers write it."""
    module = module_of()
    boxes, others = objects(num_boxes)[0], objects(num_references, seed=1)[0]
    plain = module.location_bias(boxes, others)
    with torch.no_grad():
        fast = module.location_bias(boxes, others)
    torch.testing.assert_close(fast, plain.detach(), rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_references_are_a_set():
    module = module_of()
    (boxes, feats), (others, references) = objects(5), objects(7, seed=1)
    order = torch.randperm(7)
    torch.testing.assert_close(
        module(feats, references[order], boxes, others[order]),
        module(feats, references, boxes, others), rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_rows_do_not_see_each_other():
    module = module_of()
    (boxes, feats), (others, references) = objects(5), objects(7, seed=1)
    whole = module(feats, references, boxes, others)
    for row in range(5):
        alone = module(feats[row:row + 1], references, boxes[row:row + 1], others)
        torch.testing.assert_close(alone, whole[row:row + 1], rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_moving_all_boxes_together_changes_nothing():
    module = module_of()
    (boxes, feats), (others, references) = objects(5), objects(7, seed=1)
    torch.testing.assert_close(
        module(feats, references, boxes + 9, others + 9),
        module(feats, references, boxes, others), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(('rows', 'references'), [(5, 0), (0, 7), (0, 0)])
def test_nothing_to_relate_adds_zeros(rows, references):
    module = module_of()
    boxes, feats = objects(rows)
    others, pool = objects(references)
    out = module(feats, pool, boxes, others)
    assert torch.equal(out, torch.zeros(rows, 16, dtype=torch.double))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('grad', [False, True])
def test_half_precision_is_finite_and_near(dtype, grad):
    module = module_of().float()
    (boxes, feats), (others, references) = objects(5), objects(7, seed=1)
    args = feats.float(), references.float(), boxes.float(), others.float()
    exact = module(*args)
    with torch.set_grad_enabled(grad), torch.autocast('cpu', dtype):
        out = module(*args)
    assert torch.isfinite(out).all()
    torch.testing.assert_close(out.float(), exact, rtol=0.1, atol=0.15)
    if grad:
        out.float().square().sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in module.parameters())


def test_inputs_stay_as_they_are():
    module = module_of()
    (boxes, feats), (others, references) = objects(5), objects(7, seed=1)
    inputs = feats, references, boxes, others
    before = [part.clone() for part in inputs]
    module(*inputs)
    assert all(torch.equal(a, b) for a, b in zip(inputs, before, strict=True))


def test_a_box_over_itself_by_hand():
    box = torch.tensor([[10.0, 20.0, 29.0, 59.0]])
    terms = location_terms(box, torch.tensor([[10.0, 20.0, 29.0, 59.0], [29.0, 20.0, 38.0, 39.0]]))
    small = torch.log(torch.tensor(1e-3))
    torch.testing.assert_close(terms[0, 0], torch.tensor([small, small, 0.0, 0.0]))
    # Their centres are 14 and 10 pixels apart; 20 x 40 and 10 x 20 pixels.
    expected = torch.tensor([14 / 20 + 1e-3, 10 / 40 + 1e-3, 2.0, 2.0]).log()
    torch.testing.assert_close(terms[0, 1], expected)


def test_embedding_by_hand():
    embedding = sine_embedding(torch.tensor([0.0, 0.5]), embed_dim=8, wave_length=100.0, scale=2.0)
    angles = torch.tensor([1.0, 0.1])
    expected = torch.cat([torch.tensor([0.0, 0.0, 1.0, 1.0]), angles.sin(), angles.cos()])
    torch.testing.assert_close(embedding, expected)


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match='multiple of num_heads, got 10 and 4'):
        RelationModule(10, 4)
    with pytest.raises(ValueError, match='embed_dim must be a multiple of 8, got 60'):
        sine_embedding(torch.zeros(4), embed_dim=60)


def test_a_device_gets_few_kernels_for_the_location_bias():
    """On a CPU a small buffer is filled row by row; elsewhere a kernel has work for all rows."""
    class Count(TorchDispatchMode):
        calls = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.calls += 1
            return func(*args, **(kwargs or {}))

    boxes, references = (torch.zeros(n, 4, device='meta') for n in (300, 3750))
    weight, bias = torch.zeros(16, 64, device='meta'), torch.zeros(16, device='meta')
    with Count() as count:
        projected_embedding(boxes, references, weight, bias)
    assert count.calls < 150


def test_traced_code_computes_the_same_location_bias(monkeypatch):
    """It fills no buffer, so that a graph can hold it."""
    torch.manual_seed(0)
    boxes, references = (torch.rand(n, 2).repeat(1, 2) * 50 + torch.tensor([0, 0, 9.0, 17.0])
                         for n in (5, 7))
    weight, bias = torch.randn(4, 64), torch.randn(4)
    expected = projected_biases(boxes, references, weight, bias)
    monkeypatch.setattr(position_embedding, 'is_compiled', lambda: True)
    found = projected_biases(boxes, references, weight, bias)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_constants_of_fake_tensors_are_not_kept():
    """Their numbers would be missing in every later call."""
    position_embedding._kept_frequencies.cache_clear()
    boxes, weight, bias = torch.rand(3, 4), torch.randn(4, 24), torch.randn(4)
    with FakeTensorMode() as fake:
        traced = [fake.from_tensor(part) for part in (boxes, boxes, weight, bias)]
        assert projected_embedding(*traced).shape == (4, 3, 3)
    assert torch.isfinite(projected_embedding(boxes, boxes, weight, bias)).all()
