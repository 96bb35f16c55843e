"""Random transforms shared by all frames of a clip."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from mmcv.transforms import TransformBroadcaster
from mmdet.registry import TRANSFORMS

from .proposals import check_followed

#: Transforms whose effect depends on the boxes of a frame, not on draws and image size alone.
BY_BOXES = ('InstaBoost', 'MinIoURandomCrop', 'RandomShift')


@TRANSFORMS.register_module()
class ClipTransform(TransformBroadcaster):
    """Apply transforms of single images to every frame of a clip with the same random draws.

    The random generators of Python, numpy and torch are in the same state at the start of every
    frame. So any transform can be shared whose draws depend on these generators and the size of
    the image only, nested and random-choice transforms included. A transform may ask for another
    sample by returning None (a skipped file, a crop without boxes).

    Args:
        transforms: Transforms or their configs.

    Raises:
        ValueError: If a transform cannot be shared, or if precomputed proposals are loaded that it
            cannot move along.
    """

    def __init__(self, transforms: list[dict[str, Any] | Callable[[dict], dict]]) -> None:
        super().__init__(transforms)
        for transform in nested(self.transforms):
            reason = why_not_shared(transform)
            if reason:
                raise ValueError(f'{type(transform).__name__} cannot be in ClipTransform: {reason}')
        check_followed(self.transforms)

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Transform every frame; None as soon as one transform returns None.

        Raises:
            ValueError: If the frames took different draws, so that they do not fit together.
        """
        start, end = generator_states(), None
        frames: list[dict[str, Any]] = []
        done: dict[tuple[object, object], dict[str, Any]] = {}
        for data in self.scatter_sequence(results):
            # a key frame is often one of its references, too: equal draws give it equal pixels
            place, own = (data.get('img_path'), data.get('frame_id')), of_role(data)
            if None not in place and place in done:
                frames.append({**copy.deepcopy(done[place]), **own})
                continue
            restore_generators(start)
            frame = self.transforms(data)
            if frame is None:
                return None
            frames.append(frame)
            done[place] = frame
            state = generator_states()
            if end is not None and not equal_states(state, end):
                raise ValueError(
                    'a transform of ClipTransform took other random draws for frame '
                    f'{len(frames) - 1} of a clip ({data.get("img_path")}) than for the frames '
                    'before it: the frames differ in size, or it draws by the content of a frame '
                    f'(one of {[type(item).__name__ for item in self.transforms]}). Use a '
                    'transform whose draws depend on the size of the image only')
            end = state
        results.update({key: [frame[key] for frame in frames] for key in frames[0]})
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(transforms={self.transforms})'


def of_role(data: dict[str, Any]) -> dict[str, Any]:
    """What distinguishes two appearances of a frame in a clip."""
    return {key: data[key] for key in ('role', 'key_frame_flags') if key in data}


def why_not_shared(transform: object) -> str | None:
    """Reason why frames of a clip cannot share the draws of a transform, or None."""
    name = type(transform).__name__
    if name == 'ProposalBroadcaster':
        return ('PackVideoInputs moves proposals along with Resize, RandomFlip and RandomCrop. '
                'Replace it by the transforms inside it')
    if hasattr(transform, 'get_indexes') or hasattr(transform, 'results_cache'):
        return ('it mixes single images of the data set, which are no clips: remove it from the '
                'pipeline')
    if getattr(transform, 'avoid_cache_randomness', False) or name in BY_BOXES:
        return ('it draws separately for each frame, so that frames would no longer fit together: '
                'use another transform (RandomCrop, Expand, RandomAffine, Rotate, ... can be '
                'shared)')
    return None


def nested(transforms: object) -> Iterator[object]:
    """Iterate over transforms and what is inside them."""
    yield transforms
    if isinstance(transforms, Iterable):
        for transform in transforms:
            yield from nested(transform)


def generator_states() -> tuple[Any, ...]:
    """States of the global generators of Python, numpy and torch."""
    return random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002


def restore_generators(states: tuple[Any, ...]) -> None:
    """Put the global generators into earlier states."""
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002
    torch.set_rng_state(states[2])


def equal_states(first: tuple[Any, ...], second: tuple[Any, ...]) -> bool:
    """Whether two states of the generators are the same."""
    return (first[0] == second[0] and torch.equal(first[2], second[2])
            and all(np.array_equal(a, b) for a, b in zip(first[1], second[1], strict=True)))
