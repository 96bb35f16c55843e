"""YOLOV: which references count."""

import pytest
import torch

from mmvod_plugins.models.aggregators.yolov import other_frames
from mmvod_plugins.structures import ObjectFeatures


def frame(number, count=2):
    return ObjectFeatures(torch.rand(count, 4), torch.rand(count, 3), None,
                          torch.full((count, ), number))


@pytest.mark.parametrize(('key', 'counts', 'expected'), [
    (frame(4), {3: 2, 4: 2, 5: 1}, [3, 5]),
    (frame(4), {4: 2}, []),
    (frame(4), {3: 0, 5: 1}, [5]),  # a frame without objects has nothing to give
    (frame(4, 0), {4: 2, 5: 1}, [4, 5]),  # nothing of it can count twice
    (frame(4), {}, []),
])
def test_the_key_frame_is_not_its_own_reference(key, counts, expected):
    frames = [frame(number, count) for number, count in counts.items()]
    found = other_frames(key, frames)
    assert [int(other.frame_ids[0]) for other in found] == expected
    assert all(any(other is one for one in frames) for other in found)
