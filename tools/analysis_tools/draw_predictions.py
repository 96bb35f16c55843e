"""Draw frames of a video over time: annotated boxes and those of several predictions files.

    python tools/analysis_tools/draw_predictions.py VAL.json IMAGES a=a.npz b=b.npz --out s.png

Every row of the picture is a file, every column a frame. Scores of different files need not be
comparable (rescoring may add): of each file the best boxes of the data set are drawn, as many as
there are objects; with --score-thr those of at least this score. Without --video it is the video
whose AP50 differs most between the last file and the first.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from mmvod_plugins.datasets.coco_vid_file import CocoVIDFile
from mmvod_plugins.evaluation import Predictions
from mmvod_plugins.evaluation.coco_json import read_predictions
from mmvod_plugins.evaluation.functional import GroundTruth, evaluate_per_video, to_detections
from mmvod_plugins.evaluation.metrics.imagenet_vid_metric import named_videos
from mmvod_plugins.evaluation.report import score_of_best
from mmvod_plugins.utils.files import check_output, replacing
from mmvod_plugins.visualization import draw_detections, titled_rows

GREEN = (0, 200, 0)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('annotations', type=Path, help='COCO-VID json')
    parser.add_argument('images', type=Path, help='folder of the frames')
    parser.add_argument('predictions', nargs='+', metavar='TITLE=FILE')
    parser.add_argument('--video', help='name or id')
    parser.add_argument('--frames', type=int, nargs='+', help='numbers; by default six in a row')
    parser.add_argument('--score-thr', type=float, help='least score of the boxes that are drawn')
    parser.add_argument('--zoom', type=float, default=1.5)
    parser.add_argument('--out', type=Path, required=True)
    return parser.parse_args(argv)


def changed_most(files: list[Predictions], truth: GroundTruth) -> int:
    """Position of the video that gains most AP50 from the first file to the last."""
    first, last = (evaluate_per_video(to_detections(file.videos, truth), truth, ['voc'])['voc']
                   for file in (files[0], files[-1]))
    gain = last.mean_ap - first.mean_ap
    return int(np.argmax(np.where(np.isnan(gain), -np.inf, gain)))


class Strip:
    """One video, drawn frame by frame.

    Args:
        source: The annotation file.
        images: Folder of the frames.
        truth: Ground truth.
        zoom: Factor of the size of the frames.
        score_thr: Least score of the boxes that are drawn; None for the best of each file.
    """

    def __init__(self, source: CocoVIDFile, images: Path, truth: GroundTruth, zoom: float,
                 score_thr: float | None = None) -> None:
        self.truth = truth
        self.names = {image['id']: images / image['file_name'] for image in source.images}
        self.zoom = zoom
        self.score_thr = score_thr

    def frame(self, number: int) -> np.ndarray:
        """The frame with a number in the ground truth, enlarged.

        Raises:
            FileNotFoundError: If it cannot be read.
        """
        path = self.names[self.truth.image_ids[number]]
        image = cv2.imread(str(path))
        if image is None:
            raise FileNotFoundError(f'{path} cannot be read')
        return cv2.resize(image, None, fx=self.zoom, fy=self.zoom, interpolation=cv2.INTER_CUBIC)

    def true_row(self, numbers: list[int]) -> list[np.ndarray]:
        """Frames with their true boxes."""
        cells = []
        for number in numbers:
            rows = slice(self.truth.offsets[number], self.truth.offsets[number + 1])
            cells.append(draw_detections(
                self.frame(number), self.zoom * self.truth.boxes[rows], self.truth.labels[rows],
                class_names=self.truth.classes, colour=GREEN))
        return cells

    def row(self, numbers: list[int], predictions: Predictions) -> list[np.ndarray]:
        """Frames with the detections of a file."""
        found = to_detections(predictions.videos, self.truth)
        least = self.score_thr
        if least is None:
            least = score_of_best(found.scores, len(self.truth.boxes))
        cells = []
        for number in numbers:
            rows = np.flatnonzero((found.frame_index == number) & (found.scores >= least))
            cells.append(draw_detections(
                self.frame(number), self.zoom * found.boxes[rows], found.labels[rows],
                found.scores[rows], self.truth.classes))
        return cells


def draw(args: argparse.Namespace) -> np.ndarray:
    """The whole picture.

    Raises:
        ValueError: If files do not belong together, or a frame does not exist.
    """
    source = CocoVIDFile(str(args.annotations))
    if not all('=' in item for item in args.predictions):
        raise ValueError(f'predictions are given as TITLE=FILE, got {args.predictions}')
    files = {name: read_predictions(path, source)
             for name, _, path in (item.partition('=') for item in args.predictions)}
    classes = {file.classes for file in files.values()}
    if len(classes) > 1:
        raise ValueError(f'the files have different classes, or in another order: {classes}')
    truth = GroundTruth.from_coco_vid(str(args.annotations), classes.pop())
    if args.video is None:
        video = changed_most(list(files.values()), truth)
    else:
        video = truth.videos.index(named_videos(source.videos(), [args.video])[0])
    numbers = np.flatnonzero(truth.video == video)
    if args.frames is None:
        middle = max(len(numbers) // 2 - 3, 0)
        args.frames = list(range(middle, min(middle + 6, len(numbers))))
    outside = [frame for frame in args.frames if not 0 <= frame < len(numbers)]
    if outside:
        raise ValueError(f'frame {outside[0]} is not in the video, which has {len(numbers)}')
    chosen = numbers[args.frames].tolist()
    strip = Strip(source, args.images, truth, args.zoom, args.score_thr)
    return titled_rows({
        'truth': strip.true_row(chosen),
        **{name: strip.row(chosen, predictions) for name, predictions in files.items()}})


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    args = parse_args(argv)
    try:
        files = [text.partition('=')[2] for text in args.predictions]
        check_output(args.out, [args.annotations, *files], ('.png', '.jpg', '.jpeg', '.bmp'))
        picture = draw(args)
        with replacing(args.out) as part:
            if not cv2.imwrite(str(part), picture):
                raise OSError(f'{args.out} cannot be written: is the disk full?')
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(args.out)
    return 0


if __name__ == '__main__':
    sys.exit(main())
