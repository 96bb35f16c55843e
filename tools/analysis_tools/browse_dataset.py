"""Show the training clips of a config as the model gets them, with their true boxes.

    python tools/analysis_tools/browse_dataset.py CONFIG --output-dir clips --not-show

A picture is a clip: the key frame, then its references, each with its role, number and boxes.
"""

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmdet.registry import DATA_SAMPLERS, DATASETS
from mmdet.structures.bbox import BaseBoxes

from mmvod_plugins.apis.painter import check_window
from mmvod_plugins.cli.tool import config_parser, read_config, run_tool
from mmvod_plugins.datasets.video_index import class_names
from mmvod_plugins.utils.text import safe_stem
from mmvod_plugins.visualization import contact_sheet, draw_detections
from mmvod_plugins.visualization.text import draw_text

BAR = 16


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = config_parser(__doc__.split('\n')[0])
    parser.add_argument('--output-dir', type=Path, help='folder of the pictures')
    parser.add_argument('--not-show', action='store_true', help='open no window')
    parser.add_argument('--show-interval', type=float, default=2, help='seconds for each clip')
    parser.add_argument('--num-clips', type=int, default=20, help='clips to show')
    parser.add_argument('--columns', type=int, default=4, help='frames in a row')
    return parser.parse_args(argv)


def browse(args: argparse.Namespace) -> None:
    """Show and write the clips.

    Raises:
        ValueError: If there is nothing to do with them.
        OSError: If no window can be opened, or a picture cannot be written.
    """
    if args.not_show and args.output_dir is None:
        raise ValueError('nothing to do with the clips: add --output-dir, or leave --not-show out')
    if not args.not_show:
        check_window('clip')
    loader = read_config(args).train_dataloader
    dataset = DATASETS.build(loader.dataset)
    sampler = DATA_SAMPLERS.build(loader.sampler, default_args=dict(dataset=dataset, seed=0))
    classes = class_names(dataset.metainfo)
    if args.output_dir is not None:
        args.output_dir.mkdir(parents=True, exist_ok=True)
    count = 0
    for n, place in enumerate(itertools.islice(sampler, args.num_clips)):
        clip = dataset[place]
        picture = contact_sheet(frames_of(clip, classes), args.columns)
        key = clip['data_samples'].video_data_samples[0].metainfo
        if args.output_dir is not None:
            name = safe_stem(f'{n:04d}_{key.get("video_name", key.get("video_id"))}')
            file = args.output_dir / f'{name}_{key["frame_id"]:06d}.jpg'
            if not cv2.imwrite(str(file), picture):
                raise OSError(f'{file} cannot be written: is the disk full?')
        if not args.not_show:
            cv2.imshow('clip', picture)
            if cv2.waitKey(max(int(1000 * args.show_interval), 1)) & 0xFF in (ord('q'), 27):
                break
        count += 1
    print(f'{count} clips' + (f' in {args.output_dir}' if args.output_dir else ''))


def frames_of(clip: dict[str, Any], classes: tuple[str, ...]) -> list[np.ndarray]:
    """The frames of a clip with their boxes, and a line about each above it."""
    pictures = []
    for image, sample in zip(clip['inputs'], clip['data_samples'].video_data_samples, strict=True):
        found, meta = sample.gt_instances, sample.metainfo
        boxes = found.bboxes.tensor if isinstance(found.bboxes, BaseBoxes) else found.bboxes
        picture = draw_detections(image.permute(1, 2, 0).numpy().clip(0, 255).astype(np.uint8),
                                  boxes, found.labels, class_names=classes,
                                  track_ids=found.get('instances_ids'))
        bar = np.full((BAR, picture.shape[1], 3), 255, np.uint8)
        draw_text(bar, f'{meta.get("role", "frame")} {meta["frame_id"]}', (3, BAR - 4), 0.4,
                  (0, 0, 0))
        pictures.append(np.vstack([bar, picture]))
    return pictures


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    return run_tool(browse, parse_args(argv))


if __name__ == '__main__':
    sys.exit(main())
