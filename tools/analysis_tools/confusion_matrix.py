"""Draw which classes are taken for which, from a file of predictions.

    python tools/analysis_tools/confusion_matrix.py CONFIG predictions.npz OUT_FOLDER

Counts and draws with the functions of mmdet's tool of the same name, frame by frame.
"""

import argparse
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import matplotlib.pyplot as plt
import numpy as np
import torch

from mmvod_plugins.cli.judged_data import JudgedData, judged_data
from mmvod_plugins.cli.tool import config_parser, read_config, run_tool
from mmvod_plugins.engine.launch import stock_script
from mmvod_plugins.evaluation.functional.scene import Scene


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = config_parser(__doc__.split('\n')[0])
    parser.add_argument('prediction_path', type=Path, help='.npz, folder, or COCO results .json')
    parser.add_argument('save_dir', type=Path, help='folder for confusion_matrix.png')
    parser.add_argument('--show', action='store_true')
    parser.add_argument('--color-theme', default='plasma')
    parser.add_argument('--score-thr', type=float, default=0.3)
    parser.add_argument('--tp-iou-thr', type=float, default=0.5)
    return parser.parse_args(argv)


def stock_tool() -> ModuleType:
    """The tool of mmdet as a module."""
    spec = spec_from_file_location('mmdet_confusion_matrix',
                                   stock_script('analysis_tools/confusion_matrix.py'))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def count(data: JudgedData, stock: ModuleType, score_thr: float, iou_thr: float) -> np.ndarray:
    """Confusion matrix (K + 1, K + 1): rows are true classes, columns found ones."""
    truth, scene = data.truth, Scene(data.detections, data.truth)
    found = scene.detections
    matrix = np.zeros((truth.num_classes + 1, truth.num_classes + 1))
    for f in range(truth.num_frames):
        objects = [g for g in range(*truth.offsets[[f, f + 1]]) if not truth.crowd[g]]
        rows = slice(*scene.det_offsets[[f, f + 1]])
        stock.analyze_per_img_dets(
            matrix, [dict(bbox=truth.boxes[g], bbox_label=truth.labels[g]) for g in objects],
            dict(bboxes=torch.from_numpy(found.boxes[rows].astype(np.float32)),
                 scores=torch.from_numpy(found.scores[rows].astype(np.float32)),
                 labels=torch.from_numpy(found.labels[rows].astype(np.int64))),
            score_thr, iou_thr)
    return matrix


def draw(args: argparse.Namespace) -> None:
    """Draw the matrix."""
    data = judged_data(read_config(args), args.prediction_path)
    if not args.show:
        plt.switch_backend('agg')
    stock = stock_tool()
    matrix = count(data, stock, args.score_thr, args.tp_iou_thr)
    args.save_dir.mkdir(parents=True, exist_ok=True)
    with np.errstate(invalid='ignore'):  # classes without objects are -1 in the picture
        stock.plot_confusion_matrix(matrix, (*data.truth.classes, 'background'), args.save_dir,
                                    args.show, color_theme=args.color_theme)
    print(f'{args.save_dir / "confusion_matrix.png"}: {int(np.trace(matrix))} of '
          f'{int((~data.truth.crowd).sum())} objects found as what they are')


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    return run_tool(draw, parse_args(argv))


if __name__ == '__main__':
    sys.exit(main())
