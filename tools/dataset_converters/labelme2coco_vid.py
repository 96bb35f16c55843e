"""Convert labelme json files, one for each frame, to COCO-VID (see docs/own_data.md)."""

import math
import sys
import warnings
from pathlib import Path

from coco_vid import VidObject
from label_files import build_label_parser, labelled_videos
from own_data import run

from mmvod_plugins.datasets.coco_values import read_json


def read_labelme(path: Path, size: tuple[int, int]) -> list[VidObject]:
    """Objects of a file: the box around each shape; ``group_id`` is the track.

    Points and lines are left out with a warning.

    Raises:
        ValueError: If it is no labelme file, or of an image of another size.
    """
    content = read_json(str(path))
    if not isinstance(content, dict) or not isinstance(content.get('shapes'), list):
        raise ValueError(f'{path} is no file of labelme: it has no list "shapes"')
    stated = content.get('imageHeight'), content.get('imageWidth')
    if None not in stated and stated != size:
        raise ValueError(f'{path} is of an image of {stated} (height, width), the image has {size}')
    objects = []
    for number, shape in enumerate(content['shapes']):
        kind = shape.get('shape_type', 'polygon')
        try:
            xs, ys = zip(*((float(x), float(y)) for x, y in shape['points']), strict=True)
            label, group = str(shape['label']), shape.get('group_id')
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f'{path}: shape {number} has no label or no points [[x, y], ...] '
                             f'({error!r})') from error
        if kind == 'circle':  # centre and a point of the rim
            radius = math.dist((xs[0], ys[0]), (xs[-1], ys[-1]))
            xs, ys = ((v[0] - radius, v[0] + radius) for v in (xs, ys))
        elif kind not in ('rectangle', 'polygon', 'mask', 'oriented_rectangle'):
            warnings.warn(f'{path}: shape {number} is a {kind}, which has no box: it is left out',
                          stacklevel=2)
            continue
        objects.append(VidObject(label, (min(xs), min(ys), max(xs), max(ys)),
                                 '' if group is None else f'{label} {group}'))
    return objects


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    args = build_label_parser(__doc__, '.json').parse_args(argv)
    return run(args, lambda args: labelled_videos(args, '.json', read_labelme))


if __name__ == '__main__':
    sys.exit(main())
