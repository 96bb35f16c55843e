"""Draw the memory of an STMN model over time, with and without its alignment (figure 4).

    python tools/analysis_tools/draw_memory.py CONFIG CHECKPOINT --input IN.mp4 --out memory.png

The memory's L2 norm over the channels, one window of frames. The end of --out chooses the form:
.png: a sheet, whose columns are frames; .mp4: a video, frames beside maps; otherwise a folder of
such pictures. Each kind of map has one scale for all frames: from the lowest value to the value
that one cell in 200 exceeds.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from model_and_video import model_and_video_parser
from torch import Tensor

from mmvod_plugins.apis import encode_frames, init_video_detector
from mmvod_plugins.models import STMMNeck, VideoDetector
from mmvod_plugins.models.layers import RecurrentCell
from mmvod_plugins.visualization import (
    contact_sheet,
    count_frames,
    draw_saliency,
    read_frames,
    saliency,
    titled_rows,
    write_video,
)

#: Share of the cells that may be brighter than the scale of the maps goes.
BRIGHTEST = 0.005


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = model_and_video_parser(__doc__.split('\n')[0], '.png, .mp4, or a folder')
    parser.add_argument('--start', type=int, default=0, help='first frame of the window')
    parser.add_argument('--stride', type=int, help="by default that of the model's windows, or 1")
    parser.add_argument('--length', type=int,
                        help="frames of the window; by default as many as in the model's windows")
    parser.add_argument('--direction', choices=['forward', 'backward'], default='forward')
    parser.add_argument('--level', type=int, default=0, help='which of the levels with memories')
    parser.add_argument('--zoom', type=float, default=1.0)
    parser.add_argument('--fps', type=float, default=4.0)
    return parser.parse_args(argv)


def window_of(args: argparse.Namespace, model: VideoDetector) -> range:
    """The numbers of the frames that are drawn.

    Raises:
        ValueError: If the video lacks one of the frames.
    """
    length = count_frames(args.input)
    stride = args.stride or getattr(model.policy, 'stride', 1)
    number = args.length or getattr(model.policy, 'num_frames', length)
    window = range(args.start, length, stride)[:number]
    if min(args.start, stride - 1) < 0 or not window:
        raise ValueError(f'{args.input} has {length} frames: --start {args.start}, --length '
                         f'{number} and --stride {stride} name none of them')
    return window


def cell_of(model: VideoDetector, level: int, direction: str) -> RecurrentCell:
    """A memory cell of a model.

    Raises:
        ValueError: If the model has none, or not this one.
    """
    neck = model.temporal_neck
    if not isinstance(neck, STMMNeck):
        raise ValueError(f'the config has the temporal neck {type(neck).__name__}, expected an '
                         'STMMNeck: there is no other memory to draw')
    if not 0 <= level < len(neck.levels):
        raise ValueError(f'--level is {level}, but the model has memories of {len(neck.levels)} '
                         'levels, from 0')
    cell = getattr(neck.levels[level], f'{direction}_cell')
    if cell is None:
        raise ValueError(f'the model has no {direction} memory')
    return cell


@torch.no_grad()
def memories(cell: RecurrentCell, feats: Tensor, direction: str) -> Tensor:
    """The memory after every frame.

    Args:
        cell: Of the direction.
        feats: Its feature maps, (T, C, H, W), in order of time.
        direction: ``'forward'`` or ``'backward'``.

    Returns:
        (T, M, H, W), in order of time.
    """
    backward = direction == 'backward'
    states = cell(feats.flip(0) if backward else feats)
    return torch.cat([state.memory for state in (states[::-1] if backward else states)])


def compute_maps(args: argparse.Namespace, model: VideoDetector,
                 frames: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Saliency maps (T, H, W) by title: with the alignment, and without."""
    cell = cell_of(model, args.level, args.direction)
    records = encode_frames(model, frames, args.input.name)
    index = model.temporal_neck.indices[args.level]
    feats = torch.cat([record.maps[index] for record in records])
    cells = {'memory': cell}
    if cell.alignment is not None:
        without = copy.copy(cell)
        without._modules = {**cell._modules, 'alignment': None}
        cells = {'aligned': cell, 'not aligned': without}
    return {title: saliency(memories(cell, feats, args.direction))
            for title, cell in cells.items()}


def draw(args: argparse.Namespace) -> dict[str, list[np.ndarray]]:
    """Rows of pictures by title: the frames, then the maps.

    Raises:
        OSError: If the video is missing or cannot be read.
        ValueError: If the video lacks one of the frames, or the model the memory.
        TypeError: If the config is not one of a video detector.
    """
    model = init_video_detector(args.config, args.checkpoint, args.device)
    window = window_of(args, model)
    frames = list(itertools.islice(read_frames(args.input), window.start, window[-1] + 1,
                                   window.step))
    maps = compute_maps(args, model, frames)
    large = [cv2.resize(frame, None, fx=args.zoom, fy=args.zoom, interpolation=cv2.INTER_CUBIC)
             for frame in frames]
    rows = {'frame': large}
    for title, values in maps.items():
        low, high = np.quantile(values, [0, 1 - BRIGHTEST])
        rows[title] = [draw_saliency(value, frame.shape[:2], low, high)
                       for value, frame in zip(values, large, strict=True)]
    return rows


def save(rows: dict[str, list[np.ndarray]], out: Path, fps: float) -> None:
    """Write a sheet, a video or a folder of pictures."""
    beside = [contact_sheet(parts, len(parts)) for parts in zip(*rows.values(), strict=True)]
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == '.mp4':
        write_video(out, beside, fps)
    elif out.suffix == '.png':
        cv2.imwrite(str(out), titled_rows(rows))
    else:
        out.mkdir(exist_ok=True)
        for t, picture in enumerate(beside):
            cv2.imwrite(str(out / f'{t:06d}.png'), picture)


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    args = parse_args(argv)
    try:
        rows = draw(args)
        save(rows, args.out, args.fps)
    except (OSError, ValueError, TypeError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'{args.out}: {len(rows["frame"])} frames, {", ".join(rows)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
