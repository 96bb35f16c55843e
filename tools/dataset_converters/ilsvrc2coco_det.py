"""Convert ImageNet DET to COCO json, as MMTracking does (see docs/dataset_prepare.md)."""

import argparse
import sys
from pathlib import Path
from typing import Any

from coco_vid import CocoVidBuilder
from ilsvrc import (
    OTHER_CATEGORY,
    VID_CATEGORIES,
    IlsvrcError,
    ImageFiles,
    find_list,
    read_image_list,
    read_xml,
    stills_of_tree,
)
from ilsvrc_cli import build_parser, read_categories, run
from tqdm import tqdm


def convert_stills(root: Path, listed: list[str] | None,
                   categories: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Convert the training images.

    Args:
        root: Folder that holds ``Annotations/DET``.
        listed: Images used in training, below ``Data/DET`` without suffix; they come first.
            None: those with an object of the categories.
        categories: Entries of ``categories``; other objects are skipped. None: the 30 of
            ImageNet VID, and a last one for all other objects.

    Returns:
        The content of the json file.
    """
    names = stills_of_tree(root)
    known = {item['encode_name'] for item in categories or VID_CATEGORIES}
    contents = {}
    for name in tqdm(dict.fromkeys([*(listed or []), *names]), desc='read xml', unit='image'):
        contents[name] = read_xml(root / 'Annotations/DET' / f'{name}.xml')
    if listed is None:
        listed = [name for name, content in contents.items()
                  if any(item.encode_name in known for item in content.objects)]
    chosen = set(listed)
    builder = CocoVidBuilder(*([categories] if categories else
                               [(*VID_CATEGORIES, OTHER_CATEGORY), OTHER_CATEGORY['id']]))
    files = ImageFiles(root / 'Data/DET')
    for name in (*listed, *(name for name in contents if name not in chosen)):
        builder.add_still(files.name(name), contents[name].size, train=name in chosen)
        for item in contents[name].objects:
            builder.add_object(item)
    return builder.to_dict()


def convert_split(args: argparse.Namespace, split: str) -> dict[str, Any]:
    """Convert the DET images with the options of the command line."""
    path = args.list or find_list(args.root, split)
    categories = read_categories(args.categories) if args.categories else None
    content = convert_stills(args.root, read_image_list(path) if path else None, categories)
    if not content['images']:
        raise IlsvrcError(f'{args.root}/Annotations/DET has no xml in the folders of DET training')
    return content


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = build_parser(__doc__)
    parser.add_argument('--list', type=Path, metavar='FILE',
                        help='list of the training images (default: looked for in ImageSets and '
                        'Lists, otherwise all images with an object of the categories)')
    args = parser.parse_args(argv)
    return run(args, parser, ('det',), convert_split)


if __name__ == '__main__':
    sys.exit(main())
