"""All numbers of a set of predictions, by name, and as a table to read."""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmvod_plugins.postprocessing.scored_boxes import distinct_boxes
from mmvod_plugins.structures import VideoDetections

from .functional import (
    ALL,
    AREA_GROUPS,
    MOTION_GROUPS,
    PROTOCOLS,
    Detections,
    GroundTruth,
    Group,
    GroupResult,
    MotionIoU,
    ProtocolResult,
    evaluate,
    evaluate_per_video,
    load_motion_iou,
    motion_iou,
    proposal_recall,
    temporal_stability,
    to_detections,
)
from .functional.protocols import find_protocols

#: Positions of the IoU thresholds 0.5 and 0.75 in COCO's ten.
COCO_THRESHOLDS = dict(AP50=0, AP75=5)


@dataclass(frozen=True)
class ReportOptions:
    """What is evaluated.

    Attributes:
        protocols: Names of protocols: ``voc``, ``fgfa``, ``mega``, ``coco``.
        motion: Whether slow, medium and fast objects are evaluated apart; needs instance ids.
        motion_file: FGFA's ``.mat`` file with the motion values of ImageNet VID val; None to
            compute them from the annotations.
        sizes: Whether small, medium and large objects (COCO's areas) are evaluated apart.
        classwise: Whether the numbers of every class are returned too; the table has them.
        per_video: Whether the table has AP50 of every video.
        proposal_limits: Numbers of best boxes per frame whose class-agnostic recall is asked for;
            a box that is detected as several classes counts once, with its best score.
        stability_score: Lowest score of detections whose temporal stability is asked for;
            ``'best'``: as many detections as there are objects; None: no stability.

    Raises:
        ValueError: If a protocol is unknown.
        FileNotFoundError: If there is no motion file.
    """

    protocols: Sequence[str] = tuple(PROTOCOLS)
    motion: bool = True
    motion_file: str | None = None
    sizes: bool = False
    classwise: bool = False
    per_video: bool = False
    proposal_limits: Sequence[int] = ()
    stability_score: float | str | None = None

    def __post_init__(self) -> None:
        for name, single in (('protocols', str), ('proposal_limits', int)):
            value = getattr(self, name)
            object.__setattr__(self, name, (value, ) if isinstance(value, single) else tuple(value))
        find_protocols(self.protocols)
        if isinstance(self.stability_score, str) and self.stability_score != 'best':
            raise ValueError("stability_score must be a number, 'best' or None, got "
                             f'{self.stability_score!r}')
        if self.motion_file is not None and not Path(self.motion_file).is_file():
            raise FileNotFoundError(f'there is no motion_file {self.motion_file}')


@dataclass
class Report:
    """Numbers and a text.

    Attributes:
        values: Numbers by name; AP and recall in [0, 1], NaN where nothing is defined.
        videos: AP50 by video and protocol, if it was asked for.
        lines: The same for reading, in percent.
    """

    values: dict[str, float] = field(default_factory=dict)
    videos: dict[str, dict[str, float]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def add_table(self, head: Sequence[str], rows: Iterable[Sequence[str | float]]) -> None:
        """Add a table whose first column is text; numbers are printed in percent."""
        texts = [[cell if isinstance(cell, str) else _percent(cell) for cell in row]
                 for row in rows]
        widths = [max(len(row[i]) for row in [list(head), *texts]) for i in range(len(head))]
        for row in [list(head), *texts]:
            cells = [row[0].ljust(widths[0]),
                     *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            self.lines.append('  '.join(cells).rstrip())
        self.lines.append('')


class Evaluation:
    """Ground truth of a data set with what is asked of predictions.

    Args:
        truth: Ground truth.
        options: What is evaluated.
        videos: Ids of the videos to look at; None for all.

    Raises:
        ValueError: If a protocol or a video is unknown, or the motion file belongs to other frames.
    """

    def __init__(self, truth: GroundTruth, options: ReportOptions | None = None,
                 videos: Sequence[Hashable] | None = None) -> None:
        self.options = options or ReportOptions()
        self.groups: list[Group] = [ALL]
        motion = self._motion(truth)
        if motion is not None:
            self.groups += MOTION_GROUPS
        if self.options.sizes:
            self.groups += AREA_GROUPS
        self.truth, self.motion = truth, motion
        if videos is not None:
            self.truth = truth.subset(videos)
            self.motion = motion and motion.subset(truth, videos)
        self.left_out = set(truth.videos) - set(self.truth.videos)

    def report(self, videos: Sequence[VideoDetections]) -> Report:
        """Evaluate detections; those of videos that are not looked at are left out.

        Raises:
            ValueError: See :func:`to_detections`.
        """
        videos = [video for video in videos if video.video_id not in self.left_out]
        detections = to_detections(videos, self.truth)
        if len(detections.missing):
            first = self.truth.frame_name(int(detections.missing[0]))
            warnings.warn(
                f'{len(detections.missing)} of {self.truth.num_frames} frames have no predictions '
                f'(the first: {first}); their objects count as missed. Evaluate some videos alone '
                'if that is what was tested', stacklevel=2)
        report = Report()
        self._add_ap(report, detections)
        self._add_others(report, detections)
        if self.options.proposal_limits:
            self._add_recall(report, videos)
        return report

    def _motion(self, truth: GroundTruth) -> MotionIoU | None:
        if not self.options.motion:
            return None
        if self.options.motion_file is not None:
            return load_motion_iou(self.options.motion_file, truth)
        if truth.has_instances:
            return motion_iou(truth)
        warnings.warn('the annotations have no instance_id: slow, medium and fast objects are not '
                      'evaluated apart', stacklevel=3)
        return None

    def _add_ap(self, report: Report, detections: Detections) -> None:
        results = evaluate(detections, self.truth, self.options.protocols, self.groups, self.motion)
        names = [group.name for group in self.groups]
        rows = []
        for result in results.values():
            numbers = [_mean_aps(result.protocol, result[name]) for name in names]
            for name, values in zip(names, numbers, strict=True):
                end = '' if name == ALL.name else f'_{name}'
                report.values.update({f'{key}{end}': value for key, value in values.items()})
            rows += [[key, *(values[key] for values in numbers)] for key in numbers[0]]
        counts = [str(int(next(iter(results.values()))[name].num_gt.sum())) for name in names]
        report.add_table(['AP in percent', *names], [*rows, ['objects', *counts]])
        self._add_classes(report, list(results.values()))

    def _add_classes(self, report: Report, results: list[ProtocolResult]) -> None:
        columns = [_ap50(result[ALL.name]) for result in results]
        if self.options.classwise:
            for result, values in zip(results, columns, strict=True):
                report.values.update({f'{result.protocol}_AP50_{name}': float(value) for name, value
                                      in zip(self.truth.classes, values, strict=True)})
        num_gt = results[0][ALL.name].num_gt
        report.add_table(
            ['AP50 of classes', *(result.protocol for result in results), 'objects'],
            [[name, *(float(values[k]) for values in columns), str(num_gt[k])]
             for k, name in enumerate(self.truth.classes)])

    def _add_others(self, report: Report, detections: Detections) -> None:
        options = self.options
        if options.per_video:
            found = evaluate_per_video(detections, self.truth, options.protocols)
            report.videos = {
                str(video_id): {name: float(result.mean_ap[v]) for name, result in found.items()}
                for v, video_id in enumerate(self.truth.videos)}
            report.add_table(['AP50 of videos', *found],
                             [[name, *row.values()] for name, row in report.videos.items()])
        if options.stability_score is not None:
            score = options.stability_score
            if score == 'best':
                score = score_of_best(detections.scores, len(self.truth.boxes))
            stability = temporal_stability(detections, self.truth, score)
            errors = dict(fragment_error=stability.fragment_error,
                          centre_error=stability.centre_error,
                          scale_ratio_error=stability.scale_ratio_error)
            report.values.update(errors)
            report.add_table(['temporal stability', ''], list(errors.items()))


    def _add_recall(self, report: Report, videos: Sequence[VideoDetections]) -> None:
        boxes = to_detections([distinct_boxes(video) for video in videos], self.truth)
        recalls = {f'recall_{limit}': proposal_recall(boxes, self.truth, limit)
                   for limit in self.options.proposal_limits}
        report.values.update(recalls)
        report.add_table(['class-agnostic recall', ''], list(recalls.items()))


def score_of_best(scores: np.ndarray, count: int) -> float:
    """The score from which on there are ``count`` detections; infinite without any."""
    return float(np.sort(scores)[::-1][:count].min(initial=np.inf))


def _mean_aps(protocol: str, result: GroupResult) -> dict[str, float]:
    """The numbers of a group by name: AP50, and for COCO's protocol the mean over IoUs too."""
    if result.ap_by_iou is None:
        return {f'{protocol}_AP50': result.mean_ap}
    by_threshold = {f'{protocol}_{name}': _mean(result.ap_by_iou[place])
                    for name, place in COCO_THRESHOLDS.items()}
    return {**by_threshold, f'{protocol}_mAP': result.mean_ap}


def _ap50(result: GroupResult) -> Sequence[float]:
    return result.ap if result.ap_by_iou is None else result.ap_by_iou[0]


def _mean(values: Sequence[float]) -> float:
    defined = [float(value) for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else float('nan')


def _percent(value: float) -> str:
    return '-' if math.isnan(value) else f'{100 * value:.2f}'
