"""References from the past alone, for online detection and live input."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from mmdet.registry import TASK_UTILS

from .base import ReferencePolicy, Roles, draw_offsets, video_rng
from .local_window import LocalWindow


@TASK_UTILS.register_module()
class CausalWindow(LocalWindow):
    """The last ``num_frames`` frames, the key frame included (online MEGA: ``[t - 24, t]``).

    Args:
        num_frames: Frames in the window.
        num_samples: Training references, distinct offsets of the window.
        sample_key: Whether the key frame comes before those drawn.
        role: Name under which the model receives the frames.
    """

    def __init__(self,
                 num_frames: int = 25,
                 *,
                 num_samples: int = 2,
                 sample_key: bool = False,
                 role: str = 'local') -> None:
        super().__init__((num_frames - 1, 0),
                         num_samples=num_samples, sample_key=sample_key, role=role)


@TASK_UTILS.register_module()
class GlobalReservoir(ReferencePolicy):
    """A seeded random sample of all previous frames, of bounded size (online MEGA).

    Every frame has a random priority; the reservoir holds the ``num_frames`` largest of the past,
    which is a uniform sample without replacement, and a frame that left never comes back. The
    first key frame has no past and looks at itself.

    Args:
        num_frames: Size of the reservoir.
        seed: Seed of the priorities; the video's id enters too.
        num_samples: Training references, distinct frames of the past.
        role: Name under which the model receives the frames.
    """

    def __init__(self,
                 num_frames: int = 10,
                 *,
                 seed: int = 0,
                 num_samples: int = 2,
                 role: str = 'global') -> None:
        super().__init__()
        if num_frames < 1:
            raise ValueError(f'num_frames must be at least 1, got {num_frames}')
        self.num_frames = num_frames
        self.seed = seed
        self.num_samples = num_samples
        self.role = role

    def sample(self, key_id: int, video_length: int, rng: np.random.Generator) -> Roles:
        """Distinct frames of the past; the first key frame draws itself."""
        return {self.role: draw_offsets(0, max(key_id - 1, 0), self.num_samples, rng)}

    def references(self, key_id: int, video_length: int, video_id: Hashable = 0) -> Roles:
        """The reservoir of the past; the first key frame itself."""
        return {self.role: reservoir(self.seed, video_id, self.num_frames, key_id) or [key_id]}

    def still_needed(self, frame_id: int, next_key: int, video_id: Hashable = 0) -> bool:
        """Frames in the reservoir, and those not yet offered to it."""
        held = reservoir(self.seed, video_id, self.num_frames, next_key)
        return frame_id >= next_key - 1 or frame_id in held


_BLOCK = 256
#: Last reservoirs asked for, to go on from there: a memo of a pure function.
_recent: dict[tuple, tuple[int, list[tuple[float, int]]]] = {}


def reservoir(seed: int, video_id: Hashable, size: int, end: int) -> list[int]:
    """The ``size`` frames below ``end`` with the largest priorities, ascending."""
    memo = (seed, video_id, size)
    done, held = _recent.get(memo, (0, []))
    if done > end:
        done, held = 0, []
    for frame_id in range(done, end):
        held = sorted([*held, (_priority(seed, video_id, frame_id), frame_id)])[-size:]
    _recent.pop(memo, None)
    _recent[memo] = end, held
    while len(_recent) > 64:
        _recent.pop(next(iter(_recent)))
    return sorted(frame_id for _, frame_id in held)


def _priority(seed: int, video_id: Hashable, frame_id: int) -> float:
    return _priorities(seed, video_id, frame_id // _BLOCK)[frame_id % _BLOCK]


_blocks: dict[tuple, list[float]] = {}


def _priorities(seed: int, video_id: Hashable, block: int) -> list[float]:
    memo = (seed, video_id, block)
    if memo not in _blocks:
        while len(_blocks) > 64:
            _blocks.pop(next(iter(_blocks)))
        _blocks[memo] = video_rng(seed, f'{video_id}/{block}').random(_BLOCK).tolist()
    return _blocks[memo]


