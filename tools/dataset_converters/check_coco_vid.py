"""Check a COCO-VID annotation file and print a remedy for every problem."""

import argparse
import sys
from pathlib import Path

from coco_vid_rules import check_coco_vid
from problems import report

from mmvod_plugins.datasets.coco_values import read_json


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code, 1 if there are errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('annotations', type=Path, help='COCO-VID json')
    parser.add_argument('--img-root', type=Path, metavar='DIR',
                        help='folder of the images; missing and unfitting files are errors')
    parser.add_argument('--limit', type=int, default=10, metavar='N',
                        help='lines per kind of problem (default: 10)')
    parser.add_argument('--strict', action='store_true', help='exit with 1 on warnings too')
    args = parser.parse_args(argv)
    try:
        content = read_json(str(args.annotations))
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    problems = check_coco_vid(content, args.img_root)
    for line in report(problems, args.limit):
        print(line)
    return 1 if any(item.is_error or args.strict for item in problems) else 0


if __name__ == '__main__':
    sys.exit(main())
