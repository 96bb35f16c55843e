"""Convert MOTChallenge text, a file for each video, to COCO-VID (see docs/own_data.md)."""

import argparse
import sys
import warnings
from collections.abc import Iterator

import numpy as np
from own_data import LabelledVideo, build_parser, frames_of, run, with_tracks

from mmvod_plugins.results.mot import from_mot


def videos(args: argparse.Namespace) -> Iterator[LabelledVideo]:
    """The video of each file; rows with the confidence 0 are left out, as MOTChallenge means it."""
    files = {path.parent.parent.name: path for path in sorted(args.source.glob('*/gt/gt.txt'))}
    files = files or {path.stem: path for path in sorted(
        args.source.glob('*.txt') if args.source.is_dir() else [args.source])}
    if not files:
        raise ValueError(f'{args.source} has neither SEQUENCE/gt/gt.txt nor NAME.txt')
    names = args.names or ['pedestrian']
    for name, path in files.items():
        found = from_mot(path.read_text(encoding='utf-8'), None, str(path))
        if not found.videos:
            warnings.warn(f'{path} has no boxes: its video has no objects', stacklevel=2)
            yield LabelledVideo(name, frames_of(args.img_root, [name]))
            continue
        [video] = found.videos
        kept = video.select(np.flatnonzero(video.scores > 0))
        if len(kept) < len(video):
            warnings.warn(f'{path}: {len(video) - len(kept)} of {len(video)} boxes have the '
                          'confidence 0, they are left out', stacklevel=2)
        if (last := int(kept.labels.max(initial=0))) >= len(names):
            raise ValueError(f'{path} has the class {last + 1}, but {len(names)} names are known '
                             f'({", ".join(names)}): name the classes from 1 with --names')
        yield LabelledVideo(name, list(with_tracks(frames_of(args.img_root, [name]), kept, names,
                                                   str(path))))


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = build_parser(__doc__, 'folder of SEQUENCE/gt/gt.txt or of NAME.txt, or one file; '
                          'SEQUENCE/img1, NAME or NAME.mp4 below --img-root are the frames')
    parser.add_argument('--names', nargs='+', metavar='NAME', help='names of the class numbers '
                        '1, 2, ... (default: pedestrian)')
    args = parser.parse_args(argv)
    return run(args, lambda args: list(videos(args)))


if __name__ == '__main__':
    sys.exit(main())
