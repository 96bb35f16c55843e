"""MatchTrans, BN*, cells, clips and windows of STMN, compared with recorded numbers."""

import re

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
from mmvod_plugins.models.layers.recurrent_level import RecurrentLevel
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


#: Names of weights, of one direction or both.
WEIGHTS = re.compile(r'(forward_|backward_)?[wbu](_[zr])?$')
INPUTS = {'x', 'x_one_positive', 'cur', 'prev', 'memory', 'cur_signed', 'prev_signed', 'feat',
          'prev_feat', 'feats'}


def near(path, name, mine, recorded):
    """Compare with the tolerance of the data's README, and remember the error."""
    mine = np.asarray(mine)
    assert mine.shape == np.shape(recorded), name
    golden.note(f'{golden.case_name(path)} {name}',
                f'off by {np.abs(mine - recorded).max(initial=0):.1e}, rtol 1e-8')
    np.testing.assert_allclose(mine, recorded, rtol=1e-8, atol=1e-9, err_msg=name)


def every_case(pattern):
    """A test over every file of a subject."""
    return pytest.mark.parametrize('path', golden.cases(f'papers/stmn/{pattern}*.npz'))


def outputs_of(data):
    """Names of the recorded results: a name that no test knows fails there."""
    return sorted(name for name in data if name not in INPUTS and not WEIGHTS.match(name))


def maps(data, *names):
    """Arrays (C, H, W) as maps (1, C, H, W)."""
    return [torch.from_numpy(data[name])[None] for name in names]


def cell_of(data, kind, options, prefix=''):
    """A cell with the recorded weights."""
    channels, size = data[f'{prefix}w'].shape[:2]
    cell = kind(size, channels, **options).double()
    state = {}
    for name in ('w_z', 'w_r', 'w'):
        state[f'{name}.weight'] = data[f'{prefix}{name}']
        state[f'{name}.bias'] = data[f'{prefix}{name.replace("w", "b")}']
    for name in ('u_z', 'u_r', 'u'):
        state[f'{name}.weight'] = data[f'{prefix}{name}']
    cell.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    return cell


@every_case('bn_star')
def test_bn_star(path):
    data = golden.load(path)
    for name in outputs_of(data):
        kind, _, suffix = name.partition('_')
        everything = suffix == 'all_elements'
        x = torch.zeros(1, 2, 3, 3).double()
        if suffix != 'no_positive':
            [x] = maps(data, 'x_one_positive' if suffix == 'one_positive' else 'x')
        found = (upper_bound(x, all_elements=everything).flatten()[0] if kind == 'upper' else
                 bn_star(x, all_elements=everything)[0])
        near(path, name, found, data[name])


@every_case('match_trans')
def test_match_trans(path):
    data = golden.load(path)
    for name in outputs_of(data):
        affinity, signed, radius, y, x = re.fullmatch(
            r'(?:aligned|gamma)_(cosine|dot)(_signed)?_k(\d+)(?:_at_(\d+)_(\d+))?', name).groups()
        current, previous = maps(data, f'cur{signed or ""}', f'prev{signed or ""}')
        [memory] = maps(data, 'memory')
        coefficients = transformation_coefficients(current, previous, int(radius), affinity)
        if y is None:
            near(path, name, transform_memory(coefficients, memory)[0], data[name])
        else:
            near(path, name, spread(coefficients, int(radius), int(y), int(x)), data[name])


def spread(coefficients, radius, y, x):
    """The weights of one output cell, as a map (H, W)."""
    height, width = coefficients.shape[2:]
    size = 2 * radius + 1
    padded = np.zeros((height + 2 * radius, width + 2 * radius))
    padded[y:y + size, x:x + size] = coefficients[0, :, y, x].view(size, size).numpy()
    inside = padded[radius:height + radius, radius:width + radius]
    assert inside.sum() == pytest.approx(1)
    return inside


@torch.no_grad()
@every_case('cell')
def test_cell(path):
    data = golden.load(path)
    feat, previous, memory = maps(data, 'feat', 'prev_feat', 'memory')
    cell = cell_of(data, STMMCell, {})
    aligned = cell.alignment(feat, previous, memory)
    update, reset = cell.gates(cell.project(feat), aligned)
    parts = {'aligned': aligned, 'z': update, 'r': reset}
    for name in outputs_of(data):
        if name not in parts:
            gru, suffix = re.fullmatch(r'(convgru_)?new_memory(\w*)', name).groups()
            kind, options = VARIANTS[f'_convgru{suffix}' if gru else suffix]
            [state] = cell_of(data, kind, options)(feat, CellState(previous, memory))
            parts[name] = state.memory
        near(path, name, parts[name][0], data[name])


@torch.no_grad()
@every_case('clip')
def test_clip(path):
    data = golden.load(path)
    for name in outputs_of(data):
        side, suffix = re.fullmatch(r'(forward|backward|both|convgru_both)(\w*)', name).groups()
        variant = '_convgru' + suffix if side == 'convgru_both' else suffix
        both = memories(data, *VARIANTS[variant])
        channels = both.shape[1] // 2
        part = {'forward': both[:, :channels], 'backward': both[:, channels:]}.get(side, both)
        near(path, name, part, data[name])


def memories(data, kind, options):
    """The memories of a clip in both directions, all at once and frame by frame alike."""
    channels, size = data['forward_w'].shape[:2]
    level = RecurrentLevel(size, channels, dict(type=kind.__name__, **options), bidirectional=True,
                        residual=True).double()
    for side in ('forward', 'backward'):
        setattr(level, f'{side}_cell', cell_of(data, kind, options, f'{side}_'))
    level.reduction = None  # the memories themselves
    feats = torch.from_numpy(data['feats'])
    both = level(feats)
    for row in range(len(feats)):
        torch.testing.assert_close(level.enhance(feats, row), both[row:row + 1],
                                   rtol=1e-8, atol=1e-9)
    return both


@every_case('windows')
def test_windows(path):
    data = golden.load(path)
    for name, rows in data.items():
        kind, number = re.fullmatch(r'(length|train_start)_(\d+)', name).groups()
        if kind == 'train_start':
            policy = InterleavedWindows(num_samples=len(rows))
            drawn = policy.sample(int(number), 1000, np.random.default_rng(0))['window']
            assert [int(number), *drawn] == rows.tolist()
            continue
        policy, length = InterleavedWindows(num_frames=rows.shape[1], stride=10), int(number)
        windows = [roles['window'] for t in range(length)
                   if (roles := policy.frames(t, length))]
        ordered = sorted(windows, key=lambda window: (window[0] % 10, window))
        assert ordered == [[t for t in row if t >= 0] for row in rows.tolist()]
    golden.note(golden.case_name(path), 'equal')
