"""Render ToyVID, a synthetic data set that behaves like ImageNet VID (see docs/toyvid.md)."""

import argparse
import dataclasses
import sys
from pathlib import Path

from toy_vid.spec import CONDITIONS, DEGRADATIONS, VERSION, Difficulty, Level, ToyVidSpec
from toy_vid.tree import ToyVidError, write_tree


def parse_level(text: str, default: Level) -> Level:
    """Parse ``WEIGHT[:LOW[:HIGH]]``; omitted values keep their defaults."""
    try:
        values = [float(value) for value in text.split(':')]
    except ValueError:
        values = []
    if not 1 <= len(values) <= 3:
        raise ValueError(f'{text!r} is not of the form WEIGHT[:LOW[:HIGH]]')
    low = values[1] if len(values) > 1 else default.low
    high = values[2] if len(values) > 2 else max(low, default.high)
    return Level(values[0], low, high)


def build_parser() -> argparse.ArgumentParser:
    """Parser of the options, with the defaults of the data classes."""
    spec = ToyVidSpec()
    parser = argparse.ArgumentParser(
        description=__doc__, epilog='An interrupted run continues where it stopped when it is '
        'started again with the same options.')
    parser.add_argument('out', type=Path, help='folder to write')
    for name, text in (('train_videos', 'training videos'), ('val_videos', 'validation videos'),
                       ('stills', 'DET-like still images'), ('frames', 'frames of a video'),
                       ('seed', 'seed of everything random'), ('quality', 'JPEG quality')):
        value = getattr(spec, name)
        parser.add_argument(f'--{name.replace("_", "-")}', type=int, default=value,
                            metavar='N', help=f'{text} (default: {value})')
    parser.add_argument('--size', type=int, nargs=2, default=spec.size, metavar=('H', 'W'),
                        help='height and width of a frame in pixels (default: 128 160)')
    parser.add_argument('--workers', type=int, default=1, metavar='N',
                        help='processes; does not change the result (default: 1)')
    group = parser.add_argument_group(
        f'difficulty (the defaults are named {VERSION})',
        'WEIGHT[:LOW[:HIGH]] is how often something happens and how strongly, 1 being nominal')
    for name in (*DEGRADATIONS, *CONDITIONS):
        level = getattr(spec.difficulty, name)
        text = 'share of the videos' if name in CONDITIONS else 'weight among the degradations'
        group.add_argument(f'--{name.replace("_", "-")}', metavar='WEIGHT[:LOW[:HIGH]]',
                           help=f'{text} (default: {level.weight}:{level.low}:{level.high})')
    for name, text in (('degraded_fraction', 'training'), ('val_degraded_fraction', 'validation')):
        group.add_argument(
            f'--{name.replace("_", "-")}', type=float, metavar='SHARE',
            default=getattr(spec.difficulty, name),
            help=f'share of the {text} frames under a degradation (default: %(default)s)')
    group.add_argument('--speeds', type=float, nargs=3, metavar=('SLOW', 'MEDIUM', 'FAST'),
                       default=(1.0, 1.0, 1.0), help='weights of the speeds (default: 1 1 1)')
    group.add_argument('--max-objects', type=int, default=3, metavar='N',
                       help='most objects in a video (default: 3)')
    return parser


def build_spec(args: argparse.Namespace) -> ToyVidSpec:
    """Turn parsed options into settings; raises ``ValueError`` for impossible ones."""
    standard = Difficulty()
    levels = {name: parse_level(getattr(args, name), getattr(standard, name))
              for name in (*DEGRADATIONS, *CONDITIONS) if getattr(args, name) is not None}
    slow, medium, fast = args.speeds
    difficulty = dataclasses.replace(
        standard, degraded_fraction=args.degraded_fraction,
        val_degraded_fraction=args.val_degraded_fraction, max_objects=args.max_objects,
        slow=slow, medium=medium, fast=fast, **levels)
    return ToyVidSpec(
        args.train_videos, args.val_videos, args.stills, args.frames, tuple(args.size),
        args.seed, args.quality, difficulty)


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    try:
        spec = build_spec(args)
    except ValueError as error:
        parser.error(str(error))
    try:
        rendered = write_tree(args.out, spec, args.workers)
    except ToyVidError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('interrupted: start again with the same options to continue', file=sys.stderr)
        return 130
    print(f'{args.out}: {spec.to_dict()["version"]}, {rendered} videos and still images '
          'rendered now')
    return 0


if __name__ == '__main__':
    sys.exit(main())
