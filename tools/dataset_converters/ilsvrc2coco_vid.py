"""Convert ImageNet VID to COCO-VID json, as MMTracking does (see docs/dataset_prepare.md)."""

import argparse
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from coco_vid import CocoVidBuilder
from ilsvrc import (
    NUMBER_RULES,
    VID_CATEGORIES,
    IlsvrcError,
    ImageFiles,
    VideoEntry,
    key_frames,
    load_videos,
    read_xml,
)
from ilsvrc_cli import build_parser, read_categories, run
from tqdm import tqdm


def convert_videos(root: Path, entries: Iterable[VideoEntry], rule: str | None,
                   categories: Iterable[dict[str, Any]] = VID_CATEGORIES) -> dict[str, Any]:
    """Convert videos.

    Args:
        root: Folder that holds ``Annotations/VID``.
        entries: Videos in the order in which they are written.
        rule: How frame numbers of the list become key frames, of ``NUMBER_RULES``; None for
            validation, which has no key frames.
        categories: Entries of ``categories``.

    Returns:
        The content of the json file.
    """
    builder, files = CocoVidBuilder(categories), ImageFiles(root / 'Data/VID')
    for entry in tqdm(list(entries), desc='convert', unit='video'):
        frames, outside = key_frames(entry, rule) if rule else ([], [])
        if outside:
            warnings.warn(f'{entry.name} has {entry.length} frames, but the list names key frames '
                          f'{outside} (0-based): see --frame-numbers', stacklevel=2)
        builder.add_video(entry.name, frames)
        for frame_id in range(entry.length):
            name = f'{entry.name}/{frame_id:06d}'
            content = read_xml(root / 'Annotations/VID' / f'{name}.xml')
            builder.add_frame(files.name(name), content.size, frame_id)
            for item in content.objects:
                builder.add_object(item)
    return builder.to_dict()


def convert_split(args: argparse.Namespace, split: str) -> dict[str, Any]:
    """Convert ``'train'`` or ``'val'`` with the options of the command line."""
    entries = load_videos(args.root, split, getattr(args, f'{split}_list'))
    if not entries:
        depth = 'train/PART/VIDEO' if split == 'train' else 'val/VIDEO'
        raise IlsvrcError(f'{args.root} has no videos for {split}: expected folders of images as '
                          f'Data/VID/{depth}')
    categories = read_categories(args.categories) if args.categories else VID_CATEGORIES
    return convert_videos(args.root, entries, args.frame_numbers if split == 'train' else None,
                          categories)


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = build_parser(__doc__)
    parser.add_argument('--splits', nargs='+', choices=('train', 'val'), default=('train', 'val'))
    for split in ('train', 'val'):
        parser.add_argument(f'--{split}-list', type=Path, metavar='FILE',
                            help='list file (default: looked for in ImageSets and Lists, '
                            'otherwise made from the tree)')
    parser.add_argument('--frame-numbers', choices=tuple(NUMBER_RULES), default='mmtracking',
                        help='key frames are the numbers of the training list minus 1 '
                        '(mmtracking) or the numbers themselves (fgfa, also mega.pytorch)')
    args = parser.parse_args(argv)
    return run(args, parser, tuple(args.splits), convert_split)


if __name__ == '__main__':
    sys.exit(main())
