"""Convert YouTube-VIS or OVIS json to COCO-VID (see docs/own_data.md)."""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from coco_vid import VidObject
from own_data import LabelledFrame, LabelledVideo, build_parser, run

from mmvod_plugins.datasets.coco_values import ValueReader, read_json


def videos(args: argparse.Namespace) -> Iterator[LabelledVideo]:
    """The videos of a file."""
    content, path = read_json(str(args.source)), str(args.source)
    if not isinstance(content, dict) or not content.get('annotations'):
        raise ValueError(f'{path} has no annotations: the published files of test and validation '
                         'have none')
    reader, tracks = ValueReader(path), defaultdict(list)
    names = {item['id']: item['name'] for item in reader.entries(content, 'categories')}
    for item in reader.entries(content, 'annotations'):
        if item.get('category_id') not in names:
            raise ValueError(f'{path}: annotation {item["id"]}: category_id '
                             f'{item.get("category_id")!r} is not in "categories"')
        tracks[item.get('video_id')].append(item)
    for video in reader.entries(content, 'videos'):
        files = video.get('file_names')
        if not files or not isinstance(files, list) or None in map(video.get, ('height', 'width')):
            raise ValueError(f'{path}: video {video["id"]} lacks the list "file_names", height or '
                             'width')
        objects: list[list[VidObject]] = [[] for _ in files]
        for item in tracks.pop(video['id'], ()):
            add_track(objects, item, names[item['category_id']], path)
        yield LabelledVideo(files[0].rpartition('/')[0] or str(video['id']), [
            LabelledFrame(name, (video['height'], video['width']), found)
            for name, found in zip(files, objects, strict=True)])
    if tracks:
        raise ValueError(f'{path}: annotation {next(iter(tracks.values()))[0]["id"]} is of video '
                         f'{next(iter(tracks))}, which is not in "videos"')


def add_track(objects: list[list[VidObject]], item: dict[str, Any], name: str, path: str) -> None:
    """Add an annotation, which has a box or null for each frame, to the objects of the frames."""
    boxes = item.get('bboxes')
    if not isinstance(boxes, list) or len(boxes) != len(objects):
        raise ValueError(f'{path}: annotation {item["id"]} needs a list "bboxes" with a box or '
                         f'null for each of the {len(objects)} frames of its video; masks alone '
                         'are not converted')
    for frame, box in zip(objects, boxes, strict=True):
        if box is None:
            continue
        if not isinstance(box, list) or len(box) != 4:
            raise ValueError(f'{path}: annotation {item["id"]} has the box {box!r}, expected x, y, '
                             'width, height')
        x, y, width, height = box
        frame.append(VidObject(name, (x, y, x + width, y + height), str(item['id']),
                               crowd=bool(item.get('iscrowd'))))


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    return run(build_parser(__doc__, 'json with videos, categories and annotations'
                            ).parse_args(argv), videos)


if __name__ == '__main__':
    sys.exit(main())
