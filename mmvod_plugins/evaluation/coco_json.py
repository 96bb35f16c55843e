"""Conversion of predictions from and to COCO results."""

from __future__ import annotations

import json
import warnings
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmvod_plugins.datasets.coco_values import (
    box_of,
    number,
    plain_boxes,
    plain_numbers,
    read_json,
    whole,
)
from mmvod_plugins.datasets.coco_vid_file import CocoVIDFile, image_size
from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.utils.files import write_text
from mmvod_plugins.utils.names import FileNames

from .predictions import Predictions, load_predictions, save_predictions

FIELDS = {'image_id', 'category_id', 'bbox', 'score'}


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
    results = read_json(str(path))
    if not isinstance(results, list) or not all(
            isinstance(row, dict) and row.keys() >= FIELDS for row in results):
        raise ValueError(f'{path} is not COCO results: expected a list of objects with '
                         f'{sorted(FIELDS)}')
    return from_coco_results(results, source, path=str(path))


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
                      classes: Sequence[str] | None = None,
                      path: str = 'results') -> Predictions:
    """Convert COCO results; every frame of the annotation file is present, empty or not.

    Images are named by id or, as other programs do, by file: with or without folders and suffix.

    Args:
        results: COCO results; ``segmentation`` and other extra fields are dropped.
        source: The annotation file that the results belong to.
        classes: Names in the order of the labels; None for the order of the file.
        path: File of the results, for messages.

    Raises:
        ValueError: If results name images or categories that the file does not have, or hold
            values that are no numbers.
    """
    classes = tuple(classes or source.classes)
    labels = source.labels(classes)
    videos = source.videos()
    by_image: dict[Hashable, list[dict]] = {
        image['id']: [] for video in videos for image in video['images']}
    if not _are_plain(results, by_image, labels):
        reader = _ResultReader(path, source, labels)
        results = [reader.read(result, position) for position, result in enumerate(results)]
        reader.warn()
    for result in results:
        by_image[result['image_id']].append(result)
    return Predictions([_video(video, by_image, labels) for video in videos], classes)


def _are_plain(results: list[dict[str, Any]], *known: dict[Hashable, Any]) -> bool:
    """Whether all results have known ids and numbers, so that none needs a conversion."""
    for key, ids in zip(('image_id', 'category_id'), known, strict=True):
        values = [result[key] for result in results]
        if set(map(type, values)) - {int} or set(values) - ids.keys():
            return False
    scores = plain_numbers([result['score'] for result in results])
    return (scores is not None and bool((scores >= 0).all())
            and plain_boxes([result['bbox'] for result in results]))


class _ResultReader:
    """Reads rows of COCO results with ids of the annotation file and typed numbers."""

    def __init__(self, path: str, source: CocoVIDFile, labels: dict[Hashable, int]) -> None:
        self.path, self.source, self.labels = path, source, labels
        self.files = FileNames((image['file_name'], image['id']) for image in source.images)
        self.images = {str(image['id']): image['id'] for image in source.images}
        self.categories = {str(category_id): category_id for category_id in labels}
        self.named: list[str] = []

    def read(self, result: dict[str, Any], position: int) -> dict[str, Any]:
        """A row with ids of the annotation file.

        Raises:
            ValueError: If it names something else, or a value is no number.
        """
        image_id = self._image(result['image_id'], position)
        category_id = known_id(result['category_id'], self.categories)
        if category_id is None:
            self._refuse('category_id', result['category_id'], position)
        box, score = box_of(result['bbox']), number(result['score'])
        if box is None or score is None or score < 0:
            key = 'bbox' if box is None else 'score'
            raise ValueError(
                f'{self.path}: result {position} (image_id {result["image_id"]!r}) has the {key} '
                f'{result[key]!r}, expected '
                f'{"four finite numbers" if box is None else "a number from 0"}')
        return {**result, 'image_id': image_id, 'category_id': category_id, 'bbox': box,
                'score': score}

    def _image(self, written: object, position: int) -> Hashable:
        # A name in digits is a name: the file 7.png need not have the id 7.
        found = self.files.find(written) if isinstance(written, str) else []
        if len(found) > 1:
            raise ValueError(
                f'{self.path}: result {position} has the image_id {written!r}, which can be '
                f'{len(found)} files of {self.source.path} (images {found[:3]}): write the '
                'folder into the name, or the id of the image')
        if found:
            self.named.append(written)
            return found[0]
        image_id = known_id(written, self.images)
        if image_id is None:
            self._refuse('image_id', written, position)
        return image_id

    def _refuse(self, key: str, written: object, position: int) -> None:
        raise ValueError(
            f'{self.path}: result {position} has the {key} {written!r}, which is not in '
            f'{self.source.path}: the results belong to another annotation file, or number '
            'images or categories in another way')

    def warn(self) -> None:
        """Say how many images were found by their file."""
        if self.named:
            warnings.warn(f'{self.path}: the image_id of {len(self.named)} results is the name of '
                          f'a file (the first one: {self.named[0]!r}); they are matched with the '
                          f'file_name in {self.source.path}', stacklevel=3)


def known_id(written: object, known: dict[str, Hashable]) -> Hashable | None:
    """The id that is meant by a number or text, None if there is no such id.

    Args:
        written: What a file has.
        known: Ids by their text. Text must be the same: ``'007'`` is not 7.
    """
    found = written if isinstance(written, str) else whole(written)
    return known.get(str(found))


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
