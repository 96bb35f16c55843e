"""Convert plain COCO json, the frames of videos without video_id, to COCO-VID.

    python tools/dataset_converters/coco2coco_vid.py frames.json videos.json --videos-from-folders

Labelling tools export the frames of videos like that (see docs/dataset_prepare.md).
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from coco_vid import write_json
from coco_vid_rules import check_coco_vid
from problems import report

from mmvod_plugins.datasets.coco_values import ValueReader, read_json
from mmvod_plugins.utils.names import VIDEO_SUFFIXES, natural_key, path_parts

Entry = dict[str, Any]


def folder_of(file_name: str) -> str | None:
    """The folder of a file; None without one."""
    return '/'.join(path_parts(file_name)[:-1]) or None


def name_before_number(file_name: str) -> str | None:
    """A path without the last number and what separates it; None without a number or a name.

    ``street_000012.png`` is a frame of ``street``.
    """
    found = re.fullmatch(r'(.*?)[-_. ]*(\d+)', '/'.join(path_parts(file_name)))
    return (found[1].rstrip('/') or None) if found else None


def to_videos(content: dict[str, Any], path: str,
              video_of: Callable[[str], str | None]) -> tuple[dict[str, Any], list[str]]:
    """Make videos of images.

    Args:
        content: Plain COCO. Frames of a video are ordered by the numbers in their names.
        path: Its file, for messages.
        video_of: Name of the video of a ``file_name``, or None.

    Returns:
        The content in COCO-VID format, and remarks for the user.

    Raises:
        ValueError: If the file is faulty, has videos already, or no video is found.
    """
    reader = ValueReader(path)
    images, annotations = (reader.entries(content, part) for part in ('images', 'annotations'))
    reader.warn()
    if not images or content.get('videos') or any(i.get('video_id') is not None for i in images):
        raise ValueError(f'{path} has no images, or has videos already: there is nothing to '
                         'convert; run check_coco_vid.py on it')
    grouped: dict[str, list[Entry]] = defaultdict(list)
    names = [video_of(image['file_name']) for image in images]
    for image, name in zip(images, names, strict=True):
        if name is not None:
            grouped[name].append(image)
    without = names.count(None)
    if not grouped or max(map(len, grouped.values())) == 1:
        raise ValueError(f'{path}: no two images are of one video: {len(grouped)} names of videos '
                         f'in {len(images)} file_names, for instance {images[0]["file_name"]!r}. '
                         'Try the other one of --videos-from-folders and --videos-from-names')
    if without:
        raise ValueError(f'{path}: {without} of {len(images)} images name no video, the first is '
                         f'{images[names.index(None)]["file_name"]!r}; move them to a json of '
                         'their own')
    videos, frames = [], []
    for name in sorted(grouped, key=natural_key):
        videos.append(dict(id=len(videos) + 1, name=name))
        ordered = sorted(grouped[name], key=lambda image: natural_key(image['file_name']))
        frames += [{**image, 'video_id': len(videos), 'frame_id': frame_id,
                    'is_vid_train_frame': True} for frame_id, image in enumerate(ordered)]
    video_ids = {image['id']: image['video_id'] for image in frames}
    annotations, remarks = _objects(annotations, video_ids)
    return {**content, 'videos': videos, 'images': frames, 'annotations': annotations}, [
        *_gaps(frames, videos), *remarks]


def name_frames_of_files(content: dict[str, Any], root: Path, first: int) -> None:
    """Name images as frames of video files, in place.

    Args:
        content: With videos.
        root: Folder of the video files, which have the names of the videos.
        first: Number of the first frame in the names.

    Raises:
        ValueError: If there is no such file, or a name has no number from ``first`` on.
    """
    files = {}
    for video in content['videos']:
        found = [root / f'{video["name"]}{suffix}' for suffix in VIDEO_SUFFIXES]
        path = next((path for path in found if path.is_file()), None)
        if path is None:
            raise ValueError(f'{root} has no video file {video["name"]} with one of '
                             f'{VIDEO_SUFFIXES}')
        files[video['id']] = path.relative_to(root).as_posix()
    for image in content['images']:
        number = re.search(r'(\d+)$', '/'.join(path_parts(image['file_name'])))
        if number is None or int(number[1]) < first:
            raise ValueError(f'{image["file_name"]!r} has no frame number of {first} or more at '
                             'its end')
        image['file_name'] = f'{files[image["video_id"]]}#{int(number[1]) - first}'


def _gaps(frames: list[Entry], videos: list[Entry]) -> list[str]:
    """Remark on frames whose numbers jump."""
    jumps: Counter[int] = Counter()
    for first, second in pairwise(frames):
        numbers = [re.search(r'(\d+)\D*$', '/'.join(path_parts(image['file_name'])))
                   for image in (first, second)]
        if first['video_id'] == second['video_id'] and all(numbers):
            jumps[first['video_id']] += int(numbers[1][1]) - int(numbers[0][1]) > 1
    jumps = +jumps
    if not jumps:
        return []
    video_id = next(iter(jumps))
    return [f'the numbers of the frames jump {jumps.total()} times in {len(jumps)} videos (the '
            f'first one: {videos[video_id - 1]["name"]!r}): frames without objects may not have '
            'been exported; references count the frames of the file']


def _objects(annotations: list[Entry],
             video_ids: dict[Any, int]) -> tuple[list[Entry], list[str]]:
    """Annotations with ``video_id``, and ``instance_id`` where the export follows objects."""
    numbers: dict[tuple[int, str], int] = {}
    converted = []
    for entry in annotations:
        video_id, extra = video_ids.get(entry.get('image_id')), entry.get('attributes')
        track = entry.get('track_id', extra.get('track_id') if isinstance(extra, dict) else None)
        entry = entry if video_id is None else {**entry, 'video_id': video_id}
        if track is not None and entry.get('instance_id') is None and video_id is not None:
            number = numbers.setdefault((video_id, str(track)), len(numbers) + 1)
            entry = {**entry, 'instance_id': number}
        converted.append(entry)
    followed = sum(entry.get('instance_id') is not None for entry in converted)
    if followed == len(converted):
        return converted, []
    return converted, [f'{len(converted) - followed} of {len(converted)} annotations have neither '
                       'instance_id nor track_id: these objects cannot be followed']


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('annotations', type=Path, help='plain COCO json')
    parser.add_argument('out', type=Path, help='COCO-VID json to write')
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument('--videos-from-folders', action='store_const', dest='video_of',
                       const=folder_of, help='the images of a folder are the frames of a video')
    group.add_argument('--videos-from-names', action='store_const', dest='video_of',
                       const=name_before_number,
                       help='the file name before the frame number names the video')
    parser.add_argument('--video-root', type=Path, metavar='DIR', help='the images were never '
                        'extracted: street_000012.jpg becomes street.mp4#12, a frame of the file '
                        'below this folder')
    parser.add_argument('--first-number', type=int, default=0, metavar='N',
                        help='with --video-root: number of the first frame in the names')
    parser.add_argument('--check', action='store_true', help='write nothing; print every problem '
                        'and warning of what would be written')
    args = parser.parse_args(argv)
    if args.out.resolve() == args.annotations.resolve():
        parser.error('give the output another name than the input')
    try:
        source = read_json(str(args.annotations))
        if not isinstance(source, dict):
            raise ValueError(f'{args.annotations} is no COCO json')
        content, remarks = to_videos(source, str(args.annotations), args.video_of)
        if args.video_root is not None:
            name_frames_of_files(content, args.video_root, args.first_number)
        found = check_coco_vid(content, args.video_root)
        problems = [item for item in found if item.is_error]
        if args.check:
            print(*report(found), *map('warning: {}'.format, remarks), sep='\n')
            return int(bool(problems))
        if problems:
            raise ValueError('\n'.join([f'{args.annotations} is faulty, nothing was written',
                                        *report(problems)]))
        write_json(args.out, content)
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    for remark in remarks:
        print(f'warning: {remark}', file=sys.stderr)
    print(f'{args.out}: {len(content["videos"])} videos, {len(content["images"])} frames, '
          f'{len(content["annotations"])} annotations')
    return 0


if __name__ == '__main__':
    sys.exit(main())
