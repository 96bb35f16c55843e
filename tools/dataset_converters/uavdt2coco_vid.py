"""Convert UAVDT to COCO-VID json (see docs/dataset_prepare.md)."""

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from checked_output import write_checked
from coco_vid import CocoVidBuilder, VidObject
from PIL import Image
from problems import report
from tqdm import tqdm
from uavdt import (
    CATEGORIES,
    OCCLUSION,
    OUT_OF_VIEW,
    SPLITS,
    Rows,
    Tree,
    UavdtError,
    frames_of,
)
from uavdt_check import check_tree

CLASSES = dict(categories=tuple(CATEGORIES.values()), vehicle=('vehicle', ))
"""Classes by the choice of ``--classes``."""
_UNKNOWN = 'unknown'


def convert_videos(tree: Tree, split: str, videos: Sequence[str], classes: str = 'categories',
                   key_interval: int = 1) -> dict[str, Any]:
    """Convert videos of a split.

    Objects keep ``out_of_view`` and ``occlusion`` by name, and ``truncated`` and ``occluded``
    (whether either is not ``no``). A region is annotated with ``iscrowd`` once for each class,
    because evaluations match by class.

    Args:
        tree: Folders of UAVDT.
        split: ``'train'`` or ``'test'``.
        videos: Names.
        classes: ``'categories'`` for car, truck and bus, or ``'vehicle'``.
        key_interval: Every so many frames one is a key frame in training.

    Returns:
        The content of the json file.

    Raises:
        UavdtError: If a file is missing or is not understood.
    """
    names = CLASSES[classes]
    builder = CocoVidBuilder(dict(id=i + 1, name=name, encode_name=name)
                             for i, name in enumerate(names))
    codes = {code: name if classes == 'categories' else 'vehicle'
             for code, name in CATEGORIES.items()}
    unknown = 0
    for video in tqdm(videos, desc=f'convert {split}', unit='video'):
        files = frames_of(tree.images / video)
        objects, regions = tree.read_truth(video, len(files))
        builder.add_video(video, range(0, len(files), key_interval) if split == 'train' else ())
        attributes = tree.video_attributes(split, video)
        if attributes is not None:
            builder.videos[-1]['attributes'] = attributes
        for frame_id, path in enumerate(files):
            builder.add_frame(f'{video}/{path.name}', image_size(path), frame_id)
            for n in objects.of_frame(frame_id).tolist():
                out, occlusion, category = objects.codes[n].tolist()
                out, occlusion = (OUT_OF_VIEW.get(out, _UNKNOWN),
                                  OCCLUSION.get(occlusion, _UNKNOWN))
                unknown += _UNKNOWN in (out, occlusion)
                builder.add_object(
                    VidObject(codes.get(category, f'category {category}'), corners(objects, n),
                              str(objects.targets[n]), occlusion not in ('no', _UNKNOWN)),
                    occlusion=occlusion, out_of_view=out, truncated=out not in ('no', _UNKNOWN))
            for n in regions.of_frame(frame_id).tolist():
                for name in names:
                    builder.add_object(VidObject(name, corners(regions, n), crowd=True))
    if unknown:
        warnings.warn(f'{unknown} objects have an out-of-view or occlusion code that the readme '
                      f'does not name: it is {_UNKNOWN!r} in the json', stacklevel=2)
    return builder.to_dict()


def corners(rows: Rows, number: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a box, whole numbers as int."""
    x, y, w, h = (int(v) if v.is_integer() else v for v in rows.boxes[number].tolist())
    return x, y, x + w, y + h


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of an image from its header.

    Raises:
        UavdtError: If it is none.
    """
    try:
        with Image.open(path) as file:
            return file.height, file.width
    except (OSError, SyntaxError, ValueError) as error:
        raise UavdtError(f'{path} is no image ({error}): unpack UAV-benchmark-M again'
                         ) from error


def chosen_videos(tree: Tree, split: str, *, partial: bool) -> list[str]:
    """Videos of a split; with ``partial`` those that have a folder.

    Raises:
        UavdtError: If one is missing, or all are.
    """
    found = [video for video in SPLITS[split] if (tree.images / video).is_dir()]
    missing = [video for video in SPLITS[split] if video not in found]
    if missing and not (partial and found):
        shown = ', '.join(missing[:5]) + (', ...' if len(missing) > 5 else '')
        raise UavdtError(f'{tree.images} lacks {len(missing)} of the {len(SPLITS[split])} videos '
                         f'of {split}: {shown}; unpack UAV-benchmark-M again, or convert what is '
                         'there with --partial')
    return found


def others(tree: Tree) -> Iterator[str]:
    """Folders beside the videos of the split, which are not converted."""
    known = {video for videos in SPLITS.values() for video in videos}
    return (path.name for path in sorted(tree.images.iterdir())
            if path.is_dir() and path.name not in known and not path.name.startswith('.')
            and (tree.truth / f'{path.name}_gt_whole.txt').is_file())


def build_parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('root', type=Path, metavar='DIR',
                        help='folder that holds UAV-benchmark-M and UAV-benchmark-MOTD_v1.0')
    parser.add_argument('--check', action='store_true',
                        help='convert nothing; report what is missing or broken in the tree')
    parser.add_argument('--splits', nargs='+', choices=tuple(SPLITS), default=tuple(SPLITS))
    parser.add_argument('--classes', choices=tuple(CLASSES), default='categories',
                        help='car, truck and bus, or one class vehicle')
    parser.add_argument('--key-interval', type=int, default=1, metavar='N',
                        help='every so many frames of a training video one is a key frame')
    parser.add_argument('--partial', action='store_true',
                        help='convert or check the videos that are there, and do not expect all')
    parser.add_argument('--images', type=Path, metavar='DIR', help='folder of the videos')
    parser.add_argument('--gt', type=Path, metavar='DIR', help='folder of the ground-truth files')
    parser.add_argument('--out', type=Path, metavar='DIR',
                        help='folder of the json (default: annotations below the tree)')
    parser.add_argument('--write-faulty', action='store_true',
                        help='write a file although the validator finds errors in it')
    return parser


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.key_interval < 1:
        parser.error(f'--key-interval is {args.key_interval}, expected 1 or more')
    faulty = False
    try:
        tree = Tree.find(args.root, args.images, args.gt)
        if args.check:
            return run_check(tree, args.splits, partial=args.partial)
        for name in others(tree):
            print(f'warning: {name} is in no list of the official split and is not converted',
                  file=sys.stderr)
        middle = 'vehicle_' if args.classes == 'vehicle' else ''
        for split in args.splits:
            videos = chosen_videos(tree, split, partial=args.partial)
            content = convert_videos(tree, split, videos, args.classes, args.key_interval)
            path = (args.out or args.root / 'annotations') / f'uavdt_{middle}{split}.json'
            faulty |= not write_checked(path, content, write_faulty=args.write_faulty,
                                        remedy='correct the ground-truth files')
    except (UavdtError, ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return int(faulty)


def run_check(tree: Tree, splits: Sequence[str], *, partial: bool) -> int:
    """Print the problems of a tree; returns the exit code, 1 if there are errors."""
    result = check_tree(tree, splits, partial=partial)
    for split, counts in result.counts.items():
        print(f'{split}: ' + ', '.join(f'{number} {name}' for name, number in counts.items()))
    for line in report(result.problems):
        print(line)
    return int(any(item.is_error for item in result.problems))


if __name__ == '__main__':
    sys.exit(main())
