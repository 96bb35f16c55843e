"""Precomputed proposals of frames: loading, and moving along with the image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from mmcv.transforms import LoadAnnotations as LoadAnyAnnotations
from mmcv.transforms import LoadImageFromFile, RandomChoiceResize, RandomResize
from mmcv.transforms import Pad as AnyPad
from mmdet.datasets.transforms import (
    ColorTransform,
    CutOut,
    FilterAnnotations,
    FixShapeResize,
    GeomTransform,
    LoadEmptyAnnotations,
    LoadProposals,
    PhotoMetricDistortion,
    RandomCrop,
    RandomErasing,
    RandomFlip,
    Resize,
    ResizeShortestEdge,
    YOLOXHSVRandomAug,
)
from mmdet.registry import TRANSFORMS
from mmengine.structures import InstanceData

#: Transforms that record homography_matrix, and those that do not move the image.
FOLLOWED = (Resize, FixShapeResize, RandomFlip, RandomCrop, GeomTransform)
STILL = (LoadImageFromFile, LoadAnyAnnotations, LoadEmptyAnnotations, LoadProposals,
         FilterAnnotations, AnyPad, PhotoMetricDistortion, YOLOXHSVRandomAug, ColorTransform,
         CutOut, RandomErasing)


@TRANSFORMS.register_module()
class LoadFrameProposals(LoadProposals):
    """mmdet's ``LoadProposals``, sorted by score, with an error that names the frame.

    It can be anywhere in a :class:`ClipTransform`. Boxes stay in pixels of the original image;
    :class:`PackVideoInputs` moves them along with Resize, RandomFlip and RandomCrop.
    :func:`check_followed` rejects transforms that do not record their movement (Expand,
    RandomAffine).

    Args:
        num_max_proposals: Number of proposals to keep, all by default.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``proposals`` (N, 4) and ``proposals_scores`` (N,), float32.

        Raises:
            KeyError: If the data set has no proposals, or no entry for this frame.
        """
        if results.get('proposals') is None:
            raise KeyError(
                f'no proposals for frame {results.get("frame_id")} ({results.get("img_path")}): '
                'the proposal_file of the dataset has no entry for it, or there is no '
                'proposal_file. A frame without proposals needs an empty entry')
        proposals = results['proposals']
        order = np.argsort(-proposals['scores'], kind='stable')
        results['proposals'] = {key: value[order] for key, value in proposals.items()}
        return super().transform(results)


def check_followed(transforms: Iterable[Any]) -> None:
    """Reject transforms that move an image without recording it, if proposals are loaded.

    A custom class that records ``homography_matrix``, or moves nothing, declares it with the
    attribute ``proposals_follow = True``.

    Args:
        transforms: Transforms, some of which may hold others.

    Raises:
        ValueError: With the name of the transform.
    """
    leaves = list(_leaves(transforms))
    if not any(isinstance(leaf, LoadProposals) for leaf in leaves):
        return
    for leaf in leaves:
        if not (isinstance(leaf, FOLLOWED + STILL) or getattr(leaf, 'proposals_follow', False)):
            raise ValueError(
                f'{type(leaf).__name__} is not known to record homography_matrix, so that '
                'precomputed proposals could not follow it: use Resize, FixShapeResize, '
                'RandomFlip or RandomCrop, or omit LoadFrameProposals. A custom transform that '
                'records the matrix, or moves nothing, needs the class attribute '
                'proposals_follow = True')


def _leaves(transforms: Iterable[Any]) -> Iterable[Any]:
    """Iterate over the innermost transforms."""
    for transform in transforms:
        if isinstance(transform, RandomChoiceResize | RandomResize | ResizeShortestEdge):
            yield transform.resize
        elif isinstance(transform, Iterable):
            yield from _leaves(transform)
        else:
            yield transform


def follow_image(boxes: np.ndarray, matrix: np.ndarray | None,
                 img_shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Map boxes of the original image to the input of the network.

    Args:
        boxes: (N, 4), in pixels of the original image.
        matrix: (3, 3), the ``homography_matrix`` from the original image to the input, which
            mmdet's geometric transforms record; None if nothing moved.
        img_shape: (height, width) of the input.

    Returns:
        Boxes (M, 4) around the moved corners, clipped to the image, and the rows (M,) of the
        boxes that have an area there.
    """
    # (N, 4, 2), all four corners: a rotation or shear moves each of them differently.
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    if matrix is not None:
        moved = np.concatenate([corners, np.ones_like(corners[..., :1])], -1) @ matrix.T
        corners = moved[..., :2] / moved[..., 2:]
    limit = np.array([img_shape[1], img_shape[0]])
    low, high = corners.min(1).clip(0, limit), corners.max(1).clip(0, limit)
    rows = np.flatnonzero((high > low).all(1))
    return np.concatenate([low, high], 1)[rows].astype(np.float32), rows


def pack_proposals(results: dict[str, Any]) -> list[InstanceData]:
    """Convert the proposals of a clip to pixels of the network's input, best first.

    Args:
        results: Lists over the frames: ``proposals``, ``proposals_scores``, ``img_shape`` and,
            if a transform moved the image, ``homography_matrix``.

    Raises:
        ValueError: If proposals were not loaded.
    """
    if 'proposals_scores' not in results:
        raise ValueError('the dataset has a proposal_file but the pipeline does not load it: add '
                         "dict(type='LoadFrameProposals') to ClipTransform, or set "
                         'proposal_file=None')
    count = len(results['proposals'])
    matrices = results.get('homography_matrix', [None] * count)
    packed = []
    for i in range(count):
        boxes, rows = follow_image(results['proposals'][i], matrices[i], results['img_shape'][i])
        scores = results['proposals_scores'][i][rows]
        packed.append(InstanceData(bboxes=torch.from_numpy(boxes), scores=torch.from_numpy(scores)))
    return packed
