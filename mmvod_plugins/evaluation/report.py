"""Numbers of a set of predictions, and their table."""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmvod_plugins.postprocessing.scored_boxes import distinct_boxes
from mmvod_plugins.structures import VideoDetections

from .functional import (
    ALL,
    AREA_GROUPS,
    IMAGENET_VID,
    MOTION_GROUPS,
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
from .functional.protocols import PROTOCOLS, find_protocols
from .functional.results import mean_of_defined

#: Positions of the IoU thresholds 0.5 and 0.75 in COCO's ten.
COCO_THRESHOLDS = dict(AP50=0, AP75=5)


@dataclass(frozen=True)
class ReportOptions:
    """Selection of what is evaluated.

    Attributes:
        protocols: Names of protocols: ``voc``, ``fgfa``, ``mega``, ``coco``, ``uavdt``.
        motion: Whether slow, medium and fast objects are evaluated separately; needs instance ids.
        motion_file: FGFA's ``.mat`` file with the motion values of ImageNet VID val; None to
            compute them from the annotations.
        sizes: Whether small, medium and large objects (COCO's areas) are evaluated separately.
        classwise: Whether the numbers of every class are returned too; the table has them.
        per_video: Whether the table has AP50 of every video.
        proposal_limits: Numbers of best boxes per frame whose class-agnostic recall is computed;
            a box detected as several classes counts once, with its best score.
        stability_score: Lowest score of the detections whose temporal stability is computed;
            ``'best'``: as many detections as there are objects; None: no stability.
        degraded: Key of the json's images that marks degraded frames (see
            :func:`degraded_frames`): AP without these frames and in them alone is added.

    Raises:
        ValueError: If a protocol is unknown.
        FileNotFoundError: If there is no motion file.
    """

    protocols: Sequence[str] = IMAGENET_VID
    motion: bool = True
    motion_file: str | None = None
    sizes: bool = False
    classwise: bool = False
    per_video: bool = False
    proposal_limits: Sequence[int] = ()
    stability_score: float | str | None = None
    degraded: str | None = None

    def __post_init__(self) -> None:
        for name, single in (('protocols', str), ('proposal_limits', int)):
            value = getattr(self, name)
            object.__setattr__(self, name, (value, ) if isinstance(value, single) else tuple(value))
        find_protocols(self.protocols)
        if isinstance(self.stability_score, str) and self.stability_score != 'best':
            raise ValueError("stability_score must be a number, 'best' or None, got "
                             f'{self.stability_score!r}')
        if self.motion_file is not None and not Path(self.motion_file).is_file():
            raise FileNotFoundError(f'motion_file {self.motion_file} does not exist')


@dataclass(frozen=True)
class Report:
    """Numbers of an evaluation; AP and recall in [0, 1], NaN where nothing is defined.

    Attributes:
        ap: Mean AP by name (``fgfa_AP50``) and group: of objects, or of frames (``clean``,
            ``degraded``).
        num_objects: Objects that count, by group.
        num_frames: Frames that are evaluated, by group.
        class_ap: AP by protocol and class, at the single or lowest threshold: 0.5, uavdt's 0.7.
        class_objects: Objects that count, by class.
        video_ap: The same by video and protocol; empty if it was not asked for.
        stability: Errors of temporal stability by name; empty if they were not asked for.
        recall: Class-agnostic recall by name; empty if it was not asked for.
        classwise: Whether ``values`` holds the AP of every class.
    """

    ap: dict[str, dict[str, float]]
    num_objects: dict[str, int]
    num_frames: dict[str, int]
    class_ap: dict[str, dict[str, float]]
    class_objects: dict[str, int]
    video_ap: dict[str, dict[str, float]]
    stability: dict[str, float]
    recall: dict[str, float]
    classwise: bool

    @property
    def values(self) -> dict[str, float]:
        """Numbers by the names that a metric logs, without those of single videos."""
        values = {name if group == ALL.name else f'{name}_{group}': value
                  for name, by_group in self.ap.items() for group, value in by_group.items()}
        if self.classwise:
            values.update({f'{_number(protocol)}_{name}': value
                           for protocol, by_class in self.class_ap.items()
                           for name, value in by_class.items()})
        return {**values, **self.stability, **self.recall}

    @property
    def lines(self) -> list[str]:
        """Tables of all numbers in percent."""
        lines = table(['AP in percent', *self.num_objects], [
            *([name, *by_group.values()] for name, by_group in self.ap.items()),
            ['objects', *map(str, self.num_objects.values())],
            ['frames', *map(str, self.num_frames.values())]])
        heads = [name if PROTOCOLS[name].metric == 'AP50' else _number(name)
                 for name in self.class_ap]
        lines += table(['AP50 of classes', *heads, 'objects'], [
            [name, *(by_class[name] for by_class in self.class_ap.values()), str(count)]
            for name, count in self.class_objects.items()])
        if self.video_ap:
            lines += table(['AP50 of videos', *heads], [
                [name, *by_protocol.values()] for name, by_protocol in self.video_ap.items()])
        if self.stability:
            lines += table(['temporal stability', ''], self.stability.items())
        if self.recall:
            lines += table(['class-agnostic recall', ''], self.recall.items())
        return lines


class Evaluation:
    """Ground truth of a data set, ready to evaluate predictions.

    Args:
        truth: Ground truth.
        options: Selection of what is evaluated.
        videos: Ids of the videos to evaluate; None for all.

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
        """Evaluate detections; those of videos that are not evaluated are ignored.

        Raises:
            ValueError: See :func:`to_detections`.
        """
        videos = [video for video in videos if video.video_id not in self.left_out]
        detections = to_detections(videos, self.truth)
        self._warn_of_missing(detections)
        options, classes = self.options, self.truth.classes
        results = evaluate(detections, self.truth, options.protocols, self.groups, self.motion)
        any_result = next(iter(results.values()))
        ap = _mean_ap(results, self.groups)
        num_objects = {group.name: int(any_result[group.name].num_gt.sum())
                       for group in self.groups}
        num_frames = dict.fromkeys(num_objects, self.truth.num_frames)
        for name, frames in self._parts().items():
            part = self.truth.select(frames)
            of_part = evaluate(detections.of_frames(frames), part, options.protocols)
            for number, by_group in _mean_ap(of_part, [ALL]).items():
                ap[number][name] = by_group[ALL.name]
            num_objects[name] = int(part.num_objects.sum())
            num_frames[name] = part.num_frames
        return Report(
            ap=ap, num_objects=num_objects, num_frames=num_frames,
            class_ap={protocol: dict(zip(classes, _single(result[ALL.name]).tolist(), strict=True))
                      for protocol, result in results.items()},
            class_objects=dict(zip(classes, any_result[ALL.name].num_gt.tolist(), strict=True)),
            video_ap=self._video_ap(detections) if options.per_video else {},
            stability=self._stability(detections),
            recall=self._recall(videos) if options.proposal_limits else {},
            classwise=options.classwise)

    def _warn_of_missing(self, detections: Detections) -> None:
        if len(detections.missing):
            first = self.truth.frame_name(int(detections.missing[0]))
            warnings.warn(
                f'{len(detections.missing)} of {self.truth.num_frames} frames have no predictions '
                f'(the first: {first}); their objects count as missed. If only some videos were '
                'tested, evaluate only those', stacklevel=3)

    def _motion(self, truth: GroundTruth) -> MotionIoU | None:
        if not self.options.motion:
            return None
        if self.options.motion_file is not None:
            return load_motion_iou(self.options.motion_file, truth)
        if truth.has_instances:
            return motion_iou(truth)
        warnings.warn('the annotations have no instance_id: slow, medium and fast objects are not '
                      'evaluated separately', stacklevel=3)
        return None

    def _parts(self) -> dict[str, np.ndarray]:
        """Masks of the frames that are evaluated by themselves, (F,), bool, by name."""
        if self.truth.degraded is None:
            return {}
        return dict(clean=~self.truth.degraded, degraded=self.truth.degraded)

    def _video_ap(self, detections: Detections) -> dict[str, dict[str, float]]:
        results = evaluate_per_video(detections, self.truth, self.options.protocols)
        return {str(video_id): {protocol: float(result.mean_ap[v])
                                for protocol, result in results.items()}
                for v, video_id in enumerate(self.truth.videos)}

    def _stability(self, detections: Detections) -> dict[str, float]:
        score = self.options.stability_score
        if score is None:
            return {}
        if score == 'best':
            score = score_of_best(detections.scores, len(self.truth.boxes))
        errors = temporal_stability(detections, self.truth, score)
        return dict(fragment_error=errors.fragment_error, centre_error=errors.centre_error,
                    scale_ratio_error=errors.scale_ratio_error)

    def _recall(self, videos: Sequence[VideoDetections]) -> dict[str, float]:
        boxes = to_detections([distinct_boxes(video) for video in videos], self.truth)
        return {f'recall_{limit}': proposal_recall(boxes, self.truth, limit)
                for limit in self.options.proposal_limits}


def table(head: Sequence[str], rows: Iterable[Sequence[str | float]]) -> list[str]:
    """Lines of an aligned table; numbers are printed in percent, and an empty line ends it.

    Args:
        head: Names of the columns.
        rows: Cells; the first of each row is text.
    """
    texts = [list(head), *([cell if isinstance(cell, str) else _percent(cell) for cell in row]
                           for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = ['  '.join([row[0].ljust(widths[0]),
                        *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in texts]
    return [*lines, '']


def score_of_best(scores: np.ndarray, count: int) -> float:
    """Score of the detection of rank ``count``; infinite without detections."""
    return float(np.sort(scores)[::-1][:count].min(initial=np.inf))


def _mean_ap(results: dict[str, ProtocolResult], groups: Sequence[Group]
             ) -> dict[str, dict[str, float]]:
    """Mean AP over the classes by name and group."""
    ap = {}
    for protocol, result in results.items():
        by_group = {group.name: _mean_aps(protocol, result[group.name]) for group in groups}
        for name in by_group[ALL.name]:
            ap[name] = {group: values[name] for group, values in by_group.items()}
    return ap


def _number(protocol: str) -> str:
    """Name of a protocol's number at its single or lowest IoU threshold, ``fgfa_AP50``."""
    return f'{protocol}_{PROTOCOLS[protocol].metric}'


def _mean_aps(protocol: str, result: GroupResult) -> dict[str, float]:
    """Mean AP of a group by name: one, and for COCO's protocol AP50, AP75 and mAP."""
    if result.ap_by_iou is None:
        return {_number(protocol): result.mean_ap}
    by_threshold = {f'{protocol}_{name}': mean_of_defined(result.ap_by_iou[place])
                    for name, place in COCO_THRESHOLDS.items()}
    return {**by_threshold, f'{protocol}_mAP': result.mean_ap}


def _single(result: GroupResult) -> np.ndarray:
    return result.ap if result.ap_by_iou is None else result.ap_by_iou[0]


def _percent(value: float) -> str:
    return '-' if math.isnan(value) else f'{100 * value:.2f}'
