"""Read and write operations of OGEMN's memories, compared with recorded numbers."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from mmvod_plugins.models.layers import MemoryRead
from mmvod_plugins.models.memories import (
    Detections,
    MemoryObject,
    ObjectGuidedMemory,
    WriteRule,
    box_cells,
    object_similarity,
    outstanding_cells,
)

from . import golden
from .test_stmn import near


def every_case(pattern):
    """A test over every file of a subject."""
    return pytest.mark.parametrize('path', golden.cases(f'papers/ogemn/{pattern}*.npz'))


def tensors(data, *names):
    return [torch.from_numpy(data[name]) for name in names]


def read_of(data, path):
    """A read with the recorded weights, those of heads or of one."""
    shared = [path.with_name(path.name.replace('sharp', 'init')),
              path.with_name('read_heads_init.npz')]
    weights = data if 'w_k' in data else golden.load(next(filter(Path.exists, shared)))
    w_k, w_q = tensors(weights, 'w_k', 'w_q')
    heads, width, channels = w_k.shape if w_k.dim() == 3 else (1, *w_k.shape)
    read = MemoryRead(channels, heads, width).double().eval()
    read.temperature.data.fill_(float(data['temperature']))
    read.key.weight.data, read.query.weight.data = w_k.flatten(0, -2), w_q.flatten(0, -2)
    if 'w_v' in weights:  # one head has the identity
        read.value.weight.data = torch.from_numpy(weights['w_v']).flatten(0, 1)
    return read


@torch.no_grad()
@pytest.mark.parametrize('step', [1, 1000])
@every_case('read_')
def test_read(path, step, monkeypatch):
    monkeypatch.setattr('mmvod_plugins.models.layers.memory_read.WEIGHTS_AT_ONCE', step)
    data = golden.load(path)
    read, [memory] = read_of(data, path), tensors(data, 'memory')
    [x] = tensors(data, 'x' if 'x' in data else 'feature_map')
    grid = x.shape[1:] if x.dim() == 3 else None
    found = read(x.flatten(1).T if grid else x, [memory], [1] * len(memory))
    if grid:
        near(path, 'enhanced', found.feats.T.unflatten(1, grid), data['enhanced'])
        near(path, 'weights_mean', found.attention, data['weights_mean'])
    else:
        near(path, 'y', found.feats, data['y'])
        near(path, 'weights', found.attention, data['weights'])
    near(path, 'theta', found.theta, data['theta'])
    near(path, 'beta', found.beta, data['beta'])
    if 'weights_head0' in data:
        one = MemoryRead(len(data['w_k'][0, 0]), 1, data['w_k'].shape[1], read.temperature.item())
        one.double().load_state_dict({**one.state_dict(), **{
            f'{part}.weight': getattr(read, part).weight[:data['w_k'].shape[1]]
            for part in ('key', 'query')}})
        near(path, 'weights_head0', one(x.flatten(1).T, [memory], [1] * len(memory)).attention,
             data['weights_head0'])


@every_case('box_cells')
def test_box_cells(path):
    data = golden.load(path)
    for name in (name for name in data if name.startswith('mask_')):
        found = box_cells(torch.from_numpy(data['boxes']), tuple(data['grid'].tolist()),
                          float(data['stride']), name.removeprefix('mask_'))
        assert np.array_equal(found.numpy(), data[name]), name
    golden.note(golden.case_name(path), 'equal')


@every_case('l2_select')
def test_outstanding_cells(path):
    data = golden.load(path)
    found = outstanding_cells(torch.from_numpy(data['x']))
    assert np.array_equal(found.numpy(), data['mask'])
    golden.note(golden.case_name(path), 'equal')


def remembered(rule, rows, sizes, labels, scores):
    """A memory with the given objects."""
    memory = ObjectGuidedMemory(rule)
    memory.objects = [MemoryObject(-1, int(label), float(score), (0.0, ) * 4, int(size))
                      for size, label, score in zip(sizes, labels, scores, strict=True)]
    memory._rows = torch.as_tensor(rows)
    return memory


@every_case('object_similarity')
def test_object_similarity(path):
    data = golden.load(path)
    weights, rows, cells = tensors(data, 'weights', 'rows', 'cells')
    mask = torch.zeros(1, weights.shape[1], dtype=torch.bool)
    mask[0, cells] = True
    attention = weights[rows].sum(0, keepdim=True)
    near(path, 'd_printed', object_similarity(attention, mask)[0, 0], data['d_printed'])
    near(path, 'd_mass', object_similarity(attention, mask, [len(rows)])[0, 0], data['d_mass'])
    assert max(len(rows) / float(data['n']), 0.47) == pytest.approx(float(data['threshold']))


@every_case('write_')
def test_write(path):
    data = golden.load(path)
    weights, enhanced, rows, box, label, score = tensors(
        data, 'weights', 'enhanced', 'memory_rows', 'box', 'label', 'score')
    grid, sizes = tuple(data['grid'].tolist()), data['object_rows'].tolist()
    attention = torch.stack([part.sum(0) for part in weights.split(sizes)])
    readings = [name.removeprefix('stored') for name in data if name.startswith('stored')]
    for suffix in readings:
        rule = WriteRule(better_than='all' if suffix == '_all' else 'any')
        memory = remembered(rule, rows, sizes, data['object_labels'], data['object_qualities'])
        if 'd' in data:
            cells = box_cells(box[None], grid, 16).flatten(1)
            same = data['object_labels'] == data['label']
            near(path, 'd', object_similarity(attention, cells)[0][same], data['d'])
        stored = memory.write(7, enhanced, grid, 16, attention,
                              Detections(box[None], score[None], label[None]))
        assert stored == [0] * int(data[f'stored{suffix}'])
        near(path, f'memory_after{suffix}', memory.read()[0], data[f'memory_after{suffix}'])
        assert [part.score for part in memory.objects] == data[
            f'qualities_after{suffix}'].tolist()


@torch.no_grad()
@pytest.mark.parametrize('path', [  # the video is too large for the bundled set
    case for case in golden.cases('papers/ogemn/*.npz')
    if re.match('video|key_frames', case.values[0].name)])
def test_video(path):
    """Every read, every decision, and the memory after every frame."""
    data = golden.load(path)
    read = read_of(data, path)
    memory = ObjectGuidedMemory(WriteRule(float(data['tau']), float(data['alpha']),
                                          int(data['max_objects'])))
    largest = max(data[name].shape[1:] for name in data if name.endswith('_map'))
    for t in range(int(data['num_frames'])):
        [feat, boxes, labels, scores] = tensors(
            data, *(f'f{t}_{name}' for name in ('map', 'boxes', 'labels', 'scores')))
        grid, x = tuple(feat.shape[1:]), feat.flatten(1).T
        step = read(x, memory.read(), memory.sizes)
        assert step.feats is x or len(memory)
        near(path, f'f{t}_enhanced', step.feats.T.unflatten(1, grid), data[f'f{t}_enhanced'])
        stored = []
        if grid == largest:  # smaller maps are those of frames that are not remembered
            stored = memory.write(t, step.feats, grid, float(data['stride']), step.attention,
                                  Detections(boxes, scores, labels))
        assert stored == data[f'f{t}_stored'].tolist()
        rows = torch.cat(memory.read()) if len(memory) else x[:0]
        near(path, f'f{t}_memory', rows, data[f'f{t}_memory'])
        objects = [(part.frame_id, part.label, part.score, part.num_rows)
                   for part in memory.objects]
        np.testing.assert_array_equal(np.reshape(objects, (-1, 4)), data[f'f{t}_objects'])
        assert memory.num_irrelevant == data[f'f{t}_irrelevant_rows']


def test_every_file_has_a_test():
    known = re.compile(r'(read_|box_cells|l2_select|object_similarity|write_|video|key_frames)')
    assert all(known.match(path.name) for path in golden.find('papers/ogemn/*.npz'))
