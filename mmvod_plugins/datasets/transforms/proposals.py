"""Precomputed proposals of a frame: loading them, and following the frame into the network."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmdet.datasets.transforms import LoadProposals
from mmdet.registry import TRANSFORMS
from mmengine.structures import InstanceData


@TRANSFORMS.register_module()
class LoadFrameProposals(LoadProposals):
    """mmdet's ``LoadProposals``, best first, which names a frame that has none.

    It stands anywhere in a :class:`ClipTransform`. Boxes stay in pixels of the original image;
    :class:`PackVideoInputs` lets them follow Resize, RandomFlip, crops and so on.

    Args:
        num_max_proposals: How many are kept, all by default.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``proposals`` (N, 4) and ``proposals_scores`` (N,), float32.

        Raises:
            KeyError: If the dataset has no proposals, or none for this frame; with its file.
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


def follow_image(boxes: np.ndarray, matrix: np.ndarray | None,
                 img_shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where boxes of the original image are in the network's input.

    Args:
        boxes: (N, 4), in pixels of the original image.
        matrix: (3, 3), from there to the network's input: ``homography_matrix``, which mmdet's
            geometric transforms record. None: nothing moved.
        img_shape: (height, width) of the input.

    Returns:
        Boxes (M, 4) around the moved corners, clipped to the image, and the rows (M,) that have
        an area there.
    """
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    if matrix is not None:
        moved = np.concatenate([corners, np.ones_like(corners[..., :1])], -1) @ matrix.T
        corners = moved[..., :2] / moved[..., 2:]
    limit = np.array([img_shape[1], img_shape[0]])
    low, high = corners.min(1).clip(0, limit), corners.max(1).clip(0, limit)
    rows = np.flatnonzero((high > low).all(1))
    return np.concatenate([low, high], 1)[rows].astype(np.float32), rows


def pack_proposals(results: dict[str, Any]) -> list[InstanceData]:
    """Proposals of the frames of a clip in pixels of the network's input, best first.

    Args:
        results: Lists over the frames: ``proposals``, ``proposals_scores``, ``img_shape`` and, if
            a transform moved anything, ``homography_matrix``.

    Raises:
        ValueError: If proposals were never loaded.
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
