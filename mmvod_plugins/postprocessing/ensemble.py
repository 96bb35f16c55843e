"""Pooling of the detections of several detectors in one video."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmvod_plugins.structures import VideoDetections

from .per_frame_nms import kept_by_nms


def ensemble(videos: Sequence[VideoDetections], nms_iou: float | None = None,
             weights: Sequence[float] | None = None) -> VideoDetections:
    """Pool detections of one video, as STMN's program does before linking.

    ``class_scores`` are kept if all have them. ``proposal_ids``, ``relations`` and ``track_ids``
    are dropped, as they are numbers within one detector.

    Args:
        videos: The detectors' outputs, with the same frames. Id, image ids and shape are those
            of the first that has them.
        nms_iou: Of two boxes of a class in a frame with an IoU above this the one with the lower
            score is removed; None keeps all.
        weights: Factor of each detector's scores; None for 1.

    Raises:
        ValueError: If there is no video, or videos or frames differ.
    """
    weights = [1.0] * len(videos) if weights is None else weights
    _check(videos, weights)
    first = videos[0]
    frames = np.concatenate([video.frame_index for video in videos])
    order = np.argsort(frames, kind='stable')

    def pooled(arrays: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(arrays)[order]

    scores = [video.scores * weight for video, weight in zip(videos, weights, strict=True)]
    vectors = [video.class_scores for video in videos]
    known = all(vector is not None for vector in vectors)
    pool = VideoDetections(
        first.video_id, first.frame_ids, np.sum([video.num_boxes for video in videos], axis=0),
        pooled([video.boxes for video in videos]), pooled(scores),
        pooled([video.labels for video in videos]),
        class_scores=pooled([vector * weight for vector, weight
                             in zip(vectors, weights, strict=True)]) if known else None,
        image_ids=_first_known([video.image_ids for video in videos]),
        img_shape=_first_known([video.img_shape for video in videos]),
        # Pooled boxes that were suppressed per detector are neither suppressed nor raw.
        suppressed=False if all(video.suppressed is False for video in videos) else None)
    if nms_iou is None:
        return pool
    return pool.select(kept_by_nms(pool, nms_iou)).with_arrays(suppressed=True)


def _check(videos: Sequence[VideoDetections], weights: Sequence[float]) -> None:
    if not videos or len(weights) != len(videos):
        raise ValueError(f'ensemble expects at least one video and a weight for each, got '
                         f'{len(videos)} videos and {len(weights)} weights')
    first = videos[0]
    for video in videos[1:]:
        if video.video_id != first.video_id:
            raise ValueError(f'ensemble pools detections of one video, got {first.video_id!r} and '
                             f'{video.video_id!r}')
        different = np.setxor1d(first.frame_ids, video.frame_ids)
        if len(different):
            raise ValueError(
                f'video {first.video_id!r}: {len(different)} frames are present in only '
                f'one of two detectors: {different[:10].tolist()}'
                f'{" ..." if len(different) > 10 else ""}; test all on the same frames')


def _first_known(values: Sequence[object]) -> object:
    return next((value for value in values if value is not None), None)
