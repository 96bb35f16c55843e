"""Make a proposal file from the predictions of any detector, for instance an RPN.

    python tools/test.py CONFIG CHECKPOINT --out predictions.npz
    python tools/dataset_converters/proposals_from_predictions.py predictions.npz val.json out.npz

docs/dataset_prepare.md has the format, and the config of an RPN.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from mmvod_plugins.datasets import save_proposals
from mmvod_plugins.datasets.coco_vid_file import CocoVIDFile
from mmvod_plugins.evaluation import Predictions, load_predictions


def best_boxes(boxes: np.ndarray, scores: np.ndarray,
               limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Best boxes of a frame, best first; a box detected as several classes counts once.

    Args:
        boxes: (N, 4).
        scores: (N,).
        limit: Largest number of boxes.
    """
    order = np.argsort(-scores, kind='stable')
    _, first = np.unique(boxes[order], axis=0, return_index=True)
    rows = order[np.sort(first)[:limit]]
    return boxes[rows], scores[rows]


def to_proposals(predictions: Predictions, source: CocoVIDFile,
                 limit: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Convert predictions to boxes and scores by ``file_name``.

    Args:
        predictions: Predictions of the frames of ``source``.
        source: The annotation file.
        limit: Largest number of boxes of a frame.

    Raises:
        ValueError: If the predictions have no image ids, or ids that are not in the annotation
            file.
    """
    names = {image['id']: image['file_name'] for image in source.images}
    frames = {}
    for video in predictions.videos:
        if video.image_ids is None:
            raise ValueError(f'the predictions of video {video.video_id!r} have no image_ids: '
                             'write them with tools/test.py --out')
        rows = np.split(np.arange(len(video)), np.cumsum(video.num_boxes)[:-1])
        for image_id, part in zip(video.image_ids.tolist(), rows, strict=True):
            if image_id not in names:
                raise ValueError(f'{source.path} has no image {image_id} (video '
                                 f'{video.video_id!r}): the predictions belong to another '
                                 'annotation file')
            frames[names[image_id]] = best_boxes(video.boxes[part], video.scores[part], limit)
    return frames


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('predictions', type=Path,
                        help='.npz file or folder of tools/test.py --out')
    parser.add_argument('annotations', help='COCO-VID json of the same frames')
    parser.add_argument('out', type=Path, help='proposal file to write, .npz')
    parser.add_argument('--max-per-frame', type=int, default=300, metavar='N',
                        help='the best N boxes of a frame (default: 300)')
    args = parser.parse_args(argv)
    try:
        source = CocoVIDFile(args.annotations)
        frames = to_proposals(load_predictions(args.predictions), source, args.max_per_frame)
        save_proposals(args.out, frames)
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    boxes = sum(len(scores) for _, scores in frames.values())
    print(f'{args.out}: {boxes} proposals of {len(frames)} frames; {len(source.images)} images '
          f'are in {args.annotations}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
