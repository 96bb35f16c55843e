"""Draw the frames that a detector does best and worst in, from a file of predictions.

    python tools/analysis_tools/analyze_results.py CONFIG predictions.npz OUT_FOLDER --topk 20

Writes ``good`` and ``bad`` pictures: the true boxes in green, the detections in the colour of their
class. A frame is judged by its own AP50; the worst of equal ones are those with more objects.
``mmvod page`` shows failures over time.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from mmvod_plugins.cli.judged_data import JudgedData, judged_data
from mmvod_plugins.cli.tool import config_parser, read_config, run_tool
from mmvod_plugins.evaluation.functional import evaluate_per_video
from mmvod_plugins.evaluation.functional.scene import Scene
from mmvod_plugins.utils.text import safe_stem
from mmvod_plugins.video_files import read_frame, split_frame_name
from mmvod_plugins.visualization import draw_detections

GREEN = (0, 200, 0)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = config_parser(__doc__.split('\n')[0])
    parser.add_argument('prediction_path', type=Path, help='.npz, folder, or COCO results .json')
    parser.add_argument('show_dir', type=Path, help='folder of the pictures')
    parser.add_argument('--topk', type=int, default=20, help='pictures of each kind')
    parser.add_argument('--show-score-thr', type=float, default=0.3,
                        help='weakest box that is drawn')
    return parser.parse_args(argv)


def frame_aps(data: JudgedData) -> np.ndarray:
    """AP50 of every frame by VOC's rules, (F,); NaN without objects."""
    # A frame is a video of its own, whose AP the evaluation knows.
    alone = replace(data.truth, video_ids=list(range(data.truth.num_frames)),
                    frame_ids=np.zeros(data.truth.num_frames, np.int64))
    return evaluate_per_video(data.detections, alone, ['voc'])['voc'].mean_ap


def analyse(args: argparse.Namespace) -> None:
    """Draw the frames.

    Raises:
        ValueError: If no frame has objects.
        OSError: If a frame cannot be read.
    """
    if args.topk < 1:
        raise ValueError(f'--topk must be 1 or more, got {args.topk}')
    data = judged_data(read_config(args), args.prediction_path)
    aps = frame_aps(data)
    known = np.flatnonzero(~np.isnan(aps))
    if not known.size:
        raise ValueError('no frame has objects')
    order = known[np.lexsort((-data.truth.num_objects[known], aps[known]))]
    topk = min(args.topk, max(len(order) // 2, 1))
    scene = Scene(data.detections, data.truth)
    for name, frames in (('bad', order[:topk]), ('good', order[::-1][:topk])):
        folder = args.show_dir / name
        folder.mkdir(parents=True, exist_ok=True)
        for f in frames.tolist():
            video = safe_stem(data.truth.video_ids[f])
            file = folder / f'{video}_{data.truth.frame_ids[f]:06d}_{aps[f]:.3f}.jpg'
            if not cv2.imwrite(str(file), picture(data, scene, f, args.show_score_thr)):
                raise OSError(f'{file} cannot be written: is the disk full?')
    print(f'{args.show_dir}: {topk} good frames, {topk} bad ones of {len(order)}; mean AP50 of a '
          f'frame {100 * aps[known].mean():.1f}')


def picture(data: JudgedData, scene: Scene, f: int, threshold: float) -> np.ndarray:
    """A frame with its true boxes and its detections."""
    path = data.files[data.truth.image_ids[f]]
    place = None if path.is_file() else split_frame_name(str(path))
    image = read_frame(*place) if place else cv2.imread(str(path))
    if image is None:
        raise OSError(f'the frame {path} cannot be read')
    truth, found = data.truth, scene.detections
    objects = slice(*truth.offsets[[f, f + 1]])
    rows = np.arange(*scene.det_offsets[[f, f + 1]])
    rows = rows[found.scores[rows] >= threshold]
    image = draw_detections(image, truth.boxes[objects], truth.labels[objects],
                            class_names=truth.classes, colour=GREEN)
    return draw_detections(image, found.boxes[rows], found.labels[rows], found.scores[rows],
                           truth.classes)


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    return run_tool(analyse, parse_args(argv))


if __name__ == '__main__':
    sys.exit(main())
