"""Random transforms shared by all frames of a clip."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from mmcv.transforms import TransformBroadcaster
from mmdet.registry import TRANSFORMS

from .proposals import check_followed

#: Transforms of mmdet whose random draws mmcv cannot share between frames.
DRAW_PER_FRAME = ('Albu', 'CutOut', 'MinIoURandomCrop', 'RandomShift')


class _SkipClip(Exception):
    """Raised when a transform asks for another sample."""


@TRANSFORMS.register_module()
class ClipTransform(TransformBroadcaster):
    """Apply transforms of single images to every frame of a clip with the same random draws.

    mmcv's ``TransformBroadcaster`` with ``share_random_params=True``, which also lets a transform
    ask for another sample by returning None (a skipped file, a crop without boxes).

    Args:
        transforms: Transforms or their configs.

    Raises:
        ValueError: If a transform draws separately for each frame, or makes others do so, or if
            precomputed proposals are loaded that it cannot move along.
    """

    def __init__(self, transforms: list[dict[str, Any] | Callable[[dict], dict]]) -> None:
        super().__init__(transforms, share_random_params=True)
        if 'ProposalBroadcaster' in transform_names(self.transforms):
            raise ValueError('ProposalBroadcaster prevents sharing random draws between the frames '
                             'of a clip. Replace it by the transforms inside it: PackVideoInputs '
                             'moves proposals along with Resize, RandomFlip and RandomCrop')
        for name in sorted(set(transform_names(self.transforms)) & set(DRAW_PER_FRAME)):
            raise ValueError(f'{name} draws separately for each frame of a clip, so that '
                             'frames would no longer fit together: use another transform '
                             '(RandomCrop, Expand, RandomAffine, PhotoMetricDistortion, ... can '
                             'be shared)')
        check_followed(self.transforms)

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Transform every frame; None as soon as one transform returns None."""
        # The base class cannot pass None through its loop over frames: an exception leaves it.
        try:
            return super().transform(results)
        except _SkipClip:
            return None

    def _apply_transforms(self, inputs: dict[str, Any]) -> dict[str, Any]:
        outputs = self.transforms(dict(inputs))
        if outputs is None:
            raise _SkipClip
        return outputs


def transform_names(transforms: object) -> list[str]:
    """Class names of transforms, nested ones included."""
    names = [type(transforms).__name__]
    if isinstance(transforms, Iterable):
        names += [name for transform in transforms for name in transform_names(transform)]
    return names
