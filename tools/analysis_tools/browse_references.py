"""Show which frames each key frame looks at, in testing and in training, as text and picture.

    python tools/analysis_tools/browse_references.py CONFIG --length 40 --out references.png
    python tools/analysis_tools/browse_references.py CONFIG --checkpoint X.pth --input clip.mp4 \
        --out references.json

The second form runs the model and writes the weights of its relations, too, as ``mmvod page
--references`` reads them (docs/prediction_page.md). Without a checkpoint a .json has no weights.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from mmvod_plugins.apis import init_video_detector, open_sources
from mmvod_plugins.cli.tool import config_parser, read_config, run_tool
from mmvod_plugins.page import policy_references, save_references
from mmvod_plugins.page.relation_weights import weighted_references
from mmvod_plugins.references import ReferencePolicy, build_references
from mmvod_plugins.utils.files import check_output, replacing

#: Key frames, frames and role of references, for a picture.
Points = list[tuple[int, int, str]]


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = config_parser(__doc__.split('\n')[0])
    parser.add_argument('--length', type=int, default=40, help='frames of the video')
    parser.add_argument('--video-id', help='seed of shuffled references; by default the name '
                        'of --input, or 0')
    parser.add_argument('--keys', type=int, nargs='+', help='key frames of the text; by default '
                        'the first, the middle and the last')
    parser.add_argument('--draws', type=int, default=3, help='of training, for each key frame')
    parser.add_argument('--seed', type=int, default=0, help='of the draws')
    parser.add_argument('--out', type=Path, help='.png, .svg, .pdf, or .json for mmvod page')
    parser.add_argument('--checkpoint', type=Path, help='weights, for a .json with relations')
    parser.add_argument('--input', help='the video for them; its length replaces --length')
    parser.add_argument('--device', default='cpu')
    return parser.parse_args(argv)


def browse(args: argparse.Namespace) -> None:
    """Print, draw or write the references.

    Raises:
        ValueError: If options do not fit together, or a key frame is not in the video.
    """
    is_table = args.out is not None and args.out.suffix == '.json'
    if args.out is not None:
        check_output(args.out, [args.config], ('.png', '.svg', '.pdf', '.json'))
    if bool(args.checkpoint) != bool(args.input) or (args.checkpoint and not is_table):
        raise ValueError('--checkpoint, --input and --out NAME.json belong together')
    config = read_config(args)
    if args.checkpoint:
        sources = open_sources(args.input)
        if args.video_id is not None and len(sources) != 1:
            raise ValueError(f'--video-id names one video, {args.input} are {len(sources)}')
        model = init_video_detector(config, args.checkpoint, args.device)
        table = {}
        for source in sources:
            video_id = source.name if args.video_id is None else args.video_id
            table[video_id] = weighted_references(model, source.frames(), source.length(),
                                                  video_id)
        save_references(args.out, table)
        print(f'{args.out}: references of {sum(map(len, table.values()))} key frames')
        return
    args.video_id = args.video_id or '0'
    policy = build_references(config.model.get('references'))
    keys = args.keys or sorted({0, args.length // 2, args.length - 1})
    outside = [key for key in keys if not 0 <= key < args.length]
    if args.length < 1 or outside:
        raise ValueError(f'key frame {outside[:1]} is not in a video of {args.length} frames')
    print('\n'.join(describe(policy, args, keys)))
    if is_table:
        save_references(args.out, policy_references(policy, {args.video_id: args.length}))
    elif args.out is not None:
        draw(policy, args)


def describe(policy: ReferencePolicy, args: argparse.Namespace, keys: list[int]) -> Iterator[str]:
    """Lines about a policy, and about the references of some key frames."""
    ahead = policy.lookahead
    yield f'references: {policy}'
    yield ('looks ahead: ' + ('the whole video must be known' if ahead is None
                              else f'{ahead} frames')
           + f'; a test holds up to {policy.peak_records(args.length, args.video_id)} frames of a '
           f'video of {args.length}')
    rng = np.random.default_rng(args.seed)
    for key in keys:
        yield f'key frame {key}'
        yield from lines('testing', policy.frames(key, args.length, args.video_id))
        for _ in range(args.draws):
            yield from lines('training', policy.sample(key, args.length, rng))


def lines(title: str, roles: dict[str, list[int]]) -> Iterator[str]:
    """A line for each role."""
    if not roles:
        yield f'  {title:9s} no references'
    for role, ids in roles.items():
        yield f'  {title:9s} {role:10s} {" ".join(map(str, ids))}'


def draw(policy: ReferencePolicy, args: argparse.Namespace) -> None:
    """A picture: key frames downwards, the frames that they look at to the right."""
    rng = np.random.default_rng(args.seed)
    keys = range(args.length)
    shown = {
        'testing': [(key, t, role) for key in keys for role, ids in policy.frames(
            key, args.length, args.video_id).items() for t in ids],
        'training, one draw': [(key, t, role) for key in keys for role, ids in policy.sample(
            key, args.length, rng).items() for t in ids]}
    plt.switch_backend('agg')
    figure, panels = plt.subplots(1, 2, figsize=(13, 6.6), sharey=True, layout='constrained')
    for axes, (title, points) in zip(panels, shown.items(), strict=True):
        _draw_points(axes, title, points, args.length)
    panels[0].set_ylabel('key frame')
    with replacing(args.out) as part:
        figure.savefig(part, dpi=110)
    print(args.out)


def _draw_points(axes: plt.Axes, title: str, points: Points, length: int) -> None:
    side = 330 / length  # points of a cell
    axes.plot([-0.5, length - 0.5], [-0.5, length - 0.5], color='0.8', linewidth=1, zorder=0)
    # Nested squares: a frame may have several roles.
    for i, role in enumerate(dict.fromkeys(role for _, _, role in points)):
        keys, frames = zip(*[(key, t) for key, t, name in points if name == role], strict=True)
        axes.scatter(frames, keys, s=(side * max(0.95 - 0.25 * i, 0.2))**2, marker='s',
                     label=role, linewidths=0)
    axes.set(title=title, xlabel='frame', xlim=(-1, length), ylim=(length, -1), aspect='equal')
    if points:
        legend = axes.legend(loc='upper right', markerscale=1)
        for handle in legend.legend_handles:
            handle.set_sizes([60])


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    return run_tool(browse, parse_args(argv))


if __name__ == '__main__':
    sys.exit(main())
