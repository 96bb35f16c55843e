"""``mmvod export``: a video detector for ONNX Runtime."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmvod_plugins.apis import open_sources
from mmvod_plugins.apis.build import build_model
from mmvod_plugins.checkpoints import CheckpointError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``mmvod export``."""
    parser.add_argument('model', help='config, or name or alias of a model of the zoo')
    parser.add_argument('--weights', help='checkpoint; by default the published one of the model')
    parser.add_argument('--out', type=Path, required=True, metavar='FOLDER',
                        help='folder of the graphs, the manifest and the runtime')
    parser.add_argument('--shape', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'),
                        help='of the frames that will be detected; by default that of --verify')
    parser.add_argument('--verify', metavar='SOURCE', help='compare with torch in this video or '
                        'folder of frames; the exit code is 1 if the results differ')
    parser.add_argument('--frames', type=int, default=40,
                        help='frames of --verify, from its start')
    parser.add_argument('--tolerance', type=float, default=1e-3, help='of --verify: difference '
                        'of scores, and of boxes as a share of the larger side of the frame')
    parser.add_argument('--trust', action='store_true', help='read a checkpoint that may run code')


def export(args: argparse.Namespace) -> int:
    """Export and compare; returns the exit code.

    Args:
        args: With what :func:`add_arguments` adds.

    Raises:
        SystemExit: With one sentence, if something is not possible.
    """
    try:
        # here, since other commands run with a torch that cannot export
        from mmvod_plugins.deployment.export import export_onnx
        from mmvod_plugins.deployment.onnx_runtime import VideoRuntime
        from mmvod_plugins.deployment.verify import compare
        frames = _frames(args.verify, args.frames) if args.verify else []
        if args.shape is None and not frames:
            raise ValueError('--shape HEIGHT WIDTH is missing: the graphs are made for frames of '
                             'one size')
        shape = tuple(args.shape or frames[0].shape[:2])
        model = build_model(args.model, args.weights, 'cpu', unsuppressed=False, trust=args.trust)
        export_onnx(model, args.out, shape)
        sys.stdout.write(f'{args.out}\n')
        if not frames:
            return 0
        compared = compare(model, VideoRuntime(args.out), frames, tolerance=args.tolerance)
    except KeyboardInterrupt:
        sys.stderr.write(f'interrupted: {args.out} is complete if it has a manifest.json\n')
        return 130
    except (OSError, CheckpointError, ValueError, TypeError, ImportError) as error:
        sys.exit(str(error))
    sys.stdout.write(f'{compared}\n')
    if not compared.equal:
        sys.stderr.write('the exported model gives other detections than torch\n')
    return int(not compared.equal)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of ``tools/deployment/export_onnx.py``; returns the exit code."""
    parser = argparse.ArgumentParser(description='Export a video detector to ONNX.')
    add_arguments(parser)
    return export(parser.parse_args(argv))


def _frames(name: str, count: int) -> list[np.ndarray]:
    sources = open_sources(name)
    if len(sources) != 1 or count < 1:
        raise ValueError(f'--verify needs one video and at least one of its --frames; {name} has '
                         f'{len(sources)} videos')
    return list(itertools.islice(sources[0].frames(), count))
