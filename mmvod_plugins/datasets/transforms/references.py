"""From a key frame to a clip: the policy draws the reference frames."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from mmvod_plugins.references import KEY_ROLE, ReferencePolicy, build_references


@TRANSFORMS.register_module()
class SampleReferenceFrames(BaseTransform):
    """Draw training references for a key frame and collect the frames of the clip.

    The key frame comes first, then the references role by role in the policy's order; each frame
    says its ``role`` (``'key'`` or the policy's name). A still image stands in for all its
    references. Draws come from torch's global generator, which mmengine seeds in every worker.

    Args:
        references: The policy that draws; None: the model's under ``VideoRunner``, otherwise the
            key frame alone.
    """

    def __init__(self, references: dict[str, Any] | ReferencePolicy | None = None) -> None:
        self.policy = build_references(references)

    def transform(self, results: dict[str, Any]) -> dict[str, list]:
        """Collect the clip of a video's key frame.

        Args:
            results: ``images`` (one dict per frame), ``video_length`` and ``key_frame_id``.

        Returns:
            Every key of the frames as a list over the clip; also ``role``, ``key_frame_flags``
            and ``video_length``, the number of frames in the clip.

        Raises:
            ValueError: If the input is no whole video with a key frame, or the policy names a
                frame that the video does not have.
        """
        if 'key_frame_id' not in results or 'images' not in results:
            raise ValueError('SampleReferenceFrames is the first transform of a training pipeline '
                             'of CocoVIDDataset: it needs the keys images and key_frame_id, got '
                             f'{sorted(results)}. For testing omit it')
        images, key_id = results['images'], results['key_frame_id']
        roles = self.policy.sample(key_id, len(images), new_rng())
        self._check(roles, key_id, len(images))
        chosen = [(KEY_ROLE, key_id), *((role, t) for role, ids in roles.items() for t in ids)]
        frames = [dict(copy.deepcopy(images[t]), role=role) for role, t in chosen]
        clip = {key: [frame[key] for frame in frames] for key in frames[0]}
        clip['video_length'] = [len(frames)] * len(frames)
        clip['key_frame_flags'] = [role == KEY_ROLE for role, _ in chosen]
        return clip

    def _check(self, roles: dict[str, list[int]], key_id: int, video_length: int) -> None:
        for role, frame_ids in roles.items():
            outside = [t for t in frame_ids if not 0 <= t < video_length]
            if outside or role == KEY_ROLE:
                raise ValueError(
                    f'{self.policy!r} drew the frames {frame_ids} as {role!r} of key frame '
                    f'{key_id} in a video of {video_length} frames; it must name frames of the '
                    f'video and roles other than {KEY_ROLE!r}')

    def __repr__(self) -> str:
        return f'{type(self).__name__}(references={self.policy!r})'


def new_rng() -> np.random.Generator:
    """A generator seeded by torch's global one."""
    return np.random.default_rng(int(torch.randint(2**62, ())))
