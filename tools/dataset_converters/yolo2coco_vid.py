"""Convert YOLO text files, one for each frame, to COCO-VID (see docs/own_data.md)."""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import yaml
from coco_vid import VidObject
from label_files import build_label_parser, labelled_videos
from own_data import LabelledVideo, run

NAME_FILES = ('classes.txt', 'obj.names', 'data.yaml')


def read_yolo(path: Path, size: tuple[int, int], names: Sequence[str]) -> list[VidObject]:
    """Objects of a file: ``class x y width height [track]`` or ``class x1 y1 x2 y2 ...``.

    Numbers are shares of the image; x and y are the centre of a box. A polygon becomes the box
    around it.

    Raises:
        ValueError: If a line is something else, or its class has no name, with its number.
    """
    objects = []
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        if not line.strip():
            continue
        try:
            label, *values = map(float, line.split())
        except ValueError:
            label, values = math.nan, []
        polygon = len(values) >= 6 and len(values) % 2 == 0
        if not (polygon or len(values) in (4, 5)) or not all(map(math.isfinite, [label, *values])):
            raise ValueError(f'{path}, line {number}: {line!r} is neither "class x y width height" '
                             'nor a polygon')
        if not label.is_integer() or not 0 <= label < len(names):
            raise ValueError(f'{path}, line {number}: class {label:g} has no name, there are '
                             f'{len(names)} names: {", ".join(names)}')
        if len(values) == 5 and not values[4].is_integer():
            raise ValueError(f'{path}, line {number}: {values[4]:g} is no track number; are these '
                             'predictions with scores?')
        if len(values) == 6 and values[5].is_integer() and values[5] >= 1:
            raise ValueError(f'{path}, line {number}: {line!r} looks like a prediction with score '
                             'and track: remove the score')
        if any(not -0.5 <= value <= 1.5 for value in (values if polygon else values[:4])):
            raise ValueError(f'{path}, line {number}: {line!r} is not in shares of the image')
        x, y, width, height = values[:4]
        box = (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])
               ) if polygon else (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        scaled = [round(value * size[1 - i % 2], 3) for i, value in enumerate(box)]
        objects.append(VidObject(names[int(label)], tuple(scaled),
                                 f'{values[4]:.0f}' if len(values) == 5 else ''))
    return objects


def read_names(path: Path) -> list[str]:
    """Class names: a line each, or ``names`` of a yaml file.

    Raises:
        ValueError: If there are none.
    """
    text = path.read_text(encoding='utf-8')
    if path.suffix in ('.yaml', '.yml'):
        content = yaml.safe_load(text)
        names = content.get('names') if isinstance(content, dict) else None
        names = list(names.values()) if isinstance(names, dict) else names
    else:
        names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names or not isinstance(names, list):
        raise ValueError(f'{path} has no names of classes')
    return [str(name) for name in names]


def videos(args: argparse.Namespace) -> Iterator[LabelledVideo]:
    """The videos of a folder of labels."""
    places = [folder / name for folder in (args.source, args.source.parent) for name in NAME_FILES]
    file = args.names or next((place for place in places if place.is_file()), None)
    if file is None:
        raise ValueError(f'{args.source} has none of {", ".join(NAME_FILES)}: name a file of class '
                         'names with --names')
    return labelled_videos(args, '.txt', partial(read_yolo, names=read_names(file)), file.name)


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = build_label_parser(__doc__, '.txt')
    parser.add_argument('--names', type=Path, metavar='FILE', help='names of the classes, a line '
                        'each, or names in a .yaml; by default '
                        f'{", ".join(NAME_FILES)} in or above the folder of labels')
    return run(parser.parse_args(argv), videos)


if __name__ == '__main__':
    sys.exit(main())
