"""The write rule of the object guided memory, its bounds, and what must not corrupt it."""

import copy

import pytest
import torch

from mmvod_plugins.models.memories import (
    Detections,
    InstanceMemory,
    ObjectGuidedMemory,
    WriteRule,
    box_cells,
    outstanding_cells,
)

GRID, STRIDE, CHANNELS = (4, 5), 8, 6
CELLS = GRID[0] * GRID[1]
#: Two cells, one cell.
WIDE, SMALL = (0.0, 0.0, 15.0, 7.0), (16.0, 8.0, 23.0, 15.0)


def feats_of(seed=0):
    return torch.randn(CELLS, CHANNELS, generator=torch.Generator().manual_seed(seed))


def found_of(*rows):
    """Detections from (box, score, label)."""
    boxes, scores, labels = zip(*rows, strict=True) if rows else ((), (), ())
    return Detections(torch.tensor(boxes).view(-1, 4), torch.tensor(scores), torch.tensor(labels))


def write(memory, frame_id, *rows, attention=None, feats=None):
    """Write a frame in which no memory object looks at anything, unless said."""
    if attention is None:
        attention = torch.zeros(len(memory.objects), CELLS)
    return memory.write(frame_id, feats_of(frame_id) if feats is None else feats, GRID, STRIDE,
                        attention, found_of(*rows))


def looks_at(memory, *boxes):
    """Attention of every object, spread over the cells of a box; None: over no cell."""
    rows = [torch.zeros(CELLS) if box is None else
            part.num_rows * cells.float() / cells.sum()
            for part, box in zip(memory.objects, boxes, strict=True)
            for cells in [box_cells(torch.tensor([box or WIDE]), GRID, STRIDE)[0].flatten()]]
    return torch.stack(rows)


def test_rows_are_those_of_the_boxes_in_falling_order_of_their_scores():
    memory = ObjectGuidedMemory()
    assert write(memory, 3, (SMALL, 0.92, 1), (WIDE, 0.97, 0), (WIDE, 0.5, 2)) == [1, 0]
    assert torch.equal(memory.read()[0], feats_of(3)[[0, 1, 7]])
    assert [(part.frame_id, part.label, part.num_rows) for part in memory.objects] == [
        (3, 0, 2), (3, 1, 1)]
    assert memory.objects[0].box == WIDE
    assert len(memory) == 3


@pytest.mark.parametrize(('score', 'label', 'stored', 'left'), [
    (0.95, 1, True, [0.95]),  # better: it replaces the similar one
    (0.92, 1, False, [0.93]),  # similar and worse
    (0.93, 1, False, [0.93]),  # not better
    (0.92, 2, True, [0.93, 0.92]),  # of another class
    (0.9, 2, False, [0.93])])  # not above tau
def test_table_of_a_similar_object(score, label, stored, left):
    memory = ObjectGuidedMemory()
    write(memory, 0, (WIDE, 0.93, 1))
    # float32 scores as a detector gives them
    assert write(memory, 1, (WIDE, score, label), attention=looks_at(memory, WIDE)) == (
        [0] if stored else [])
    assert [round(part.score, 4) for part in memory.objects] == left


def test_a_dissimilar_object_of_the_class_is_added():
    memory = ObjectGuidedMemory()
    write(memory, 0, (WIDE, 0.99, 1))
    assert write(memory, 1, (WIDE, 0.91, 1), attention=looks_at(memory, SMALL)) == [0]
    assert len(memory.objects) == 2


@pytest.mark.parametrize('per_row', [False, True])
def test_a_small_box_in_the_focus_of_a_large_object(per_row):
    """Eq. 8 divides by the cells of the box: half of the attention of two rows is one of one."""
    memory = ObjectGuidedMemory(WriteRule(per_row=per_row, similarity_thr=0.6))
    write(memory, 0, (WIDE, 0.93, 1))
    attention = looks_at(memory, WIDE)
    write(memory, 1, ((0.0, 0.0, 7.0, 7.0), 0.95, 1), attention=attention)
    assert len(memory.objects) == (2 if per_row else 1)


def test_new_objects_are_not_compared_with_each_other():
    memory = ObjectGuidedMemory()
    assert write(memory, 0, *[(WIDE, 0.95, 1)] * 3) == [0, 1, 2]
    assert len(memory.objects) == 3


def test_the_worst_of_a_full_class_leaves_and_the_oldest_of_equals():
    memory = ObjectGuidedMemory(WriteRule(max_per_class=2))
    for frame_id, score in enumerate((0.95, 0.95, 0.93, 0.95)):
        write(memory, frame_id, (SMALL, score, 1), (SMALL, 0.92, 0))
    assert [part.frame_id for part in memory.objects if part.label == 1] == [1, 3]
    assert [part.frame_id for part in memory.objects if part.label == 0] == [2, 3]
    assert len(memory) == 4


def test_features_without_object_stay_until_others_replace_them():
    memory = ObjectGuidedMemory()
    write(memory, 0, (WIDE, 0.5, 0))
    first = feats_of(0)[outstanding_cells(feats_of(0))]
    assert torch.equal(memory.read()[0], first)
    write(memory, 1, (SMALL, 0.95, 0))
    assert [len(block) for block in memory.read()] == [1, len(first)]
    assert memory.sizes == [1]
    write(memory, 2)
    assert torch.equal(memory.read()[1], feats_of(2)[outstanding_cells(feats_of(2))])
    assert len(memory.objects) == 1


def test_equal_norms_do_not_stand_out():
    assert not outstanding_cells(torch.full((7, 3), 0.1)).any()
    assert not outstanding_cells(torch.zeros(1, 3)).any()
    assert outstanding_cells(torch.zeros(0, 3)).shape == (0, )


def test_nothing_is_copied_or_changed_when_nothing_is_stored():
    memory = ObjectGuidedMemory()
    write(memory, 0, (WIDE, 0.99, 1))
    rows = memory.read()[0]
    write(memory, 1, (WIDE, 0.95, 1), attention=looks_at(memory, WIDE))
    assert memory.read()[0] is rows


def test_rows_do_not_alias_what_was_written():
    memory, feats = ObjectGuidedMemory(), feats_of().requires_grad_()
    write(memory, 0, (WIDE, 0.99, 1), feats=feats)
    before = memory.read()[0].clone()
    with torch.no_grad():
        feats.zero_()
    assert torch.equal(memory.read()[0], before)
    assert not memory.read()[0].requires_grad


# Bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
@pytest.mark.parametrize('row', [(WIDE, 0.99, 1), (WIDE, 0.1, 1)], ids=['object', 'none'])
def test_a_frame_that_is_not_finite_changes_nothing(bad, row):
    memory = ObjectGuidedMemory()
    write(memory, 0)
    write(memory, 1, (WIDE, 0.95, 1))
    before = copy.deepcopy(vars(memory))
    feats = feats_of(2)
    feats[19, 0] = bad
    for frame_id in (2, 3):
        assert write(memory, frame_id, row, feats=feats) == []
    assert memory.skipped == 2
    for block, expected in zip(memory.read(), (before['_rows'], before['_irrelevant']),
                               strict=True):
        assert torch.equal(block, expected)
    assert memory.objects == before['objects']


@pytest.mark.parametrize('row', [
    ((float('nan'), 0.0, 9.0, 9.0), 0.99, 1), ((0.0, 0.0, float('inf'), 9.0), 0.99, 1),
    (WIDE, float('nan'), 1)])
def test_detections_that_are_not_finite_do_not_count(row):
    memory = ObjectGuidedMemory()
    assert write(memory, 0, row) == []
    assert memory.objects == []
    assert write(memory, 1, row, (SMALL, 0.95, 1)) == [1]


@pytest.mark.parametrize(('box', 'cell'), [
    ((1000.0, 1000.0, 1100.0, 1100.0), 19), ((-90.0, -90.0, -50.0, -50.0), 0),
    ((-90.0, 9.0, -50.0, 10.0), 5), ((17.0, 9.0, 18.0, 10.0), 7), ((30.0, 30.0, 2.0, 2.0), 12)],
                         ids=['beyond', 'before', 'beside', 'tiny', 'turned over'])
@pytest.mark.parametrize('rule', ['center', 'cover', 'round'])
def test_a_box_without_cells_has_the_nearest_one(box, cell, rule):
    mask = box_cells(torch.tensor([box]), GRID, STRIDE, rule)[0].flatten()
    assert mask.nonzero().flatten().tolist() == [cell]


def test_thousands_of_identical_detections_keep_to_the_limit():
    memory = ObjectGuidedMemory()
    for frame_id in range(3):
        assert len(write(memory, frame_id, *[(WIDE, 0.95, label) for label in (0, 1)] * 2000)
                   ) == 4000
        assert len(memory.objects) == 20
        assert len(memory) == 40
    assert {part.frame_id for part in memory.objects} == {2}


def test_a_step_of_another_memory_is_refused():
    memory = ObjectGuidedMemory()
    write(memory, 0, (WIDE, 0.95, 1))
    with pytest.raises(ValueError, match=r'frame 1: the attention is \(0, 20\), expected 1 obj'):
        write(memory, 1, attention=torch.zeros(0, CELLS))


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(cells='middle'), "write_rule.cells is 'middle', expected one of"),
    (dict(better_than='some'), "write_rule.better_than is 'some'"),
    (dict(max_per_class=0), 'write_rule.max_per_class is 0, expected 1 or more')])
def test_impossible_rules_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        WriteRule(**settings)


# Instance memory ---------------------------------------------------------------------------------


def test_instances_are_replaced_as_a_whole_every_ten_frames():
    memory, held = InstanceMemory(), []
    assert memory.read() == []
    for frame_id in range(25):
        memory.write(frame_id, torch.full((3, 2), float(frame_id)))
        held.append(int(memory.read()[0][0, 0]))
    assert held == [0] * 10 + [10] * 10 + [20] * 5
    assert len(memory) == 3


def test_instances_of_a_bad_or_empty_frame_are_not_remembered():
    memory = InstanceMemory(interval=1)
    assert memory.write(0, torch.ones(2, 3))
    assert not memory.write(1, torch.full((2, 3), float('nan')))
    assert not memory.write(2, torch.zeros(0, 3))
    assert torch.equal(memory.read()[0], torch.ones(2, 3))
    assert memory.write(3, torch.zeros(2, 3))


def test_a_memory_may_start_in_the_middle_of_a_video():
    memory = InstanceMemory()
    assert [t for t in range(5, 40) if memory.write(t, torch.ones(1, 1))] == [5, 15, 25, 35]


def test_a_box_without_area_covers_the_cell_of_its_centre_alone():
    mask = box_cells(torch.tensor([[0., 9., 40., 9.], [0., 9., 40., 9.5]]), (5, 5), 8, 'cover')
    assert mask.flatten(1).sum(1).tolist() == [1, 5]


def test_cells_stand_out_in_half_precision_too():
    feats = torch.full((6, 64), 2.0)
    feats[4] = 9000.0  # its norm is beyond half precision
    assert outstanding_cells(feats.half()).tolist() == outstanding_cells(feats).tolist()
    assert outstanding_cells(feats.half()).nonzero()[:, 0].tolist() == [4]


def test_objects_that_are_not_finite_are_not_remembered_and_counted():
    memory = InstanceMemory()
    assert not memory.write(0, torch.tensor([[float('nan')]]))
    assert memory.skipped == 1
    assert memory.read() == []
    assert memory.write(1, torch.ones(2, 1))
