"""Conversion of predictions from and to COCO results."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmvod_plugins.datasets.coco_vid_file import CocoVIDFile, image_size
from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.utils.files import write_text

from .predictions import Predictions, load_predictions, save_predictions


def read_predictions(path: str | Path, source: CocoVIDFile | None = None) -> Predictions:
    """Read predictions from an npz file, a folder of such files, or COCO results.

    Args:
        path: ``.npz``, folder, or ``.json``.
        source: The annotation file, needed for COCO results.

    Raises:
        ValueError: If the file has another format, or is COCO results and ``source`` is None.
    """
    path = Path(path)
    if path.suffix != '.json':
        return load_predictions(path)
    if source is None:
        raise ValueError(f'{path}: COCO results do not name the video of an image; pass the '
                         'annotation file')
    if path.exists() and not path.is_file():
        raise ValueError(f'{path} is not a file (a folder, a pipe or a device)')
    try:
        results = json.loads(path.read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path} is not COCO results: no readable json ({error})') from error
    fields = {'image_id', 'category_id', 'bbox', 'score'}
    if not isinstance(results, list) or not all(
            isinstance(row, dict) and row.keys() >= fields for row in results):
        raise ValueError(f'{path} is not COCO results: expected a list of objects with '
                         f'{sorted(fields)}')
    return from_coco_results(results, source)


def write_predictions(path: str | Path, predictions: Predictions,
                      source: CocoVIDFile | None = None) -> None:
    """Write predictions as npz, or as COCO results if the name ends with ``.json``.

    An existing file is replaced only when the new one is complete.

    Args:
        path: ``.npz`` or ``.json``.
        predictions: Predictions to write.
        source: The annotation file that defines the category ids; without it they count from 1.
    """
    path = Path(path)
    if path.suffix != '.json':
        save_predictions(path, predictions)
        return
    cat_ids: list[Hashable] = list(range(1, len(predictions.classes) + 1))
    if source is not None:
        cat_ids = list(source.labels(predictions.classes))
    write_text(path, json.dumps(to_coco_results(predictions, cat_ids)))


def to_coco_results(predictions: Predictions,
                    cat_ids: Sequence[Hashable]) -> list[dict[str, Any]]:
    """Convert to dicts of ``image_id``, ``category_id``, ``bbox`` (x, y, w, h) and ``score``.

    Linked detections also have a ``track_id``, unique in its video.

    Args:
        predictions: Predictions with image ids.
        cat_ids: Category id of every label.

    Raises:
        ValueError: If a video has no image ids, or there are fewer categories than classes.
    """
    if len(cat_ids) < len(predictions.classes):
        raise ValueError(f'{len(predictions.classes)} classes but {len(cat_ids)} category ids')
    return [row for video in predictions.videos for row in _rows(video, cat_ids)]


def from_coco_results(results: list[dict[str, Any]], source: CocoVIDFile,
                      classes: Sequence[str] | None = None) -> Predictions:
    """Convert COCO results; every frame of the annotation file is present, empty or not.

    Args:
        results: COCO results; ``segmentation`` and other extra fields are dropped.
        source: The annotation file that the results belong to.
        classes: Names in the order of the labels; None for the order of the file.

    Raises:
        ValueError: If results name images or categories that the file does not have.
    """
    classes = tuple(classes or source.classes)
    labels = source.labels(classes)
    videos = source.videos()
    by_image: dict[Hashable, list[dict]] = {
        image['id']: [] for video in videos for image in video['images']}
    for what, known in (('image_id', by_image), ('category_id', labels)):
        unknown = sorted({result[what] for result in results if result[what] not in known}, key=str)
        if unknown:
            raise ValueError(
                f'the results have the {what} {unknown[0]!r} ({len(unknown)} unknown), which is '
                f'not in {source.path}: they belong to another annotation file')
    for result in results:
        by_image[result['image_id']].append(result)
    return Predictions([_video(video, by_image, labels) for video in videos], classes)


def _rows(video: VideoDetections, cat_ids: Sequence[Hashable]) -> list[dict[str, Any]]:
    if video.image_ids is None:
        raise ValueError(f'video {video.video_id!r} has no image ids, which COCO results need; '
                         'write the predictions as .npz instead')
    boxes = video.boxes.astype(np.float64)
    boxes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    images = video.image_ids[video.frame_index].tolist()
    rows = [dict(image_id=image, category_id=cat_ids[label], bbox=box, score=score)
            for image, label, box, score in zip(images, video.labels.tolist(), boxes.tolist(),
                                                video.scores.tolist(), strict=True)]
    if video.track_ids is not None:
        for row, track_id in zip(rows, video.track_ids.tolist(), strict=True):
            row['track_id'] = track_id
    return rows


def _video(info: dict[str, Any], by_image: dict[Hashable, list[dict]],
           labels: dict[Hashable, int]) -> VideoDetections:
    images = info['images']
    results = [result for image in images for result in by_image[image['id']]]
    boxes = np.array([result['bbox'] for result in results], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    tracked = bool(results) and all('track_id' in result for result in results)
    shape = image_size(images[0])
    return VideoDetections(
        video_id=info['video_id'],
        frame_ids=np.array([image['frame_id'] for image in images], np.int64),
        num_boxes=np.array([len(by_image[image['id']]) for image in images], np.int64),
        boxes=boxes,
        scores=np.array([result['score'] for result in results], np.float32),
        labels=np.array([labels[result['category_id']] for result in results], np.int64),
        track_ids=np.array([r['track_id'] for r in results], np.int64) if tracked else None,
        image_ids=np.array([image['id'] for image in images], np.int64),
        img_shape=None if None in shape else shape)
