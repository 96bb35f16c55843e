"""Pairs of overlapping boxes against the whole matrix of overlaps."""

import numpy as np
import pytest

from mmvod_plugins.postprocessing import overlapping_pairs as module
from mmvod_plugins.postprocessing.overlapping_pairs import overlapping_pairs
from mmvod_plugins.structures.boxes import pairwise_iou


@pytest.mark.parametrize('block', [1, 50, 1 << 16])
@pytest.mark.parametrize('pixel_offset', [0.0, 1.0])
def test_pairs_are_those_of_the_whole_matrix(block, pixel_offset, monkeypatch):
    monkeypatch.setattr(module, 'BLOCK_PAIRS', block)
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 20, (30, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(-2, 20, (30, 2))], axis=1)
    ends = np.array([0, 4, 4, 15, 21, 30])
    groups = np.column_stack([ends[:-1], ends[1:]])
    for first, second in ((groups, groups), (groups[:-1], groups[1:])):
        pairs = overlapping_pairs(boxes, first, second, 0.3, pixel_offset)
        near = pairwise_iou(boxes, boxes, pixel_offset) >= 0.3
        expected = [(i, j) for (a, b), (c, d) in zip(first, second, strict=True)
                    for j in range(c, d) for i in range(a, b) if near[i, j]]
        assert pairs.tolist() == [list(pair) for pair in expected]


def test_no_groups_have_no_pairs():
    none = np.zeros((0, 2), dtype=np.int64)
    assert overlapping_pairs(np.zeros((0, 4)), none, none, 0.5).shape == (0, 2)
