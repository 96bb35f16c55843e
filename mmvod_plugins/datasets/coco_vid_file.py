"""Reader of a COCO-VID json: classes, videos with ordered frames, checked boxes."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from mmvod_plugins.utils.names import natural_key

from .annotation_cache import is_large
from .coco_entries import CocoEntries
from .coco_values import read_json

#: First id of one-frame videos made of images without ``video_id`` (as in mmdet).
STILL_IMAGE_ID = 100001


class CocoVIDFile:
    """Content of a COCO-VID json (MMTracking's format), checked and grouped.

    ``videos``, ``annotations`` and most fields may be absent; images without ``video_id`` are
    videos of one frame.

    Args:
        source: The json file, or its content.
        backend_args: Storage backend of the file, see ``mmengine.fileio``.

    Raises:
        ValueError: If the file is not a COCO json, has no images, uses an id twice, has a value
            that cannot be read, or numbers categories and annotations differently.
    """

    def __init__(self, source: str | dict[str, Any],
                 backend_args: dict[str, Any] | None = None) -> None:
        in_memory = isinstance(source, dict)
        self.path = 'annotations' if in_memory else source
        entries = None
        if not in_memory and backend_args is None and is_large(source):
            entries = CocoEntries.from_blocks(source)
        if entries is None:
            content = source if in_memory else read_json(source, backend_args)
            check_content(content, self.path)
            entries = CocoEntries.from_content(content, self.path)
        self.categories, self.images = entries.lists['categories'], entries.lists['images']
        self.video_infos, self.annotations = entries.lists['videos'], entries.annotations
        entries.reader.warn()
        self.dropped: Counter[str] = Counter()
        self._check_unique('category id', [c['id'] for c in self.categories])
        self._check_unique('category name', [c['name'] for c in self.categories])
        self._check_unique('video id', [v['id'] for v in self.video_infos])
        self._check_unique('image id', [i['id'] for i in self.images])
        self._check_categories(entries)
        self._warn_of_orphans(entries)
        self._instance_numbers = instance_numbers(entries.instance_ids)

    def _check_unique(self, what: str, values: Sequence[Hashable]) -> None:
        if len(set(values)) < len(values):
            twice = [value for value, count in Counter(values).items() if count > 1]
            raise ValueError(f'{self.path}: {what} {twice[0]!r} occurs more than once '
                             f'({len(twice)} such); give every entry its own')

    def _check_categories(self, entries: CocoEntries) -> None:
        known = {category['id'] for category in self.categories}
        used = set(entries.categories)
        if used <= known:
            return
        bad = [category_id for category_id in entries.categories if category_id not in known]
        message = (
            f'{self.path}: {sum(entries.categories[i] for i in bad)} of {entries.count} '
            f'annotations have a category_id that no category has (the first one: '
            f'{entries.first[bad[0]]}, category_id {bad[0]!r}; the categories have the ids '
            f'{shortened(sorted(known, key=str))})')
        # Then the known ids mean other classes than they say, too.
        numbers = {i for i in used if isinstance(i, int)}
        shifted = bool(numbers) and any({i + by for i in numbers} <= known for by in (-1, 1))
        if shifted or not used & known:
            raise ValueError(f'{message}. Give annotations and categories the same ids; often one '
                             'of them counts from 0 and the other from 1')
        warnings.warn(f'{message}; they are ignored. Add the categories, or remove these '
                      'annotations', stacklevel=3)

    def _warn_of_orphans(self, entries: CocoEntries) -> None:
        if entries.orphans:
            first = entries.first_orphan
            warnings.warn(
                f'{self.path}: {entries.orphans} annotations belong to images that are not in the '
                f'file (the first one: annotation {first.get("id")}, image_id '
                f'{first.get("image_id")!r}); they are ignored', stacklevel=2)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the categories in the order of the file."""
        return tuple(category['name'] for category in self.categories)

    def warn_of_class_order(self) -> None:
        """Warn if labels in the order of the file differ from those in the order of the ids."""
        ids = [category['id'] for category in self.categories]
        if ids != sorted(ids, key=lambda i: (isinstance(i, str), i)):
            warnings.warn(
                f'{self.path}: the categories are not in the order of their ids; labels follow the '
                f'order of the file, {self.classes}. A checkpoint of another order detects the '
                'wrong classes without an error: name the order in '
                'metainfo=dict(classes=...) of all data sets', stacklevel=2)

    def has_train_marks(self) -> bool:
        """Whether images are marked as training key frames."""
        return any(image.get('is_vid_train_frame') is not None for image in self.images)

    def labels(self, classes: Sequence[str]) -> dict[Hashable, int]:
        """Label of every requested category id: its position in ``classes``.

        Raises:
            ValueError: If a class is not in the file, or requested twice.
        """
        if len(set(classes)) < len(classes):
            raise ValueError(f'metainfo=dict(classes=...) names a class twice: {tuple(classes)}; '
                             'name every class once')
        missing = [name for name in classes if name not in self.classes]
        if missing:
            raise ValueError(f'{self.path} has no category {missing}. Requested: '
                             f'{tuple(classes)}; in the file: {self.classes}. Correct '
                             'metainfo=dict(classes=...) of the dataset')
        in_file = [name for name in self.classes if name in classes]
        if in_file != list(classes):
            warnings.warn(
                f'{self.path}: the file lists its classes as {tuple(in_file)}, but '
                f'{tuple(classes)} was requested. Labels follow the latter; CocoVideoMetric with '
                'ann_file would follow the former: omit its ann_file', stacklevel=2)
        names = {category['name']: category['id'] for category in self.categories}
        return {names[name]: label for label, name in enumerate(classes)}

    def videos(self) -> list[dict[str, Any]]:
        """Group the images into videos, in temporal order and with dense ``frame_id`` from 0.

        Returns:
            ``dict(video_id, video_name, is_video_data, images)`` in the order of the file's
            ``videos``, then of the images; images as in the file.

        Raises:
            ValueError: If a video has a frame id twice or frames of different size.
        """
        names = {info['id']: str(info.get('name', info['id'])) for info in self.video_infos}
        repeated = {name for name, count in Counter(names.values()).items() if count > 1}
        grouped: dict[Hashable, list[dict]] = {video_id: [] for video_id in names}
        stills = []
        for image in self.images:
            if image.get('video_id') is None:
                stills.append(image)
            else:
                grouped.setdefault(image['video_id'], []).append(image)
        self._warn_if_empty([names[i] for i, images in grouped.items() if not images])
        videos = []
        for video_id, images in grouped.items():
            name = names.get(video_id, str(video_id))
            name = f'{name}_{video_id}' if name in repeated else name
            if images:
                videos.append(dict(video_id=video_id, video_name=name, is_video_data=True,
                                   images=images))
        self._order_frames(videos)
        for video in videos:
            self._check_sizes(video)
        self._warn_of_stills(len(stills))
        return videos + self._still_videos(stills, grouped)

    def take_videos(self) -> Iterator[dict[str, Any]]:
        """:meth:`videos`, each with its annotations forgotten after its turn.

        So the memory of millions of entries serves what a caller makes of them. The file is of no
        further use.
        """
        videos = self.videos()[::-1]
        self.images = []
        while videos:
            video = videos.pop()
            ids = [image['id'] for image in video['images']]
            yield video
            del video
            for image_id in ids:
                self.annotations.pop(image_id, None)

    def _still_videos(self, images: list[dict], taken: dict[Hashable, Any]) -> list[dict]:
        first = max([STILL_IMAGE_ID, *(i + 1 for i in taken if isinstance(i, int))])
        return [
            dict(video_id=first + i, video_name=image['file_name'].rsplit('.', 1)[0],
                 is_video_data=False, images=[dict(image, frame_id=0)])
            for i, image in enumerate(images)
        ]

    def _warn_of_stills(self, count: int) -> None:
        # Converters mark the stills of ImageNet DET, which are meant as such.
        if count and not (count == len(self.images) and self.has_train_marks()):
            warnings.warn(
                f'{self.path}: {count} of {len(self.images)} images have no video_id: each is a '
                'video of one frame, so that temporal methods train, link and evaluate without '
                'time. If they are frames of videos, set video_id and frame_id, for instance with '
                'tools/dataset_converters/coco2coco_vid.py --videos-from-folders', stacklevel=3)

    def _warn_if_empty(self, names: list[str]) -> None:
        if names:
            warnings.warn(f'{self.path}: {len(names)} videos have no images (the first one: '
                          f'{names[0]!r}); they are ignored', stacklevel=2)

    def _order_frames(self, videos: list[dict]) -> None:
        """Sort by ``frame_id`` and renumber 0 .. n - 1."""
        renumbered, by_file = [], []
        for video in videos:
            images = video['images']
            numbered = [image.get('frame_id') is not None for image in images]
            if any(numbered) and not all(numbered):
                without = images[numbered.index(False)]['file_name']
                raise ValueError(f'{self.path}: video {video["video_name"]!r} has frames with '
                                 f'and without frame_id ({without} has none): set it in all '
                                 'images or in none')
            if all(numbered):
                images = sorted(images, key=lambda image: image['frame_id'])
                self._check_frame_ids(video['video_name'], images)
                if images[0]['frame_id'] != 0 or images[-1]['frame_id'] != len(images) - 1:
                    renumbered.append(video['video_name'])
            elif images != sorted(images, key=lambda image: natural_key(image['file_name'])):
                by_file.append(video['video_name'])
            video['images'] = [image if image.get('frame_id') == i else dict(image, frame_id=i)
                               for i, image in enumerate(images)]
        if renumbered:
            warnings.warn(
                f'{self.path}: the frame ids of video {renumbered[0]!r} '
                f'({len(renumbered)} such videos) are not 0 .. n - 1. The frames are renumbered '
                'in their order; references count existing frames', stacklevel=2)
        if by_file:
            warnings.warn(
                f'{self.path}: the frames of video {by_file[0]!r} ({len(by_file)} such videos) '
                'have no frame_id; they are in the order of the file, which is not that of the '
                'numbers in their names: set frame_id', stacklevel=2)

    def _check_frame_ids(self, name: str, images: list[dict]) -> None:
        for first, second in pairwise(images):
            if first['frame_id'] == second['frame_id']:
                raise ValueError(
                    f'{self.path}: video {name!r} has frame_id {first["frame_id"]} twice: '
                    f'{first["file_name"]} and {second["file_name"]}; renumber its frames')

    def _check_sizes(self, video: dict) -> None:
        sized = [image for image in video['images'] if None not in image_size(image)]
        for image in sized:
            if image_size(image) != image_size(sized[0]):
                raise ValueError(
                    f'{self.path}: video {video["video_name"]!r} has frames of different size: '
                    f'frame {sized[0]["frame_id"]} ({sized[0]["file_name"]}) is '
                    f'{image_size(sized[0])} (height, width), frame {image["frame_id"]} '
                    f'({image["file_name"]}) is {image_size(image)}. Resize or split the video')

    def instances(self, image: dict, labels: dict[Hashable, int]) -> list[dict[str, Any]]:
        """Valid boxes of an image in mmdet's form, (x1, y1, x2, y2); invalid ones are counted."""
        instances = []
        for position, annotation in self.valid_annotations(image, labels):
            x, y, w, h = annotation['bbox']
            instance = dict(bbox=[x, y, x + w, y + h],
                            bbox_label=labels[annotation['category_id']],
                            ignore_flag=int(bool(annotation.get('iscrowd', False))),
                            instance_id=self._instance_number(annotation, position))
            if annotation.get('segmentation'):
                instance['mask'] = annotation['segmentation']
            instances.append(instance)
        return instances

    def has_instance_ids(self, image: dict) -> bool:
        """Whether the file names the instance of every box of an image."""
        return all(annotation.get('instance_id') is not None
                   for annotation in self.annotations.get(image['id'], []))

    def _instance_number(self, annotation: dict, position: int) -> int:
        instance_id = annotation.get('instance_id')
        if instance_id is None:
            return position
        return (instance_id if self._instance_numbers is None
                else self._instance_numbers[instance_id])

    def valid_annotations(self, image: dict, labels: dict[Hashable, int]
                          ) -> Iterator[tuple[int, dict]]:
        """Iterate over the valid annotations of an image, with their position in it."""
        for position, annotation in enumerate(self.annotations.get(image['id'], [])):
            if annotation['category_id'] not in labels:
                continue
            problem = box_problem(annotation, image)
            if problem:
                self.dropped[problem] += 1
            else:
                yield position, annotation

    def warn_of_dropped_boxes(self) -> None:
        """Warn once of the boxes dropped by :meth:`instances`, with counts and reasons."""
        if self.dropped:
            reasons = ', '.join(f'{count} {why}' for why, count in sorted(self.dropped.items()))
            warnings.warn(f'{self.path}: boxes were dropped: {reasons}', stacklevel=2)
            self.dropped.clear()


def read_joined(paths: Sequence[str], backend_args: dict[str, Any] | None = None
                ) -> dict[str, Any]:
    """Content of several COCO-VID files with the same classes, as that of one file.

    Categories get the ids of the first file.

    Args:
        paths: The files; ids of their videos and images are all different.
        backend_args: Storage backend, see ``mmengine.fileio``.

    Raises:
        ValueError: If a file is invalid, or has other classes than the first one.
    """
    files = [CocoVIDFile(path, backend_args) for path in paths]
    wanted = {category['name']: category['id'] for category in files[0].categories}
    joined = dict(categories=files[0].categories, videos=[], images=[], annotations=[])
    for file in files:
        if set(file.classes) != set(wanted):
            raise ValueError(f'{file.path} has the classes {file.classes}, {files[0].path} has '
                             f'{tuple(wanted)}: files that are evaluated together need the same')
        ids = {category['id']: wanted[category['name']] for category in file.categories}
        joined['videos'] += file.video_infos
        joined['images'] += file.images
        joined['annotations'] += [
            {**annotation, 'category_id': ids[annotation['category_id']]}
            for annotations in file.annotations.values() for annotation in annotations
            if annotation['category_id'] in ids]
    return joined


def check_content(content: object, path: str) -> None:
    """Raise for a json that is not in COCO format.

    Raises:
        ValueError: If it is not a dict with images.
    """
    if not isinstance(content, dict) or not content.get('images'):
        raise ValueError(f'{path} lists no images: a COCO-VID json needs the keys images, '
                         'categories and annotations')


def image_size(image: dict) -> tuple[int | None, int | None]:
    """Annotated ``(height, width)``; None where the file does not give it."""
    return image.get('height'), image.get('width')


def instance_numbers(ids: Iterable[Hashable]) -> dict[Hashable, int] | None:
    """Number of every instance id where some are no int32, as mmdet stores them; else None."""
    ids = [i for i in ids if i is not None]
    if all(isinstance(i, int) and -2**31 <= i < 2**31 for i in ids):
        return None
    return {value: n for n, value in enumerate(ids)}


def shortened(items: Sequence[object], limit: int = 10) -> str:
    """A list as text, cut after ``limit`` items."""
    shown = ', '.join(map(repr, items[:limit]))
    return shown + (f', ... ({len(items)} in all)' if len(items) > limit else '')


def box_problem(annotation: dict, image: dict) -> str | None:
    """Reason why a box is not used, or None."""
    if annotation.get('ignore'):
        return ('marked "ignore" (what is detected there counts as false: mark regions that '
                'training and evaluation shall pass over with iscrowd instead)')
    box = annotation.get('bbox')
    if box is None:
        return 'without four numbers'
    x, y, w, h = box
    if not (w >= 1 and h >= 1):
        return 'of less than one pixel'
    height, width = image_size(image)
    if height is None or width is None:
        return None
    inside_w, inside_h = min(x + w, width) - max(x, 0), min(y + h, height) - max(y, 0)
    return None if inside_w > 0 and inside_h > 0 else 'outside of the image'
