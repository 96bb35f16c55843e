"""Command line shared by the two ILSVRC converters."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from checked_output import write_checked
from ilsvrc import IlsvrcError
from ilsvrc_check import EXPECTED, check_tree
from problems import report

from mmvod_plugins.datasets.coco_values import ValueReader, read_json


def build_parser(description: str | None) -> argparse.ArgumentParser:
    """The common options."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('root', type=Path, nargs='?', metavar='DIR',
                        help='folder that holds Data and Annotations of ILSVRC2015')
    parser.add_argument('--check', type=Path, metavar='DIR',
                        help='convert nothing; report what is missing or broken in a tree')
    parser.add_argument('--any-counts', action='store_true',
                        help='with --check: do not expect the totals of ImageNet VID')
    parser.add_argument('--out', type=Path, metavar='DIR',
                        help='folder of the json (default: annotations below the tree)')
    parser.add_argument('--categories', type=Path, metavar='JSON',
                        help='take the categories from this COCO file instead of the 30 of '
                        'ImageNet VID, for instance for ToyVID')
    parser.add_argument('--write-faulty', action='store_true',
                        help='write a file although the validator finds errors in it')
    return parser


def run(args: argparse.Namespace, parser: argparse.ArgumentParser, splits: tuple[str, ...],
        convert: Callable[[argparse.Namespace, str], dict[str, Any]]) -> int:
    """Check a tree or convert its splits; returns the exit code.

    Args:
        args: Parsed options.
        parser: Reports wrong use.
        splits: Of ``'train'``, ``'val'`` and ``'det'``.
        convert: Makes the json of one split; may raise ``IlsvrcError``.
    """
    if (args.check is None) == (args.root is None):
        parser.error('give either a folder to convert or --check with a folder')
    if args.check is not None:
        return run_check(args.check, splits, any_counts=args.any_counts)
    faulty = False
    try:
        for split in splits:
            content = convert(args, split)
            name = 'imagenet_det_30plus1cls' if split == 'det' else f'imagenet_vid_{split}'
            path = (args.out or args.root / 'annotations') / f'{name}.json'
            faulty |= not write_checked(path, content, write_faulty=args.write_faulty,
                                        remedy='correct the xml')
    except (IlsvrcError, ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return int(faulty)


def run_check(root: Path, splits: tuple[str, ...], *, any_counts: bool) -> int:
    """Print the problems of a tree; returns the exit code."""
    result = check_tree(root, splits, {} if any_counts else EXPECTED)
    for split, counts in result.counts.items():
        numbers = ', '.join(f'{number} {name}' for name, number in counts.items())
        print(f'{split}: {numbers or "not checked"}')
    for line in report(result.problems):
        print(line)
    return 1 if result.problems else 0


def read_categories(path: Path) -> list[dict[str, Any]]:
    """``categories`` of a COCO file; each needs an ``encode_name``, the name in the xml."""
    try:
        categories = ValueReader(str(path)).entries(read_json(str(path)), 'categories')
    except (ValueError, AttributeError) as error:
        raise IlsvrcError(f'{path} is not a COCO file with categories ({error})') from error
    if not categories or not all(item.get('encode_name') for item in categories):
        raise IlsvrcError(f'{path}: every category needs id, name and encode_name, which is its '
                          'name in the xml files')
    return categories
