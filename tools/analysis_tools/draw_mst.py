"""Draw what MST's frame level attends to, and how DAlign's offsets point (an MSTNeck).

    python tools/analysis_tools/draw_mst.py CONFIG CHECKPOINT --input IN.mp4 --key 30 \
        --point 620 300 --out attention.png

The columns are frames of the window of a key frame. A cross marks the point of the key frame.
Row ``attention``: the weights of the cell at that point to all cells of all frames, averaged over
the heads; one scale for all frames. Row ``offsets``: where DAlign samples each frame for a cell of
the key frame: arrows of the mean offset of the nine taps, of the cells that move the most, several
times as long as the offsets (--magnify).
"""

from __future__ import annotations

import argparse
import itertools
import sys

import cv2
import numpy as np
import torch
from model_and_video import model_and_video_parser
from torch import Tensor

from mmvod_plugins.apis import encode_frames, init_video_detector
from mmvod_plugins.models import MSTNeck, VideoDetector
from mmvod_plugins.structures import FrameRecord
from mmvod_plugins.utils.files import check_output, replacing
from mmvod_plugins.visualization import (
    count_frames,
    draw_saliency,
    read_frames,
    titled_rows,
)

#: Share of the cells that may be brighter than the scale of the weights goes.
BRIGHTEST = 0.005
#: Arrows of a frame.
ARROWS = 60
RED, YELLOW = (0, 0, 255), (0, 255, 255)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = model_and_video_parser(__doc__.split('\n')[0], 'picture')
    parser.add_argument('--key', type=int, required=True, help='number of the key frame')
    parser.add_argument('--point', type=float, nargs=2, required=True, metavar=('X', 'Y'),
                        help='in pixels of the key frame')
    parser.add_argument('--level', type=int, default=0, help='which of the levels that change')
    parser.add_argument('--columns', type=int, default=5,
                        help='most frames that are drawn, evenly spaced around the key frame')
    parser.add_argument('--magnify', type=float, default=10.0, help='of the offsets')
    parser.add_argument('--zoom', type=float, default=1.0)
    return parser.parse_args(argv)


def neck_of(model: VideoDetector) -> MSTNeck:
    """The temporal neck.

    Raises:
        ValueError: If it is no MSTNeck.
    """
    if not isinstance(model.temporal_neck, MSTNeck):
        raise ValueError(f'the config has the temporal neck {type(model.temporal_neck).__name__}, '
                         'expected an MSTNeck')
    return model.temporal_neck


def window_of(args: argparse.Namespace, model: VideoDetector) -> list[int]:
    """Numbers of the frames that the key frame looks at, itself included.

    Raises:
        ValueError: If the video lacks the key frame.
    """
    length = count_frames(args.input)
    if not 0 <= args.key < length:
        raise ValueError(f'--key is {args.key}, but {args.input} has {length} frames')
    roles = model.policy.frames(args.key, length)
    return sorted({args.key, *roles.get('local', [])})


def chosen(window: list[int], key_id: int, most: int) -> list[int]:
    """Positions of frames of a window, the key frame among them, at equal distances.

    Raises:
        ValueError: If ``most`` is below 1.
    """
    if most < 1:
        raise ValueError(f'--columns is {most}, expected at least 1')
    step = -(-len(window) // most)
    row = window.index(key_id)
    return list(range(row % step, len(window), step))


def cell_of(point: tuple[float, float], shape: tuple[int, int],
            size: tuple[int, int]) -> tuple[int, int]:
    """Row and column of a map of ``size`` cells below a point of an image of ``shape``.

    Raises:
        ValueError: If the point is not in the image.
    """
    x, y = point
    if not (0 <= x < shape[1] and 0 <= y < shape[0]):
        raise ValueError(f'--point is {x:g} {y:g}, outside of the frames of {shape[1]} x '
                         f'{shape[0]} pixels')
    return int(y / shape[0] * size[0]), int(x / shape[1] * size[1])


@torch.no_grad()
def attention_of(neck: MSTNeck, key: FrameRecord, frames: list[FrameRecord], level: int,
                 cell: tuple[int, int]) -> np.ndarray:
    """Weights (T, h, w) of a cell of the key frame to the cells of all frames."""
    aligned = neck.align(key, frames)[level]
    row = [record.frame_id for record in frames].index(key.frame_id)
    cells = aligned[row, :, cell[0], cell[1]][None]
    return neck.attention.weights(cells, neck.attention.project(aligned))[0].cpu().numpy()


@torch.no_grad()
def offsets_of(neck: MSTNeck, key: FrameRecord, frames: list[FrameRecord],
               index: int) -> np.ndarray:
    """Mean offset of the taps, (T, 2, H, W), x then y, in cells of a level of the maps."""
    maps = torch.cat([record.maps[index] for record in frames])
    theta: Tensor = neck.dalign.offsets(key.maps[index], maps)
    return theta.unflatten(1, (9, 2)).mean(1).flip(1).cpu().numpy()


def draw_offsets(frame: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Arrows of the cells that move the most; offsets (2, H, W) are in cells."""
    picture, (height, width) = frame.copy(), offsets.shape[1:]
    scale = np.array([frame.shape[1] / width, frame.shape[0] / height])
    for cell in np.argsort(-np.hypot(*offsets).ravel())[:ARROWS]:
        y, x = divmod(int(cell), width)
        start = (np.array([x, y]) + 0.5) * scale
        end = start + offsets[:, y, x] * scale
        cv2.arrowedLine(picture, tuple(map(int, start)), tuple(map(int, end)), YELLOW, 1,
                        tipLength=0.3)
    return picture


def draw(args: argparse.Namespace) -> np.ndarray:
    """The whole picture.

    Raises:
        OSError: If the video is missing or cannot be read.
        ValueError: If the video lacks the key frame, or the model what is to be drawn.
        TypeError: If the config is not one of a video detector.
    """
    model = init_video_detector(args.config, args.checkpoint, args.device)
    neck, window = neck_of(model), window_of(args, model)
    read = itertools.islice(read_frames(args.input), window[0], window[-1] + 1)
    frames = [frame for t, frame in enumerate(read, start=window[0]) if t in window]
    records = encode_frames(model, frames, args.input.name)
    key = records[window.index(args.key)]
    count = len(key.maps)
    indices = list(range(count)) if neck.levels is None else [i % count for i in neck.levels]
    if not 0 <= args.level < len(indices):
        raise ValueError(f'--level is {args.level}, but the neck changes {len(indices)} levels, '
                         'from 0')
    index = indices[args.level]
    cell = cell_of(args.point, frames[0].shape[:2], key.maps[index].shape[-2:])
    large = [cv2.resize(frame, None, fx=args.zoom, fy=args.zoom, interpolation=cv2.INTER_AREA)
             for frame in frames]
    marked = [frame.copy() for frame in large]
    cv2.drawMarker(marked[window.index(args.key)],
                   tuple(int(args.zoom * value) for value in args.point), RED, markerSize=20,
                   thickness=2)
    rows = {'frame': marked}
    if neck.attention is not None:
        weights = attention_of(neck, key, records, args.level, cell)
        high = np.quantile(weights, 1 - BRIGHTEST)
        rows['attention'] = [draw_saliency(value, frame.shape[:2], 0, high)
                             for value, frame in zip(weights, large, strict=True)]
    if neck.dalign is not None:
        offsets = offsets_of(neck, key, records, index)
        rows['offsets'] = [draw_offsets(frame, args.magnify * value)
                           for frame, value in zip(large, offsets, strict=True)]
    columns = chosen(window, args.key, args.columns)
    return titled_rows({title: [row[i] for i in columns] for title, row in rows.items()})


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    args = parse_args(argv)
    try:
        check_output(args.out, [args.config, args.checkpoint, args.input], ('.png', '.jpg'))
        picture = draw(args)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(args.out) as part:
            if not cv2.imwrite(str(part), picture):
                raise OSError(f'{args.out} cannot be written: is the disk full?')
    except (OSError, ValueError, TypeError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(args.out)
    return 0


if __name__ == '__main__':
    sys.exit(main())
