"""BN* and the cells of STMN: gates, the replaced convolution, sequences, precision."""

import pytest
import torch
from torch import nn

from mmvod_plugins.models.layers import CellState, ConvGRUCell, STMMCell, bn_star
from mmvod_plugins.models.layers.bn_star import upper_bound

every_cell = pytest.mark.parametrize('kind', [STMMCell, ConvGRUCell])


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def cell_of(kind, **options):
    torch.manual_seed(0)
    return kind(6, 4, **options)


# BN* ---------------------------------------------------------------------------------------------


def test_gates_are_between_zero_and_one_and_maps_do_not_mix():
    x = random(3, 4, 5, 6).relu() * torch.tensor([1.0, 10.0, 0.01])[:, None, None, None]
    gates = bn_star(x)
    assert gates.min() == 0
    assert gates.max() == 1
    for alone, together in zip(x, gates, strict=True):
        torch.testing.assert_close(bn_star(alone[None])[0], together)


BOUNDS = [
    ('mean plus three deviations', [0.0, 1.0, 3.0], 2 + 3 * 2**0.5, (4 / 3) + 3 * (7 / 3)**0.5),
    ('nothing is positive', [0.0, 0.0, 0.0], 1, 1),
    ('one value', [0.0, 0.4, 0.0], 1, 0.4 / 3 + 3 * (0.16 / 3)**0.5),
    ('equal values', [0.5, 0.5, 0.5], 0.5, 0.5),
]


@pytest.mark.parametrize(('values', 'positive', 'everything'), [row[1:] for row in BOUNDS],
                         ids=[row[0] for row in BOUNDS])
@pytest.mark.parametrize('all_elements', [False, True])
def test_table_of_bounds(values, positive, everything, all_elements):
    x = torch.tensor(values).view(1, 1, 1, 3).requires_grad_()
    expected = {False: positive, True: everything}[all_elements]
    assert upper_bound(x, all_elements=all_elements).item() == pytest.approx(expected)
    bn_star(x, all_elements=all_elements).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_the_bound_may_be_a_constant_for_the_gradient():
    x = random(1, 2, 3, 4).relu().requires_grad_()
    grads = [torch.autograd.grad(bn_star(x, detach=detach).square().sum(), x)[0]
             for detach in (False, True)]
    constant = upper_bound(x).detach()
    [expected] = torch.autograd.grad((x.clamp(max=constant.item()) / constant).square().sum(), x)
    torch.testing.assert_close(grads[1], expected)
    assert not torch.allclose(grads[0], expected)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_of_a_large_map(dtype):
    """The sum of its values is beyond the range of float16."""
    x = 10 * random(1, 64, 40, 50).relu()
    gates = bn_star(x.to(dtype))
    assert gates.dtype == dtype
    torch.testing.assert_close(gates.float(), bn_star(x), rtol=0, atol=1e-2)


# Cells -------------------------------------------------------------------------------------------


@torch.no_grad()
def test_the_first_candidate_is_the_output_of_the_replaced_convolution():
    cell, conv = cell_of(STMMCell), nn.Conv2d(6, 4, 3, padding=1)
    cell.load_state_dict(cell.from_convolution(conv.weight, conv.bias), strict=False)
    feat = random(1, 6, 5, 7)
    rectified = conv(feat).relu()
    inputs = cell.project(feat)
    zeros = torch.zeros(1, 4, 5, 7)
    update, _ = cell.gates(inputs, zeros)
    candidate = cell.squash(inputs.candidate + cell.u(zeros))
    assert torch.equal(candidate, rectified)
    [state] = cell(feat)
    assert torch.equal(state.memory, update * rectified)
    assert torch.equal(update, bn_star(rectified))


def test_a_conv_gru_takes_nothing_of_a_replaced_convolution():
    conv = nn.Conv2d(6, 4, 3)
    assert cell_of(ConvGRUCell).from_convolution(conv.weight, conv.bias) == {}


@every_cell
@torch.no_grad()
def test_a_sequence_in_parts_is_the_whole_sequence(kind):
    cell, feats = cell_of(kind, alignment={}).double(), random(5, 6, 4, 7).double()
    whole = cell(feats)
    parts = cell(feats[:2])
    parts += cell(feats[2:3], parts[-1])
    parts += cell(feats[3:], parts[-1])
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one.memory, other.memory)
        assert torch.equal(one.feat, other.feat)


@every_cell
@torch.no_grad()
def test_copies_of_a_frame_align_to_themselves(kind):
    """With one-hot features alignment finds every cell where it is."""
    feat = torch.eye(20)[:, :20].view(1, 20, 4, 5)
    torch.manual_seed(0)
    aligned, plain = kind(20, 3, alignment={}), kind(20, 3, alignment=None)
    plain.load_state_dict(aligned.state_dict())
    for one, other in zip(aligned(feat.repeat(3, 1, 1, 1)), plain(feat.repeat(3, 1, 1, 1)),
                          strict=True):
        torch.testing.assert_close(one.memory, other.memory)


@torch.no_grad()
def test_the_factor_of_the_program_scales_the_feature_convolutions():
    feat = random(1, 6, 5, 7)
    plain, scaled = cell_of(STMMCell), cell_of(STMMCell, mult_after_w=20.0)
    assert torch.equal(scaled.project(feat).update, 20 * plain.project(feat).update)
    # at the first frame the gate does not see a scale, the candidate does
    torch.testing.assert_close(scaled(feat)[0].memory, 20 * plain(feat)[0].memory)


@every_cell
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_and_frames_without_features(kind, dtype):
    cell = cell_of(kind, alignment={}).to(dtype)
    feats = random(3, 6, 4, 5).to(dtype)
    feats[1] = 0
    states = cell(feats)
    assert all(state.memory.dtype == dtype for state in states)
    assert all(torch.isfinite(state.memory).all() for state in states)
    states[-1].memory.float().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in cell.parameters())


def test_a_kept_state_shares_nothing():
    state = CellState(random(1, 2, 3, 3).requires_grad_(), random(1, 2, 3, 3))
    kept = state.detached_copy()
    state.memory.zero_()
    assert not kept.feat.requires_grad
    assert kept.memory.abs().sum() > 0
