"""Kept location biases: those of the boxes that stand there, and only new pairs computed."""

import pytest
import torch

from mmvod_plugins.models.layers import RelationModule
from mmvod_plugins.models.memories import kept_projections
from mmvod_plugins.models.memories.bias_table import BiasTable
from mmvod_plugins.models.memories.kept_projections import KeptProjections
from mmvod_plugins.structures import ObjectFeatures

ROWS, COLUMNS = 2, 5


class Counted:
    """A relation that counts the pairs whose bias it computes."""

    num_heads = 3

    def __init__(self):
        self.pairs, self.fails = 0, False

    def location_bias(self, boxes, references):
        if self.fails and len(references) > COLUMNS:
            raise RuntimeError('out of memory')
        self.pairs += len(boxes) * len(references)
        pairs = boxes[:, None, 0] + 7 * references[None, :, 0]
        return torch.stack([pairs, 2 * pairs, -pairs])


def boxes_of(frame, count):
    return torch.rand(count, 4, generator=torch.Generator().manual_seed(frame))


def check(table, rows, columns):
    """The bias of frames; the pairs of objects that were computed for it."""
    relation = table._relation
    row_boxes, column_boxes = ([boxes_of(frame, count) for frame in frames]
                               for frames, count in ((rows, ROWS), (columns, COLUMNS)))
    before = relation.pairs
    found = table.update(row_boxes, column_boxes)
    computed = relation.pairs - before
    assert sorted(found.rows) == list(range(len(rows)))
    assert sorted(found.columns) == list(range(len(columns)))
    expected = relation.location_bias(torch.cat([row_boxes[i] for i in found.rows]),
                                      torch.cat([column_boxes[i] for i in found.columns]))
    torch.testing.assert_close(found.values, expected, rtol=0, atol=0)
    return computed


def test_a_frame_that_comes_has_its_row_and_column_computed_alone():
    table = BiasTable(Counted())
    assert check(table, [2, 3, 4], [2, 3, 4, 0, 1]) == 6 * 25
    assert check(table, [3, 4, 5], [3, 4, 5, 1, 2]) == 6 * 5 + 2 * 25
    assert check(table, [3, 4, 5], [5, 4, 3, 2, 1]) == 0  # in another order
    assert check(table, [5, 4, 3], [3, 4, 5, 1, 2]) == 0


@pytest.mark.parametrize('windows', [
    pytest.param([([0, 0, 0, 1], [0, 0, 0, 1]), ([0, 0, 1, 2], [0, 0, 1, 2, 0]),
                  ([0, 1, 2, 2], [0, 1, 2, 2, 0, 0])], id='a frame that stands there often'),
    pytest.param([([t], list(range(t + 1))) for t in range(7)], id='a memory that fills'),
    pytest.param([(list(range(t, 6)), list(range(t, 6))) for t in range(6)],
                 id='a window that ends'),
    pytest.param([([0, 1], [0, 1, 2]), ([3, 4], [5, 6, 7]), ([0, 1], [0, 1, 2])],
                 id='other frames'),
])
def test_any_frames_in_any_order(windows):
    table = BiasTable(Counted())
    for rows, columns in windows:
        check(table, rows, columns)


def test_objects_of_other_numbers_start_anew():
    table = BiasTable(Counted())
    check(table, [0, 1], [0, 1])
    found = table.update([boxes_of(0, 3)], [boxes_of(1, 4), boxes_of(2, 4)])
    assert found.values.shape == (3, 3, 8)


def test_a_table_that_was_left_half_filled_is_not_used():
    table = BiasTable(Counted())
    check(table, [0, 1], [0, 1])
    table._relation.fails = True
    with pytest.raises(RuntimeError):
        check(table, [1, 2], [1, 2])
    table._relation.fails = False
    assert check(table, [1, 2], [1, 2]) == 4 * 10
    assert check(table, [0, 1], [0, 1]) == 4 * 5 + 2 * 10


def test_a_table_made_in_inference_mode_can_be_used_outside_of_it():
    table = BiasTable(Counted())
    with torch.inference_mode():
        check(table, [0, 1], [0, 1])
    with torch.no_grad():
        check(table, [1, 2], [1, 2])


def test_where_a_bias_is_kept(monkeypatch):
    relation = RelationModule(16, num_heads=4).eval()

    def frame(number, count=3, **fields):
        boxes = boxes_of(number, count)
        return ObjectFeatures(boxes, torch.zeros(count, 16), None, torch.full((count, ), number),
                              **fields)

    def is_kept(rows, columns):
        return KeptProjections().step().location_bias(relation, rows, columns) is not None

    with torch.no_grad():
        assert not is_kept([frame(0)], [frame(0)])  # few
        monkeypatch.setattr(kept_projections, 'KEEP_BIAS_FROM', 1)
        assert is_kept([frame(0)], [frame(0), frame(1)])
        assert not is_kept([frame(0), frame(1, 2)], [frame(0)])
        assert not is_kept([frame(0)], [frame(0), frame(1, 2)])
        assert not is_kept([frame(0, 0)], [frame(0)])
        assert not is_kept([frame(0)], [frame(0, valid=torch.ones(3, dtype=torch.bool))])
        with torch.autocast('cpu', torch.bfloat16):
            assert not is_kept([frame(0)], [frame(0)])
        kept = KeptProjections()
        step = kept.step()
        first = step.location_bias(relation, [frame(0)], [frame(0)])
        assert first is not None
        assert step.location_bias(relation, [frame(0)], [frame(1)]) is None  # the first one's table
        kept.write(step)
        assert kept.step()._tables.keys() == {relation}
        kept.write(kept.step())  # a key frame that did not use it
        assert not kept.step()._tables
