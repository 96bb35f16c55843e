"""Convert Pascal VOC xml files, one for each frame, to COCO-VID (see docs/own_data.md)."""

import sys
from pathlib import Path

from coco_vid import VidObject
from ilsvrc import IlsvrcError, read_xml
from label_files import build_label_parser, labelled_videos
from own_data import run


def read_voc(path: Path, size: tuple[int, int]) -> tuple[VidObject, ...]:
    """Objects of a file; ``trackid`` becomes the track.

    Raises:
        ValueError: If it is damaged, or is of an image of another size.
    """
    try:
        found = read_xml(path)
    except IlsvrcError as error:
        raise ValueError(str(error)) from error
    if found.size != size:
        raise ValueError(f'{path} is of an image of {found.size} (height, width), the image has '
                         f'{size}')
    return found.objects


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    args = build_label_parser(__doc__, '.xml').parse_args(argv)
    return run(args, lambda args: labelled_videos(args, '.xml', read_voc))


if __name__ == '__main__':
    sys.exit(main())
