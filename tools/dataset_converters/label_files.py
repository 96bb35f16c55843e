"""Labels in a file for each image: which images are a video, and which file belongs to which."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from coco2coco_vid import folder_of, name_before_number
from coco_vid import VidObject
from own_data import LabelledFrame, LabelledVideo, build_parser, image_size

from mmvod_plugins.utils.names import IMAGE_SUFFIXES, natural_key

Reader = Callable[[Path, tuple[int, int]], Sequence[VidObject]]


def build_label_parser(description: str | None, suffix: str) -> argparse.ArgumentParser:
    """The common options, and which images are a video.

    Args:
        description: Docstring of the converter.
        suffix: Of a label file.
    """
    parser = build_parser(description, f'folder of the label files: a/1{suffix} belongs to '
                          'a/1.jpg below --img-root')
    group = parser.add_mutually_exclusive_group()
    group.add_argument('--videos-from-folders', action='store_const', dest='video_of',
                       const=folder_of, default=folder_of,
                       help='the images of a folder are the frames of a video (default)')
    group.add_argument('--videos-from-names', action='store_const', dest='video_of',
                       const=name_before_number,
                       help='the file name before the frame number names the video')
    return parser


def labelled_videos(args: argparse.Namespace, suffix: str, read: Reader,
                    besides: str | None = None) -> Iterator[LabelledVideo]:
    """Every image below ``--img-root`` as a frame, in the order of the numbers in the names.

    An image without label file is a frame without objects, with a warning that counts them.

    Args:
        args: Of :func:`build_label_parser`.
        suffix: Of a label file.
        read: Gives the objects of a label file and a frame size; raises ``ValueError``.
        besides: Name of a file that is no label file.

    Raises:
        ValueError: If there are no images, no label files, one of a missing image, or an image
            that is of no video.
    """
    images = sorted((path for path in args.img_root.rglob('*')
                     if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != '.'),
                    key=lambda path: natural_key(path.as_posix()))
    groups: dict[str, list[Path]] = {}
    labels = {path.relative_to(args.source).with_suffix(''): path
              for path in sorted(args.source.rglob(f'*{suffix}'))
              if path.name[0] != '.' and path.name != besides}
    if not images or not labels:
        empty = f'{args.source} has no {suffix} files' if images else (
            f'{args.img_root} has no images {IMAGE_SUFFIXES}')
        raise ValueError(f'{empty}, also not in folders below')
    for path in images:
        relative = path.relative_to(args.img_root).as_posix()
        name = args.video_of(relative)
        if name is None and args.video_of is not folder_of:
            raise ValueError(f'{path} has no number after a name: with --videos-from-names a frame '
                             'is called street_000012.jpg')
        groups.setdefault(name or args.img_root.resolve().name, []).append(path)
    stems = {path.relative_to(args.img_root).with_suffix('') for path in images}
    lost = [path for stem, path in labels.items() if stem not in stems]
    if lost:
        raise ValueError(f'{lost[0]} belongs to no image: there is no '
                         f'{args.img_root / lost[0].relative_to(args.source).with_suffix("")} with '
                         f'one of {IMAGE_SUFFIXES} ({len(lost)} of {len(labels)} files)')
    if len(labels) < len(images):
        warnings.warn(f'{len(images) - len(labels)} of {len(images)} images have no {suffix} '
                      'file: they are frames without objects', stacklevel=2)
    for name, paths in groups.items():
        frames = []
        for path in paths:
            size, relative = image_size(path), path.relative_to(args.img_root)
            file = labels.get(relative.with_suffix(''))
            frames.append(LabelledFrame(relative.as_posix(), size,
                                        read(file, size) if file else ()))
        yield LabelledVideo(name, frames)
