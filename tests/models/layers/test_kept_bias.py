"""The kept location bias is the one computed anew, whatever stays, comes or goes."""

import pytest
import torch

from mmvod_plugins.models.layers import FrameBoxes, RelationModule, move_bias

from .test_relation import module_of, objects


def frames(ids, count=3, changed=()):
    """Boxes of frames; those of ``changed`` frames are others than usual."""
    parts = [objects(count if isinstance(count, int) else count[t], seed=t + 99 * (t in changed))[0]
             for t in ids]
    return FrameBoxes(list(ids), [len(part) for part in parts], torch.cat(parts))


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
            anew = module.location_bias(queries.boxes, references.boxes)
            torch.testing.assert_close(kept.bias, anew, rtol=1e-12, atol=1e-12)


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
    before = kept.values.clone()
    first, second = (move_bias(module, frames(range(1, 6)), frames(range(1, 6)), kept)
                     for _ in range(2))
    assert torch.equal(first.values, second.values)
    assert torch.equal(kept.values, before)
    assert first.values.data_ptr() != kept.values.data_ptr()
