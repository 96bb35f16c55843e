"""From lists over the frames of a clip to what the model gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.datasets.transforms import PackTrackInputs
from mmdet.registry import TRANSFORMS
from torch import Tensor

from .proposals import pack_proposals

#: What our frames say in addition to mmdet's: role in the clip, name of the video, whether it is
#: a video at all, whether a grey frame stands in for the file.
VIDEO_META_KEYS = ('role', 'video_name', 'is_video_data', 'unreadable', 'has_instance_ids')


@TRANSFORMS.register_module()
class PackVideoInputs(PackTrackInputs):
    """``PackTrackInputs`` with the metainfo of video detection and precomputed proposals.

    Proposals of :class:`LoadFrameProposals` follow their frame into the network here.

    Args:
        meta_keys: Further keys of the frames to keep as metainfo.
    """

    def __init__(self, meta_keys: str | tuple[str, ...] | list[str] = ()) -> None:
        extra = (meta_keys, ) if isinstance(meta_keys, str) else tuple(meta_keys)
        super().__init__(meta_keys=VIDEO_META_KEYS + extra)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pack a clip.

        Returns:
            ``inputs`` (T, 3, H, W) and ``data_samples``, a ``TrackDataSample`` of T frames.

        Raises:
            ValueError: If the frames are of different size, or proposals were never loaded.
        """
        shapes = [img.shape[:2] for img in results.get('img', [])]
        if len(set(shapes)) > 1:
            frames = ', '.join(f'{path} {shape}' for path, shape in zip(
                results['img_path'], shapes, strict=True))
            raise ValueError(f'the frames of a clip must be of one size (height, width), got '
                             f'{frames}: resize the video, or use transforms that draw once per '
                             'clip (ClipTransform)')
        if alike(results.get('img', [])):
            packed = super().transform({key: value for key, value in results.items()
                                        if key != 'img'})
            packed['inputs'] = stacked(results['img'])
        else:
            packed = super().transform(results)
        if 'proposals' in results:
            samples = packed['data_samples'].video_data_samples
            for sample, proposals in zip(samples, pack_proposals(results), strict=True):
                sample.proposals = proposals
        return packed

    def __repr__(self) -> str:
        return f'{type(self).__name__}(meta_keys={self.meta_keys})'


def alike(images: Sequence[np.ndarray]) -> bool:
    """Whether images have one size, type and number of channels, of those that OpenCV separates."""
    kinds = {(image.shape, image.dtype.name) for image in images}
    return len(kinds) == 1 and images[0].dtype in (np.uint8, np.float32) \
        and images[0].ndim == 3 and images[0].shape[2] <= 4


def stacked(images: Sequence[np.ndarray]) -> Tensor:
    """Images (H, W, C) that are :func:`alike` as one tensor (T, C, H, W).

    OpenCV separates channels ten times as fast as a strided copy.
    """
    height, width, channels = images[0].shape
    planes = np.empty((len(images), channels, height, width), images[0].dtype)
    for image, plane in zip(images, planes, strict=True):
        cv2.split(image, [*plane])
    return torch.from_numpy(planes)
