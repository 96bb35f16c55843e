"""Count the computation of a frame in a stream, references and memory included.

    python tools/analysis_tools/get_flops.py CONFIG --shape 720 1280 --num-images 20

Frames of noise pass the config's test pipeline and the model, which keeps its initial weights.
One multiply-add is one FLOP, as mmdet's tool counts. Convolutions and matrix products are counted
while they run (torch.utils.flop_counter); operators of mmcv, such as RoIAlign and deformable
convolutions, are not.
"""

import argparse
import sys
from importlib import import_module

import numpy as np
from mmengine.analysis.print_helper import _format_size

from mmvod_plugins.apis import VideoSession, init_video_detector
from mmvod_plugins.apis.stock import as_video_config
from mmvod_plugins.cli.tool import config_parser, read_config, run_tool


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = config_parser(__doc__.split('\n')[0])
    parser.add_argument('--shape', type=int, nargs=2, default=(720, 1280),
                        metavar=('HEIGHT', 'WIDTH'), help='of the frames, before the pipeline')
    parser.add_argument('--num-images', type=int, default=20, help='frames of the video')
    parser.add_argument('--device', default='cpu')
    return parser.parse_args(argv)


def count(args: argparse.Namespace) -> None:
    """Count and print.

    Raises:
        ImportError: If torch is older than 2.1.
        ValueError: If there is no frame.
    """
    if args.num_images < 1 or min(args.shape) < 1:
        raise ValueError(f'--num-images and --shape must be 1 or more, got {args.num_images} and '
                         f'{tuple(args.shape)}')
    try:
        counter_of = import_module('torch.utils.flop_counter').FlopCounterMode
    except ImportError as error:
        raise ImportError('counting needs torch 2.1 or newer') from error
    model = init_video_detector(as_video_config(read_config(args)), device=args.device)
    session = VideoSession(model, video_length=args.num_images)
    rng = np.random.default_rng(0)
    with counter_of(display=False) as counter:
        samples = []
        for _ in range(args.num_images):
            samples += session.push(rng.integers(0, 256, (*args.shape, 3), dtype=np.uint8))
        samples += session.close()
    size = samples[0].metainfo.get('img_shape')
    params = sum(parameter.numel() for parameter in model.parameters())
    line = '=' * 30
    print(f'{line}\nFrames: {args.num_images}, {tuple(args.shape)}, in the network {size}\n'
          f'Flops per frame: {_format_size(counter.get_total_flops() // 2 // args.num_images)}\n'
          f'Params: {_format_size(params)}\n{line}')


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    return run_tool(count, parse_args(argv))


if __name__ == '__main__':
    sys.exit(main())
