"""Rules of COCO-VID annotation files, applied by ``check_coco_vid``."""

import itertools
import math
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from problems import Problem

from mmvod_plugins.evaluation.functional import GroundTruth
from mmvod_plugins.utils.names import natural_key
from mmvod_plugins.video_files import read_frame, split_frame_name

Entry = dict[str, Any]
_ORIENTATION = 0x0112
_LISTS = ('images', 'annotations', 'categories')


@dataclass
class _File:
    """Content of a file, with its entries by id.

    Attributes:
        images: Entries of ``images`` that are usable.
        annotations: Entries of ``annotations`` that are usable.
        categories: Entries of ``categories`` that are usable.
        videos: Entries of ``videos`` that are usable.
        has_videos: Whether the file has videos.
    """

    images: list[Entry] = field(default_factory=list)
    annotations: list[Entry] = field(default_factory=list)
    categories: list[Entry] = field(default_factory=list)
    videos: list[Entry] = field(default_factory=list)
    has_videos: bool = False

    def __post_init__(self) -> None:
        self.image_by_id = {item['id']: item for item in self.images}
        self.video_ids = {item['id'] for item in self.videos}
        self.category_ids = {item['id'] for item in self.categories}

    def frames_by_video(self) -> dict[int, list[Entry]]:
        """Images of each video, in the order of the file."""
        frames = defaultdict(list)
        for image in self.images:
            if _whole(image.get('video_id')):
                frames[image['video_id']].append(image)
        return frames


def check_coco_vid(content: Any, img_root: Path | None = None  # noqa: ANN401
                   ) -> list[Problem]:
    """Find the problems in the content of a COCO-VID file.

    Args:
        content: What ``json.load`` returned.
        img_root: Folder that ``file_name`` is relative to; None does not look for the images.

    Returns:
        Problems, errors and warnings mixed; empty if the file is in order.
    """
    problems = list(_check_outline(content))
    if problems:
        return problems
    parts = {}
    for name in ('videos', *_LISTS):
        parts[name], found = _usable(content.get(name, []), name)
        problems.extend(found)
    has_videos = bool(parts['videos']) or any('video_id' in item for item in parts['images'])
    file = _File(**parts, has_videos=has_videos)
    for rule in _RULES:
        problems.extend(rule(file))
    problems.extend(_check_loading(content, known=any(item.is_error for item in problems)))
    if img_root is not None:
        problems.extend(_check_files(file, img_root))
    return problems


def _check_outline(content: Any) -> Iterator[Problem]:  # noqa: ANN401
    """Lists that every file needs."""
    if not isinstance(content, dict):
        yield Problem('outline', 'file', f'holds a {type(content).__name__}, expected an object',
                      'write {"categories", "videos", "images", "annotations"}')
        return
    for name in _LISTS:
        if not isinstance(content.get(name), list):
            yield Problem('outline', f'"{name}"', 'missing or not a list', 'add the list')
    if not isinstance(content.get('videos', []), list):
        yield Problem('outline', '"videos"', 'not a list', 'make it a list')


def _check_loading(content: dict[str, Any], *, known: bool) -> Iterator[Problem]:
    """Read the file as data sets and metrics do; ``known``: errors were found already."""
    refused = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        try:
            GroundTruth.from_coco_vid(content)
        except ValueError as error:
            refused = str(error)
    for item in caught:
        yield Problem('loading', 'file', str(item.message).removeprefix('annotations: '),
                      'data sets and metrics warn of this', is_error=False)
    if refused and not known:
        yield Problem('loading', 'file', refused.removeprefix('annotations: '),
                      'data sets and metrics refuse the file')


def _usable(entries: list[Any], part: str) -> tuple[list[Entry], list[Problem]]:
    """Entries with a unique integer id, and the problems of the others."""
    usable, problems, seen = [], [], set()
    for i, item in enumerate(entries):
        entry_id = item.get('id') if isinstance(item, dict) else None
        if isinstance(entry_id, bool) or not isinstance(entry_id, int):
            problems.append(Problem(f'{part} id', f'entry {i} of "{part}"',
                                    f'its id is {entry_id!r}', 'give it a whole number'))
        elif entry_id in seen:
            problems.append(Problem(f'duplicate {part} id', f'entry {i} of "{part}"',
                                    f'id {entry_id} is taken by an earlier entry',
                                    'number the entries from 1'))
        else:
            seen.add(entry_id)
            usable.append(item)
    return usable, problems


def _check_categories(file: _File) -> Iterator[Problem]:
    if not file.categories:
        yield Problem('categories', '"categories"', 'empty', 'list the classes')
    names = Counter(repr(item.get('name')) for item in file.categories)
    for item in file.categories:
        name = item.get('name')
        if not isinstance(name, str) or not name:
            yield Problem('category name', f'category {item["id"]}', f'its name is {name!r}',
                          'give it the name of the class')
        elif names[repr(name)] > 1:
            yield Problem('category name', f'category {item["id"]}',
                          f'{names[repr(name)]} categories have the name {name!r}',
                          'keep one of them')


def _check_videos(file: _File) -> Iterator[Problem]:
    frames = file.frames_by_video()
    for video in file.videos:
        if video['id'] not in frames:
            yield Problem('empty video', f'video {video["id"]}', 'no image belongs to it',
                          'remove it or set video_id of its images', is_error=False)
        if not isinstance(video.get('name'), str):
            yield Problem('video name', f'video {video["id"]}', 'has no name',
                          'add the folder of its frames', is_error=False)


def _check_images(file: _File) -> Iterator[Problem]:
    names = Counter(repr(item.get('file_name')) for item in file.images)
    for image in file.images:
        where, name = f'image {image["id"]}', image.get('file_name')
        if not isinstance(name, str) or not name:
            yield Problem('file_name', where, f'its file_name is {name!r}',
                          'add the path below the image folder')
        elif names[repr(name)] > 1:
            yield Problem('duplicate file_name', where,
                          f'{name} is used {names[repr(name)]} times',
                          'check that every frame has its own image', is_error=False)
        for key in ('height', 'width'):
            if not _positive(image.get(key)):
                yield Problem('image size', where, f'its {key} is {image.get(key)!r}',
                              'write the size in pixels')
        if file.has_videos and 'video_id' not in image:
            yield Problem('no video_id', where, 'belongs to no video',
                          'set video_id, or it is used as a video of one frame', is_error=False)
        elif file.has_videos and not (_whole(image['video_id'])
                                      and image['video_id'] in file.video_ids):
            yield Problem('unknown video', where, f'video_id {image["video_id"]!r} is not in '
                          '"videos"', 'add the video or correct the video_id')


def _check_frame_ids(file: _File) -> Iterator[Problem]:
    for video_id, images in file.frames_by_video().items():
        where = f'video {video_id}'
        valid = [item for item in images if _whole(item.get('frame_id'))]
        for item in images:
            if not _whole(item.get('frame_id')):
                yield Problem('frame_id', f'image {item["id"]} of {where}',
                              f'its frame_id is {item.get("frame_id")!r}',
                              'number the frames of each video from 0')
        frame_ids = [item['frame_id'] for item in valid]
        for frame_id, number in sorted(Counter(frame_ids).items()):
            if number > 1:
                images_of = [item['id'] for item in valid if item['frame_id'] == frame_id]
                yield Problem('duplicate frame_id', where, f'images {images_of} all have frame_id '
                              f'{frame_id}', 'number the frames of each video from 0')
        present = set(frame_ids)
        number = max(present, default=-1) + 1 - len(present)
        if number:
            first = itertools.islice((i for i in itertools.count() if i not in present),
                                     min(number, 5))
            shown = ', '.join(map(str, first)) + (', ...' if number > 5 else '')
            yield Problem('frame_id gap', where, f'{number} frame_ids are missing: {shown}',
                          'number the frames from 0 without gaps; list frames without objects too')
        names = [item['file_name'] for item in sorted(valid, key=lambda item: item['frame_id'])
                 if isinstance(item.get('file_name'), str)]
        if names != sorted(names, key=natural_key):
            first = next(pair for pair in itertools.pairwise(names)
                         if natural_key(pair[0]) > natural_key(pair[1]))
            yield Problem('name order', where, f'{first[0]} comes before {first[1]}',
                          'check that frame_id follows the numbers in the names', is_error=False)
        if frame_ids != sorted(frame_ids):
            yield Problem('frame order', where, 'its images are not in the order of frame_id',
                          'sort "images", stock mmdet keeps their order', is_error=False)


def _check_frame_sizes(file: _File) -> Iterator[Problem]:
    for video_id, images in file.frames_by_video().items():
        sizes = Counter(f'{item.get("height")}x{item.get("width")}' for item in images)
        if len(sizes) > 1:
            found = ', '.join(f'{n} of {size}' for size, n in sizes.most_common(3))
            yield Problem('frame size', f'video {video_id}', f'frames differ in size: {found}',
                          'resize the frames or split the video')


def _check_key_frames(file: _File) -> Iterator[Problem]:
    without = [item['id'] for item in file.images if 'is_vid_train_frame' not in item]
    if without and file.has_videos:
        found = (f'{len(without)} of {len(file.images)} images have none, the first is image '
                 f'{without[0]}')
        yield Problem('is_vid_train_frame', '"images"', found,
                      'add it, or every frame is a key frame in training', is_error=False)


def _check_annotation_links(file: _File) -> Iterator[Problem]:
    for item in file.annotations:
        where, image_id = f'annotation {item["id"]}', item.get('image_id')
        image = file.image_by_id.get(image_id) if _whole(image_id) else None
        if image is None:
            yield Problem('unknown image', where, f'its image_id is {image_id!r}, which is not in '
                          '"images"', 'remove the annotation or add the image')
        elif 'video_id' in image and item.get('video_id', image['video_id']) != image['video_id']:
            yield Problem('video mismatch', where, f'video_id {item["video_id"]!r}, but its image '
                          f'{image["id"]} is in video {image["video_id"]!r}',
                          'give it the video_id of its image')
        category_id = item.get('category_id')
        if not _whole(category_id) or category_id not in file.category_ids:
            yield Problem('unknown category', where, f'its category_id is {category_id!r}',
                          'use an id of "categories"')


def _check_boxes(file: _File) -> Iterator[Problem]:
    for item in file.annotations:
        where, box = f'annotation {item["id"]}', item.get('bbox')
        if not isinstance(box, list) or len(box) != 4 or not all(map(_finite, box)):
            yield Problem('bbox', where, f'its bbox is {box!r}', 'write [x, y, width, height]')
            continue
        x, y, width, height = box
        if width < 1 or height < 1:
            yield Problem('empty box', where, f'bbox {box}',
                          'boxes below 1 pixel are dropped when loading', is_error=False)
            continue
        if not _positive(item.get('area', width * height)):
            yield Problem('area', where, f'its area is {item["area"]!r}, its bbox {box}',
                          'width * height is used', is_error=False)
        if item.get('ignore'):
            yield Problem('ignore', where, f'ignore is {item["ignore"]!r}',
                          'it is dropped when loading; what is detected there counts as false. '
                          'Mark regions to pass over with iscrowd', is_error=False)
        image_id = item.get('image_id')
        image = file.image_by_id.get(image_id, {}) if _whole(image_id) else {}
        limits = image.get('width'), image.get('height')
        if not all(map(_positive, limits)):
            continue
        if x >= limits[0] or y >= limits[1] or x + width <= 0 or y + height <= 0:
            yield Problem('box outside', where, f'bbox {box} does not touch its image of '
                          f'{limits[0]}x{limits[1]} (width x height)',
                          'it is dropped when loading', is_error=False)
        elif x < 0 or y < 0 or x + width > limits[0] or y + height > limits[1]:
            yield Problem('box beyond image', where, f'bbox {box} leaves its image of '
                          f'{limits[0]}x{limits[1]} (width x height)',
                          'clip it unless this is meant', is_error=False)


def _check_instances(file: _File) -> Iterator[Problem]:
    if not file.has_videos:
        return
    remedy = 'number the objects from 1, over all videos; it is needed to follow an object'
    places: dict[int, set[Any]] = defaultdict(set)
    seen: dict[tuple[int, int], int] = {}
    for item in file.annotations:
        where, instance = f'annotation {item["id"]}', item.get('instance_id')
        if instance is None and item.get('iscrowd'):
            continue  # a region is no object
        if not _whole(instance) or instance == 0:
            yield Problem('instance_id', where, f'its instance_id is {instance!r}', remedy,
                          is_error=False)
            continue
        image_id = item.get('image_id')
        image = file.image_by_id.get(image_id) if _whole(image_id) else None
        if image is None:
            continue
        first = seen.setdefault((image_id, instance), item['id'])
        if first != item['id']:
            yield Problem('duplicate instance', where, f'instance {instance} is in image '
                          f'{image_id} already, as annotation {first}',
                          'give every object of a frame its own number')
        places[instance].add(repr(image.get('video_id')))
    for instance, videos in places.items():
        if len(videos) > 1:
            yield Problem('shared instance', f'instance {instance}',
                          f'occurs in {len(videos)} videos', remedy, is_error=False)


def _check_files(file: _File, img_root: Path) -> Iterator[Problem]:
    for image in file.images:
        name = image.get('file_name')
        if not isinstance(name, str) or not name:
            continue
        path, place = img_root / name, split_frame_name(str(img_root / name))
        if place is not None and not path.is_file() and Path(place[0]).is_file():
            yield from _check_frame(*place, image)
        elif path.is_file():
            yield from _check_file(path, image)
        else:
            yield Problem('file missing', f'image {image["id"]}', f'there is no {path}',
                          'correct file_name or the image folder')


def _check_frame(file: str, number: int, image: Entry) -> Iterator[Problem]:
    """Compare a frame of a video file with its entry."""
    try:
        size = read_frame(file, number).shape[:2]
    except (OSError, LookupError) as error:
        yield Problem('file unreadable', f'image {image["id"]}', str(error),
                      'correct the number after # or restore the file')
        return
    if size != (image.get('height'), image.get('width')):
        yield Problem('file size', f'image {image["id"]}', f'{file} has frames of {size} (height, '
                      f'width), annotated are {image.get("height")}, {image.get("width")}',
                      'correct height, width and boxes')


def _check_file(path: Path, image: Entry) -> Iterator[Problem]:
    """Compare an image with its entry; only its header is read."""
    where = f'image {image["id"]}'
    try:
        with Image.open(path) as file:
            size, turned = (file.height, file.width), file.getexif().get(_ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        yield Problem('file unreadable', where, f'{path} is no image: {error}',
                      'restore the file')
        return
    # Loaders turn images upright, so their sides may swap.
    decoded = size[::-1] if turned >= 5 else size
    annotated = image.get('height'), image.get('width')
    if decoded != annotated:
        orientation = f' (EXIF orientation {turned} of a file that is stored as {size})'
        yield Problem('file size', where, f'{path} is loaded as {decoded} (height, width)'
                      f'{orientation if turned >= 5 else ""}, but annotated as {annotated}',
                      'correct height, width and boxes; store images without EXIF orientation')
    elif turned != 1:
        yield Problem('orientation', where, f'{path} is turned by its EXIF orientation {turned} '
                      'when it is loaded', 'check that the boxes were drawn on the turned image, '
                      'or store images without EXIF orientation', is_error=False)


def _finite(value: Any) -> bool:  # noqa: ANN401
    """Whether a value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _positive(value: Any) -> bool:  # noqa: ANN401
    """Whether a value is a finite number above 0."""
    return _finite(value) and value > 0


def _whole(value: Any) -> bool:  # noqa: ANN401
    """Whether a value is an integer of at least 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_RULES: tuple[Callable[[_File], Iterator[Problem]], ...] = (
    _check_categories, _check_videos, _check_images, _check_frame_ids, _check_frame_sizes,
    _check_key_frames, _check_annotation_links, _check_boxes, _check_instances)
