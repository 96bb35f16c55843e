"""Annotated boxes of a whole data set as flat arrays."""

from __future__ import annotations

import warnings
from array import array
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mmvod_plugins.datasets.coco_vid_file import CocoVIDFile, image_size

#: Attributes with one row per box, and those with one entry per frame.
BOX_FIELDS = ('boxes', 'labels', 'instance_ids', 'crowd', 'areas')
FRAME_FIELDS = ('image_ids', 'video_ids', 'frame_ids', 'num_boxes', 'img_shapes', 'degraded')


@dataclass(frozen=True)
class GroundTruth:
    """Objects of a data set, frame after frame.

    The boxes of frame number f (its position here) are rows ``offsets[f]:offsets[f + 1]``.

    Attributes:
        image_ids: F different ids.
        video_ids: F ids, the video of every frame.
        frame_ids: (F,), int64, position of the frame in its video, from 0.
        num_boxes: (F,), int64.
        boxes: (M, 4), float64, ``(x1, y1, x2, y2)`` in pixels with ``x2 = x + w`` as in the json.
            Files converted from ImageNet VID hold ``w = xmax - xmin``, so there x2 is ``xmax``.
        labels: (M,), int64, position of the class in ``classes``.
        instance_ids: (M,), int64, equal for the same object of a video; None if any object of the
            file has none. Crowds without one have a number of their own.
        crowd: (M,), bool: regions that are no objects. A detection in a region, by the share of
            its own area, that matches no object is neither right nor wrong.
        areas: (M,), float64, in pixels, as annotated, else w * h.
        img_shapes: (F, 2), int64, (height, width); 0 where the file does not give it.
        classes: Names of the K classes.
        degraded: (F,), bool: frames that the annotation marks as degraded; None if it was not read.
    """

    image_ids: Sequence[Hashable]
    video_ids: Sequence[Hashable]
    frame_ids: np.ndarray
    num_boxes: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    instance_ids: np.ndarray | None
    crowd: np.ndarray
    areas: np.ndarray
    img_shapes: np.ndarray
    classes: tuple[str, ...]
    degraded: np.ndarray | None = None

    def __post_init__(self) -> None:
        total = int(np.sum(self.num_boxes))
        self._check('boxes', BOX_FIELDS, total)
        self._check('frames', FRAME_FIELDS, len(self.num_boxes))
        if self.boxes.shape != (total, 4):
            raise ValueError(f'boxes must be ({total}, 4), got {self.boxes.shape}')
        if total and not 0 <= self.labels.min() <= self.labels.max() < self.num_classes:
            raise ValueError(f'labels are {self.labels.min()} to {self.labels.max()}, expected 0 '
                             f'to {self.num_classes - 1}: one for each of the classes')
        if len(self.frame_of_image) < self.num_frames:
            raise ValueError('image_ids: an id occurs more than once; every frame needs its own')

    def _check(self, what: str, names: tuple[str, ...], expected: int) -> None:
        found = {name: len(value) for name in names
                 if (value := getattr(self, name)) is not None}
        if set(found.values()) != {expected}:
            raise ValueError(f'num_boxes counts {expected} {what}, but the rows are {found}: they '
                             'must agree')

    @property
    def num_frames(self) -> int:
        """Number of frames, F."""
        return len(self.num_boxes)

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        return len(self.classes)

    @property
    def has_instances(self) -> bool:
        """Whether objects have instance ids, which motion and stability need."""
        return self.instance_ids is not None

    @cached_property
    def offsets(self) -> np.ndarray:
        """First box of every frame, and the end: (F + 1,), int64."""
        return np.concatenate([[0], np.cumsum(self.num_boxes)]).astype(np.int64)

    @cached_property
    def frame_index(self) -> np.ndarray:
        """Frame number of every box, (M,), int64."""
        return np.repeat(np.arange(self.num_frames), self.num_boxes)

    @cached_property
    def num_objects(self) -> np.ndarray:
        """Boxes of every frame that are no crowds, (F,), int64."""
        return np.bincount(self.frame_index[~self.crowd], minlength=self.num_frames)

    @cached_property
    def frame_of_image(self) -> dict[Hashable, int]:
        """Frame number of every image id."""
        return {image_id: f for f, image_id in enumerate(self.image_ids)}

    @cached_property
    def frame_of_position(self) -> dict[tuple[Hashable, int], int]:
        """Frame number of every video id and frame id."""
        positions = zip(self.video_ids, self.frame_ids.tolist(), strict=True)
        return {position: f for f, position in enumerate(positions)}

    @cached_property
    def videos(self) -> list[Hashable]:
        """Ids of the videos in the order of their first frames."""
        return list(dict.fromkeys(self.video_ids))

    @cached_property
    def video(self) -> np.ndarray:
        """Position of every frame's video in ``videos``, (F,), int64."""
        number = {video_id: v for v, video_id in enumerate(self.videos)}
        return np.array([number[i] for i in self.video_ids], dtype=np.int64)

    @cached_property
    def tracks(self) -> np.ndarray:
        """Number of the object of every box in the whole data set, (M,), int64, from 0.

        Raises:
            ValueError: If the annotation has no instance ids.
        """
        if self.instance_ids is None:
            raise ValueError('the annotation has no instance_id, so objects cannot be followed and '
                             'motion and stability are not defined; annotate instance_id for every '
                             'box, or omit motion groups')
        keys = np.column_stack([self.video[self.frame_index], self.instance_ids])
        return np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)

    def frame_name(self, frame: int) -> str:
        """Description of a frame for messages."""
        return (f'image {self.image_ids[frame]!r} (frame {self.frame_ids[frame]} of video '
                f'{self.video_ids[frame]!r})')

    def frames_of(self, video_ids: Collection[Hashable]) -> np.ndarray:
        """Mask of the frames of some videos, (F,), bool.

        Raises:
            ValueError: If a video is not in the ground truth.
        """
        known = set(self.videos)
        unknown = [video_id for video_id in video_ids if video_id not in known]
        if unknown:
            raise ValueError(f'video {unknown[0]!r} is not in the ground truth ({len(unknown)} '
                             f'unknown); it has {len(self.videos)} videos, the first is '
                             f'{self.videos[0] if self.videos else None!r}')
        wanted = set(video_ids)
        return np.array([video_id in wanted for video_id in self.video_ids], dtype=bool)

    def subset(self, video_ids: Collection[Hashable]) -> GroundTruth:
        """Ground truth of some videos, in the present order."""
        return self.select(self.frames_of(video_ids))

    def select(self, frames: np.ndarray) -> GroundTruth:
        """Ground truth of some frames, (F,), bool, in the present order."""
        changes: dict[str, Any] = {}
        for names, rows in ((BOX_FIELDS, frames[self.frame_index]), (FRAME_FIELDS, frames)):
            for name in names:
                value = getattr(self, name)
                if value is not None:
                    changes[name] = value[rows] if isinstance(value, np.ndarray) else [
                        value[f] for f in np.flatnonzero(rows)]
        return replace(self, **changes)

    @staticmethod
    def from_coco_vid(source: str | Path | dict[str, Any], classes: Sequence[str] | None = None,
                      videos: Collection[Hashable] | None = None,
                      degraded: str | None = None) -> GroundTruth:
        """Read a COCO-VID json with the checks of the data set classes.

        Boxes that the data sets drop (``ignore``, smaller than a pixel, outside of the image) are
        dropped here too. Images without ``video_id`` are videos of one frame.

        Args:
            source: Path of the json, or its content.
            classes: Names of the classes, in the order of the labels; None for those of the file.
            videos: Ids of the videos to keep; None for all.
            degraded: Key of the images that marks degraded frames, see :func:`degraded_frames`.
        """
        file = CocoVIDFile(source if isinstance(source, dict) else str(source))
        names = tuple(file.classes if classes is None else classes)
        labels = file.labels(names)
        rows, images = _Rows(labels), []
        for video in file.take_videos():
            for image in video['images']:
                rows.add(image, video['video_id'],
                         [annotation for _, annotation in file.valid_annotations(image, labels)])
            if degraded is not None:
                images += video['images']
        file.warn_of_dropped_boxes()
        marks = None if degraded is None else degraded_frames(images, degraded, file.path)
        truth = GroundTruth(**rows.arrays(), classes=names, degraded=marks)
        return truth if videos is None else truth.subset(videos)


def degraded_frames(images: Sequence[dict[str, Any]], key: str, path: str) -> np.ndarray:
    """Mask of the images that a json marks as degraded, (F,), bool.

    Args:
        images: Entries of ``images``.
        key: Key of the mark: true or false, or a name or a list of names of what degrades the
            frame (``degradations`` of ToyVID), empty for a clean one.
        path: The file, for messages. Images without the key are clean, with a warning.

    Raises:
        ValueError: If no image has the key, or a value is something else.
    """
    values = [image.get(key) for image in images]
    without = values.count(None)
    if without == len(values):
        known = sorted({name for image in images for name in image})
        raise ValueError(f'{path}: no image has the key {key!r}, which shall mark degraded frames; '
                         f'the images have {known}')
    for image, value in zip(images, values, strict=True):
        if not (value is None or isinstance(value, (bool, str, list)) or value in (0, 1)):
            raise ValueError(f'{path}: image {image["id"]} has {key} {value!r}, expected true or '
                             'false, or the names of what degrades the frame')
    if without:
        warnings.warn(f'{path}: {without} of {len(values)} images have no {key!r} and count as '
                      'clean', stacklevel=3)
    return np.array([bool(value) for value in values], dtype=bool)


class _Rows:
    """Numbers of frames and boxes, without the entries of the file that they come from."""

    def __init__(self, labels: dict[Hashable, int]) -> None:
        self._label_of = labels
        self.image_ids: list[Hashable] = []
        self.video_ids: list[Hashable] = []
        self.integers = {name: array('q') for name in (
            'frame_ids', 'num_boxes', 'img_shapes', 'labels', 'instance_ids', 'crowd')}
        self.boxes, self.areas = array('d'), array('d')  # x, y, width, height
        self._numbers: dict[Hashable, int] = {}

    def add(self, image: dict, video_id: Hashable, annotations: list[dict]) -> None:
        """Append the next frame."""
        self.image_ids.append(image['id'])
        self.video_ids.append(video_id)
        integers = self.integers
        integers['frame_ids'].append(image['frame_id'])
        integers['num_boxes'].append(len(annotations))
        integers['img_shapes'].extend(size or 0 for size in image_size(image))
        for annotation in annotations:
            box, instance_id = annotation['bbox'], annotation.get('instance_id')
            crowd = bool(annotation.get('iscrowd', False))
            # Ids may be strings; only their equality matters. A region needs none.
            key = ('region', len(self._numbers)) if crowd and instance_id is None else instance_id
            integers['instance_ids'].append(self._numbers.setdefault(key, len(self._numbers)))
            integers['labels'].append(self._label_of[annotation['category_id']])
            integers['crowd'].append(crowd)
            self.boxes.extend(box)
            self.areas.append(annotation.get('area', box[2] * box[3]))

    def arrays(self) -> dict[str, Any]:
        """Attributes of :class:`GroundTruth`."""
        found = {name: np.array(values, dtype=np.int64) for name, values in self.integers.items()}
        boxes = np.array(self.boxes, dtype=np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return {**found, 'image_ids': self.image_ids, 'video_ids': self.video_ids, 'boxes': boxes,
                'areas': np.array(self.areas, dtype=np.float64),
                'crowd': found['crowd'].astype(bool),
                'img_shapes': found['img_shapes'].reshape(-1, 2),
                'instance_ids': None if None in self._numbers else found['instance_ids']}
