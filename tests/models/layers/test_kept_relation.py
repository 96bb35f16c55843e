"""Kept bias and projections are those computed anew, whatever stays, comes or goes."""

import pytest
import torch

from mmvod_plugins.models.aggregators.relation_steps import relate_frames
from mmvod_plugins.models.layers import (
    RelationModule,
    move_bias,
    name_frames,
    project_frames,
    relation,
)
from mmvod_plugins.structures import ObjectFeatures

from .. import literal
from .test_relation import module_of, objects


def frames(ids, count=3, changed=()):
    """Boxes of frames; those of ``changed`` frames are others than usual."""
    parts = [objects(count if isinstance(count, int) else count[t], seed=t + 99 * (t in changed))[0]
             for t in ids]
    return name_frames(list(ids), parts)


def joined(boxes):
    return torch.cat(list(boxes.values()))


def whole(kept, limit=100):
    return torch.cat([portion.clone() for portion in kept.portions(limit)], 1)


def count_pairs(monkeypatch):
    """Note how many pairs of boxes every computation has."""
    found, original = [], RelationModule.location_bias

    def location_bias(self, boxes, references):
        found.append(len(boxes) * len(references))
        return original(self, boxes, references)

    monkeypatch.setattr(RelationModule, 'location_bias', location_bias)
    return found


def check(steps):
    """Every step's bias, given the one before, against one computed anew."""
    module, kept = module_of(), None
    with torch.no_grad():
        for queries, references in steps:
            kept = move_bias(module, queries, references, kept)
            anew = module.location_bias(joined(queries), joined(references))
            torch.testing.assert_close(whole(kept), anew, rtol=1e-12, atol=1e-12)


WINDOWS = {
    'sliding': [range(t, t + 5) for t in range(4)],
    'start of a video': [[max(t + i, 0) for i in range(-3, 4)] for t in range(6)],
    'end of a video': [[min(t + i, 8) for i in range(-3, 4)] for t in range(4, 9)],
    'window and memory': [[*range(t, t + 4), *range(max(t - 3, 0), t)] for t in range(7)],
    'order turned': [range(4), [3, 1, 0, 2]],
    'everything new': [range(4), range(4, 8)],
    'with steps left out': [range(t, t + 5) for t in (0, 3, 4, 1)],
}


@pytest.mark.parametrize('windows', WINDOWS.values(), ids=WINDOWS)
def test_a_moved_bias_is_the_one_computed_anew(windows):
    check([(frames(ids, count=2), frames(ids)) for ids in windows])


def test_frames_with_few_objects_and_none():
    counts = [3, 0, 1, 2, 3, 0, 3, 1]
    check([(frames(range(t, t + 4), counts), frames(range(t, t + 4), counts)) for t in range(5)])


def test_a_frame_with_other_boxes_is_computed_anew():
    check([(frames(range(4)), frames(range(4))),
           (frames(range(4), changed=(1, )), frames(range(4), changed=(2, ))),
           (frames(range(4), count=2), frames(range(4)))])


@torch.no_grad()
def test_only_what_is_new_is_computed(monkeypatch):
    """Frames 1-4 stay of 0-4: two rows each against three columns of frame 5, and its own rows."""
    module = module_of()
    kept = move_bias(module, frames(range(5), count=2), frames(range(5)), None)
    pairs = count_pairs(monkeypatch)
    move_bias(module, frames(range(1, 6), count=2), frames(range(1, 6)), kept)
    assert pairs == [8 * 3, 2 * 15]


@torch.no_grad()
def test_the_bias_of_the_step_before_stays_as_it_is():
    module = module_of()
    kept = move_bias(module, frames(range(5)), frames(range(5)), None)
    before = whole(kept)
    first, second = (move_bias(module, frames(range(1, 6)), frames(range(1, 6)), kept)
                     for _ in range(2))
    assert torch.equal(whole(first), whole(second))
    assert torch.equal(whole(kept), before)


@torch.no_grad()
def test_what_left_is_not_held():
    module, kept = module_of(), None
    for t in range(6):
        kept = move_bias(module, frames(range(t, t + 4), count=2), frames(range(t, t + 4)), kept)
        held = {part.untyped_storage().data_ptr(): part.untyped_storage().nbytes()
                for part in kept.blocks.values()}
        assert sum(held.values()) == 8 * 12 * module.num_heads * 8


@torch.no_grad()
@pytest.mark.parametrize('limit', [1, 2, 5, 6, 100])
def test_portions_give_the_whole(limit):
    """Frames of 3, 0, 1, 2 and 3 rows; a portion has whole frames, at least one."""
    counts = [3, 0, 1, 2, 3]
    kept = move_bias(module_of(), frames(range(5), counts), frames(range(4)), None)
    sizes = [portion.shape[1] for portion in kept.portions(limit)]
    assert all(size <= max(limit, 3) for size in sizes)
    assert torch.equal(whole(kept, limit), whole(kept))


# Projections -------------------------------------------------------------------------------------


def feats_of(ids, seed=0):
    return [objects(3, seed=seed + t)[1] for t in ids]


def count_rows(monkeypatch):
    """Note how many rows every projection has."""
    found, original = [], RelationModule.project

    def project(self, references):
        found.append(len(references))
        return original(self, references)

    monkeypatch.setattr(RelationModule, 'project', project)
    return found


@torch.no_grad()
def test_kept_projections_are_those_computed_anew():
    module, kept, remembered = module_of(), [], []
    for t in range(6):
        changing = feats_of(range(4), seed=50 + 10 * t)
        projected, kept = project_frames(module, changing, remembered, kept)
        anew = module.project(torch.cat([*changing, *remembered]))
        torch.testing.assert_close(projected, anew, rtol=1e-12, atol=1e-12)
        remembered = [*remembered, changing[0].clone()][-3:]


@torch.no_grad()
def test_a_remembered_frame_is_projected_once(monkeypatch):
    rows, module = count_rows(monkeypatch), module_of()
    first, second, third = feats_of(range(3))
    _, kept = project_frames(module, feats_of([7, 8]), [first, second], [])
    _, kept = project_frames(module, feats_of([7, 8]), [second, third], kept)
    _, kept = project_frames(module, [], [second, third], kept)
    assert rows == [12, 9]
    assert len(kept) == 2


@torch.no_grad()
def test_another_tensor_is_projected_though_it_is_equal(monkeypatch):
    """The very tensor counts: nobody compares features."""
    rows, module = count_rows(monkeypatch), module_of()
    [feats] = feats_of([0])
    _, kept = project_frames(module, [], [feats], [])
    project_frames(module, [], [feats.clone()], kept)
    assert rows == [3, 3]


# Both, in a stream -------------------------------------------------------------------------------


def frame(t, count=3, seed=0):
    boxes, feats = objects(count, seed=seed + t)
    return ObjectFeatures(boxes, feats, torch.zeros(count), torch.full((count, ), t))


@torch.no_grad()
@pytest.mark.parametrize('portion', [1, 6 * 10**6])
@pytest.mark.parametrize('with_frames', [True, False], ids=['frames', 'key alone'])
def test_a_step_equals_the_literal_relation(portion, with_frames, monkeypatch):
    monkeypatch.setattr(relation, 'PORTION', portion)
    module, kept, remembered = module_of(), None, []
    for t in range(6):
        window = [frame(t + i) for i in range(4)]
        frames_ = [part.top(2) for part in window] if with_frames else []
        found, kept = relate_frames(module, frame(t, 5, seed=90), frames_, window, remembered, kept)
        queries = ObjectFeatures.cat([frame(t, 5, seed=90), *frames_])
        expected = literal.enhance(module, queries, ObjectFeatures.cat([*window, *remembered]))
        torch.testing.assert_close(found.feats, expected.feats, rtol=1e-9, atol=1e-9)
        remembered = [*remembered, window[0].clone()][-3:]
