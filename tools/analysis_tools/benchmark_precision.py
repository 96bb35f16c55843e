"""Compare detections and AP50 of a model in mixed precision with those in single precision.

    python tools/analysis_tools/benchmark_precision.py CONFIG CHECKPOINT [--precisions bf16 fp16]

Tests the model on its own data, in single precision first. Of the boxes with a score of at least
``--score-thr`` there, it prints the share that has a box of its class with an IoU of at least 0.9
in mixed precision, and how far these scores are apart. On a CPU mmcv's suppression and RoIAlign
know single precision alone: they get it, so numbers there are those of all other operators.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from mmcv.ops import RoIAlign
from mmcv.ops.nms import ext_module
from mmengine.config import Config
from pycocotools import mask as maskUtils

from mmvod_plugins.cli.tool import config_parser, read_config, run_tool
from mmvod_plugins.engine import VideoRunner

PRECISIONS = dict(bf16=torch.bfloat16, fp16=torch.float16)
AP50 = 'vid/coco_AP50'
#: Overlap from which on two boxes are the same.
SAME = 0.9


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = config_parser(__doc__.split('\n')[0])
    parser.add_argument('checkpoint')
    parser.add_argument('--precisions', nargs='+', choices=PRECISIONS, default=['bf16'])
    parser.add_argument('--score-thr', type=float, default=0.3)
    return parser.parse_args(argv)


def compare(args: argparse.Namespace) -> None:
    """Test in all precisions and print.

    Raises:
        ValueError: If the config has another metric than ``ImageNetVIDMetric``.
    """
    config = read_config(args)
    if config.test_evaluator.get('type') != 'ImageNetVIDMetric':
        raise ValueError('test_evaluator must be an ImageNetVIDMetric, got '
                         f'{config.test_evaluator}')
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    with tempfile.TemporaryDirectory() as folder:
        metrics, plain = outcome(config, args.checkpoint, Path(folder))
        print(f'fp32: AP50 {100 * metrics[AP50]:.2f}')
        for name in args.precisions:
            with operators_of(device):
                metrics, mixed = outcome(config, args.checkpoint, Path(folder),
                                        torch.autocast(device, PRECISIONS[name]))
            share, mean, largest = agreement(plain, mixed, args.score_thr)
            print(f'{name}: AP50 {100 * metrics[AP50]:.2f}; {100 * share:.1f}% of the boxes from a '
                  f'score of {args.score_thr:g} on; scores differ by {mean:.4f} on average, '
                  f'{largest:.3f} at most')


def outcome(config: Config, checkpoint: str, folder: Path,
           precision: torch.autocast | None = None,
           ) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Test the model of a config in a precision; its metrics and COCO results."""
    config = Config(config.to_dict())
    config.update(work_dir=str(folder), load_from=checkpoint, visualizer=None)
    config.default_hooks.pop('visualization', None)
    config.test_evaluator.outfile_prefix = str(folder / 'found')
    runner = VideoRunner.from_cfg(config)
    if precision is not None:  # within the loop, which sets a precision of its own
        runner.model.test_step = precision(runner.model.test_step)
    metrics = runner.test()
    return metrics, json.loads((folder / 'found.bbox.json').read_text())


@contextmanager
def operators_of(device: str) -> Iterator[None]:
    """On a CPU, single precision for mmcv's operators that know nothing else there."""
    nms, align = ext_module.nms, RoIAlign.forward
    with ExitStack() as stack:
        if device == 'cpu':
            stack.enter_context(mock.patch.object(
                ext_module, 'nms', lambda boxes, scores, **settings: nms(
                    boxes.float(), scores.float(), **settings)))
            stack.enter_context(mock.patch.object(
                RoIAlign, 'forward', lambda self, maps, rois: align(
                    self, maps.float(), rois.float()).to(maps.dtype)))
        yield


def agreement(plain: Sequence[dict[str, Any]], mixed: Sequence[dict[str, Any]],
              threshold: float) -> tuple[float, float, float]:
    """How far two lists of COCO results agree.

    Args:
        plain: Of single precision.
        mixed: Of mixed precision.
        threshold: Score from which on boxes of single precision count.

    Returns:
        The share of these boxes that the other list has, and the mean and the largest difference
        of their scores. NaN if there are none.
    """
    others = defaultdict(list)
    for item in mixed:
        others[item['image_id'], item['category_id']].append(item)
    counted, differences = 0, []
    for item in plain:
        if item['score'] < threshold:
            continue
        counted += 1
        candidates = others[item['image_id'], item['category_id']]
        if candidates:
            overlaps = maskUtils.iou([item['bbox']], [other['bbox'] for other in candidates],
                                     [0] * len(candidates))[0]
            best = int(overlaps.argmax())
            if overlaps[best] >= SAME:
                differences.append(abs(candidates[best]['score'] - item['score']))
    if not differences:
        return (0. if counted else float('nan')), float('nan'), float('nan')
    return len(differences) / counted, float(np.mean(differences)), max(differences)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    return run_tool(compare, parse_args(argv))


if __name__ == '__main__':
    sys.exit(main())
