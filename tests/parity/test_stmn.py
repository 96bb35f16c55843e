"""MatchTrans, BN*, cells, clips and windows of STMN, compared with recorded numbers."""

import numpy as np
import pytest
import torch

from mmvod_plugins.models.layers import (
    CellState,
    ConvGRUCell,
    STMMCell,
    bn_star,
    transform_memory,
    transformation_coefficients,
)
from mmvod_plugins.models.layers.bn_star import upper_bound
from mmvod_plugins.models.layers.level_memory import LevelMemory
from mmvod_plugins.references import InterleavedWindows

from . import golden

#: Options of the cells by the suffix of an output.
VARIANTS = {
    '': (STMMCell, dict()),
    '_mult20': (STMMCell, dict(mult_after_w=20.0)),
    '_dot': (STMMCell, dict(alignment=dict(affinity='dot'))),
    '_unaligned': (STMMCell, dict(alignment=None)),
    '_bn_all': (STMMCell, dict(all_elements=True)),
    '_convgru': (ConvGRUCell, dict()),
    '_convgru_aligned': (ConvGRUCell, dict(alignment=dict())),
}


def near(mine, recorded):
    np.testing.assert_allclose(np.asarray(mine), recorded, rtol=1e-8, atol=1e-9)


def data_of(case):
    """The arrays of a case, or a skip where there are no golden data."""
    path = golden.GOLDEN / 'papers' / 'stmn' / f'{case}.npz'
    if not path.exists():
        pytest.skip(f'no golden data: {path.name} is not in {golden.GOLDEN.name}')
    return golden.load(path)


def maps(data, *names):
    """Arrays (C, H, W) as maps (1, C, H, W)."""
    return [torch.from_numpy(data[name])[None] for name in names]


def cell_of(data, kind, options, prefix=''):
    """A cell with the recorded weights."""
    cell = kind(10, 6, **options).double()
    state = {}
    for name in ('w_z', 'w_r', 'w'):
        state[f'{name}.weight'] = data[f'{prefix}{name}']
        state[f'{name}.bias'] = data[f'{prefix}{name.replace("w", "b")}']
    for name in ('u_z', 'u_r', 'u'):
        state[f'{name}.weight'] = data[f'{prefix}{name}']
    cell.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    return cell


def test_every_array_is_compared():
    """A case or an output that nobody compares would look like a success."""
    known = {
        'bn_star': {f'{part}{suffix}' for part in ('out', 'upper')
                    for suffix in ('', '_all_elements', '_one_positive')} | {'upper_no_positive'},
        'match_trans': {f'aligned_{name}' for name in (
            'cosine_k1', 'dot_k1', 'cosine_k2', 'dot_k2', 'cosine_signed_k2')}
        | {'gamma_cosine_k2_at_0_0', 'gamma_cosine_k2_at_3_4'},
        'cell': {'z', 'r', 'aligned', 'convgru_new_memory', 'convgru_new_memory_aligned',
                 *(f'new_memory{name}' for name in VARIANTS if 'gru' not in name)},
        'clip': {'forward', 'backward', 'both', 'both_dot', 'both_unaligned', 'convgru_both'},
    }
    inputs = {
        'bn_star': {'x', 'x_one_positive'},
        'match_trans': {'cur', 'prev', 'memory', 'cur_signed', 'prev_signed'},
        'cell': {'feat', 'prev_feat', 'memory', *WEIGHTS},
        'clip': {'feats', *(f'{side}_{name}' for side in ('forward', 'backward')
                            for name in WEIGHTS)},
    }
    for case, outputs in known.items():
        assert data_of(case).keys() == outputs | inputs[case], case


WEIGHTS = ('w_z', 'b_z', 'u_z', 'w_r', 'b_r', 'u_r', 'w', 'b', 'u')


@pytest.mark.parametrize('suffix', ['', '_all_elements', '_one_positive'])
def test_bn_star(suffix):
    data = data_of('bn_star')
    [x] = maps(data, 'x_one_positive' if suffix == '_one_positive' else 'x')
    everything = suffix == '_all_elements'
    near(upper_bound(x, all_elements=everything).item(), data[f'upper{suffix}'])
    near(bn_star(x, all_elements=everything)[0], data[f'out{suffix}'])


def test_bn_star_without_positive_values():
    near(upper_bound(torch.zeros(1, 2, 3, 3).double()).item(),
         data_of('bn_star')['upper_no_positive'])


@pytest.mark.parametrize('radius', [1, 2])
@pytest.mark.parametrize('affinity', ['cosine', 'dot'])
def test_match_trans(affinity, radius):
    data = data_of('match_trans')
    current, previous, memory = maps(data, 'cur', 'prev', 'memory')
    coefficients = transformation_coefficients(current, previous, radius, affinity)
    near(transform_memory(coefficients, memory)[0], data[f'aligned_{affinity}_k{radius}'])


def test_match_trans_of_features_with_both_signs():
    data = data_of('match_trans')
    current, previous, memory = maps(data, 'cur_signed', 'prev_signed', 'memory')
    coefficients = transformation_coefficients(current, previous, 2)
    near(transform_memory(coefficients, memory)[0], data['aligned_cosine_signed_k2'])


@pytest.mark.parametrize(('y', 'x'), [(0, 0), (3, 4)])
def test_match_trans_coefficients_of_a_cell(y, x):
    data = data_of('match_trans')
    coefficients = transformation_coefficients(*maps(data, 'cur', 'prev'), 2)[0, :, y, x]
    height, width = data['cur'].shape[1:]
    padded = np.zeros((height + 4, width + 4))
    padded[y:y + 5, x:x + 5] = coefficients.view(5, 5).numpy()
    near(padded[2:-2, 2:-2], data[f'gamma_cosine_k2_at_{y}_{x}'])
    assert padded[2:-2, 2:-2].sum() == pytest.approx(1)


@torch.no_grad()
@pytest.mark.parametrize('variant', VARIANTS)
def test_cell(variant):
    data = data_of('cell')
    kind, options = VARIANTS[variant]
    feat, previous, memory = maps(data, 'feat', 'prev_feat', 'memory')
    [state] = cell_of(data, kind, options)(feat, CellState(previous, memory))
    name = 'new_memory' + variant
    if kind is ConvGRUCell:
        name = 'convgru_new_memory' + variant.removeprefix('_convgru')
    near(state.memory[0], data[name])


@torch.no_grad()
def test_gates_of_a_cell():
    data = data_of('cell')
    feat, previous, memory = maps(data, 'feat', 'prev_feat', 'memory')
    cell = cell_of(data, STMMCell, {})
    inputs = cell.project(feat)
    aligned = cell.align(feat, CellState(previous, memory), inputs.candidate)
    update, reset = cell.gates(inputs, aligned)
    for mine, name in ((aligned, 'aligned'), (update, 'z'), (reset, 'r')):
        near(mine[0], data[name])


@torch.no_grad()
@pytest.mark.parametrize('variant', ['', '_dot', '_unaligned', '_convgru'])
def test_clip(variant):
    data = data_of('clip')
    kind, options = VARIANTS[variant]
    level = LevelMemory(10, 6, dict(type=kind.__name__, **options), bidirectional=True,
                        residual=True).double()
    for side in ('forward', 'backward'):
        setattr(level, f'{side}_cell', cell_of(data, kind, options, f'{side}_'))
    level.reduction = None  # the memories themselves
    feats = torch.from_numpy(data['feats'])
    both = level(feats)
    near(both, data['convgru_both' if variant == '_convgru' else f'both{variant}'])
    for row in range(len(feats)):
        near(level.enhance(feats, row), both[row:row + 1])
    if not variant:
        near(both[:, :6], data['forward'])
        near(both[:, 6:], data['backward'])


@pytest.mark.parametrize('length', [1, 4, 10, 23, 110, 111, 135])
def test_windows(length):
    data = data_of('windows')
    recorded = [[t for t in row if t >= 0] for row in data[f'length_{length}'].tolist()]
    policy = InterleavedWindows(num_frames=11, stride=10)
    windows = [roles['local'] for t in range(length) if (roles := policy.references(t, length))]
    assert sorted(windows, key=lambda window: (window[0] % 10, window)) == recorded


def test_training_window():
    data = data_of('windows')
    drawn = InterleavedWindows(num_samples=7).sample(3, 200, np.random.default_rng(0))
    assert [3, *drawn['local']] == data['train_start_3'].tolist()
