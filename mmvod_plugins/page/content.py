"""Content of the prediction page as plain values: an index, and the boxes of each video."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mmvod_plugins.evaluation import Predictions
from mmvod_plugins.evaluation.functional import (
    MOTION_GROUPS,
    CocoProtocol,
    GroundTruth,
    MotionIoU,
    Protocol,
    evaluate,
    evaluate_per_video,
    motion_iou,
    to_detections,
)
from mmvod_plugins.evaluation.functional.detections import frame_numbers
from mmvod_plugins.evaluation.functional.results import mean_of_defined
from mmvod_plugins.evaluation.functional.scene import Scene

from .failures import Failure, broken_tracks, false_detections, missed_objects
from .reference_file import ReferenceTable
from .verdicts import VERDICTS, Verdicts, judge

#: Failures of one kind that a run shows, the worst ones.
MOST_FAILURES = 300


@dataclass(frozen=True)
class Run:
    """One set of predictions.

    Attributes:
        title: Its name on the page.
        predictions: Detections.
        references: Frames that its key frames looked at, where known.
    """

    title: str
    predictions: Predictions
    references: ReferenceTable = field(default_factory=dict)


@dataclass(frozen=True)
class PageVideo:
    """A video of the page.

    Attributes:
        video_id: Its id.
        name: Its name for people.
        stem: Its name in files, unique.
        shape: (height, width) of the frames.
        fps: Frames per second, for playing.
    """

    video_id: Hashable
    name: str
    stem: str
    shape: tuple[int, int]
    fps: float


@dataclass(frozen=True)
class _Judged:
    """A run and what the metric makes of it; ``verdicts`` and AP are None without ground truth."""

    run: Run
    scene: Scene
    tracks: np.ndarray
    verdicts: Verdicts | None
    ap: float | None
    video_ap: np.ndarray | None


class PageContent:
    """Runs beside each other, and beside the truth.

    Args:
        runs: One to three runs with the same classes.
        truth: Ground truth, the frames of a video in a row; without objects (``judged=False``)
            only its frames count.
        videos: The videos of the truth, in its order.
        protocol: Rules of the matching.
        threshold: Score from which a detection counts in the list of failures.
        least_score: Weaker detections are matched, and left out of the page.
        judged: Whether there is ground truth.

    Raises:
        ValueError: If runs and truth do not belong together.
    """

    def __init__(self, runs: Sequence[Run], truth: GroundTruth, videos: Sequence[PageVideo],
                 protocol: Protocol | CocoProtocol, *, threshold: float, least_score: float,
                 judged: bool = True) -> None:
        self.truth, self.videos, self.protocol = truth, list(videos), protocol
        self.threshold, self.least_score, self.judged = threshold, least_score, judged
        self.runs = [self._judge(run) for run in runs]
        follows = judged and truth.has_instances
        # Without instance ids every box is an object of its own.
        self.objects = truth.tracks if follows else np.arange(len(truth.boxes))
        self.motion = self._motion_groups(motion_iou(truth)) if follows else None

    def _judge(self, run: Run) -> _Judged:
        detections = to_detections(run.predictions.videos, self.truth)
        scene = Scene(detections, self.truth)
        tracks = np.full(len(detections), -1)
        for video in run.predictions.videos:
            if video.track_ids is not None:
                first = scene.det_offsets[frame_numbers(video, self.truth)] - video.offsets[:-1]
                tracks[np.repeat(first, video.num_boxes) + np.arange(len(video))] = video.track_ids
        if not self.judged:
            return _Judged(run, scene, tracks, None, None, None)
        name = self.protocol.name
        result = evaluate(detections, self.truth, [self.protocol])[name].groups['all']
        ap = result.ap if result.ap_by_iou is None else result.ap_by_iou[0]
        per_video = evaluate_per_video(detections, self.truth, [self.protocol])[name]
        return _Judged(run, scene, tracks, judge(scene, self.protocol),
                       _number(mean_of_defined(ap)), per_video.mean_ap)

    def _motion_groups(self, motion: MotionIoU) -> np.ndarray:
        """Position of every object's motion group, (M,); the slower one on a limit."""
        inside = [group.contains(self.truth, motion) for group in MOTION_GROUPS]
        return np.argmax(inside, axis=0)

    def index(self) -> dict[str, Any]:
        """What the page needs at once: runs, videos, failures."""
        failures, totals = self._failures()
        return dict(
            classes=list(self.truth.classes), judged=self.judged, verdicts=list(VERDICTS),
            protocol=self.protocol.name, metric=self.protocol.metric, threshold=self.threshold,
            leastScore=self.least_score, motionGroups=[group.name for group in MOTION_GROUPS],
            runs=[dict(title=judged.run.title, ap=judged.ap) for judged in self.runs],
            videos=[self._entry(v) for v in range(len(self.videos))],
            failures=failures, totals=totals)

    def _entry(self, v: int) -> dict[str, Any]:
        video = self.videos[v]
        aps = [_number(judged.video_ap[v]) for judged in self.runs] if self.judged else []
        return dict(name=video.name, stem=video.stem, height=video.shape[0], width=video.shape[1],
                    fps=video.fps, ap=aps, frames=int(np.sum(self.truth.video == v)))

    def video(self, v: int) -> dict[str, Any]:
        """Boxes of a video, frame after frame, as flat lists."""
        frames = np.flatnonzero(self.truth.video == v)
        rows = [self._rows_of_run(judged, frames) for judged in self.runs]
        return dict(
            truth=self._truth_of(frames, rows) if self.judged else None,
            runs=[self._run_of(judged, frames, kept)
                  for judged, kept in zip(self.runs, rows, strict=True)])

    def _rows_of_run(self, judged: _Judged, frames: np.ndarray) -> np.ndarray:
        offsets = judged.scene.det_offsets
        rows = np.arange(offsets[frames[0]], offsets[frames[-1] + 1])
        return rows[judged.scene.detections.scores[rows] >= self.least_score]

    def _truth_of(self, frames: np.ndarray, kept: list[np.ndarray]) -> dict[str, Any]:
        truth = self.truth
        rows = np.arange(truth.offsets[frames[0]], truth.offsets[frames[-1] + 1])
        names, objects = np.unique(self.objects[rows], return_inverse=True)
        found = []
        for judged, shown in zip(self.runs, kept, strict=True):
            place = np.full(len(judged.scene.detections) + 1, -1)
            place[shown] = np.arange(len(shown))
            found.append(place[judged.verdicts.detection_of[rows]].tolist())
        return dict(
            counts=truth.num_boxes[frames].tolist(), boxes=_boxes(truth.boxes[rows]),
            labels=truth.labels[rows].tolist(), crowd=truth.crowd[rows].astype(int).tolist(),
            objects=objects.reshape(-1).tolist(), numObjects=len(names),
            followed=truth.has_instances, found=found,
            motion=None if self.motion is None else self.motion[rows].tolist())

    def _run_of(self, judged: _Judged, frames: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
        found, verdicts = judged.scene.detections, judged.verdicts
        counts = np.bincount(found.frame_index[rows] - frames[0], minlength=len(frames))
        tracks, number = judged.tracks[rows], {frame: t for t, frame in enumerate(
            self.truth.frame_ids[frames].tolist())}
        video_id = self.truth.video_ids[frames[0]]
        references = {number[key]: [[number[t], role, weight] for t, role, weight in seen
                                    if t in number]
                      for key, seen in judged.run.references.get(video_id, {}).items()
                      if key in number}
        return dict(
            counts=counts.tolist(), boxes=_boxes(found.boxes[rows]),
            labels=found.labels[rows].tolist(),
            scores=np.round(found.scores[rows].astype(np.float64), 4).tolist(),
            verdicts=None if verdicts is None else verdicts.of_detection[rows].tolist(),
            tracks=tracks.tolist() if np.any(tracks >= 0) else None,
            missing=np.flatnonzero(np.isin(frames, found.missing)).tolist(),
            references=references or None)

    def _failures(self) -> tuple[list[Failure], dict[str, int]]:
        """The worst failures of every run and kind, and how many there are of each kind."""
        shown: list[Failure] = []
        totals: dict[str, int] = {}
        for number, judged in enumerate(self.runs):
            by_kind: dict[str, list[Failure]] = {}
            for failure in self._failures_of(judged):
                by_kind.setdefault(failure['kind'], []).append(failure)
            for kind, found in by_kind.items():
                totals[kind] = totals.get(kind, 0) + len(found)
                worst = sorted(found, key=lambda failure: -failure['value'])[:MOST_FAILURES]
                shown += [dict(self._placed(failure, judged), run=number) for failure in worst]
        return shown, totals

    def _failures_of(self, judged: _Judged) -> list[Failure]:
        if judged.verdicts is None:
            return list(broken_tracks(judged.scene, judged.tracks, self.threshold))
        return [*missed_objects(judged.scene, judged.verdicts, self.objects, self.threshold),
                *false_detections(judged.scene, judged.verdicts, self.threshold)]

    def _placed(self, failure: Failure, judged: _Judged) -> Failure:
        """A failure with the places that the page knows."""
        found, truth = judged.scene.detections, self.truth
        row, motion = failure.get('object'), None
        boxes, labels = (found.boxes, found.labels) if row is None else (truth.boxes, truth.labels)
        if row is None:
            row = failure['detection']
        elif self.motion is not None:
            motion = int(self.motion[row])
        v = int(truth.video[failure['frame']])
        first = int(np.argmax(truth.video == v))
        return dict(kind=failure['kind'], video=v, frame=failure['frame'] - first,
                    last=failure['last'] - first, label=int(labels[row]), motion=motion,
                    value=round(failure['value'], 4), reason=failure['reason'],
                    box=_boxes(boxes[[row]]))


def frames_only(lengths: dict[Hashable, int], shapes: dict[Hashable, tuple[int, int]],
                classes: Sequence[str]) -> GroundTruth:
    """A ground truth of frames without objects, for videos that nobody has annotated.

    Args:
        lengths: Frames of every video, by id.
        shapes: (height, width) of every video.
        classes: Names of the classes.
    """
    ids = [video_id for video_id, length in lengths.items() for _ in range(length)]
    none = np.zeros(0, np.int64)
    return GroundTruth(
        image_ids=range(len(ids)), video_ids=ids,
        frame_ids=np.concatenate([np.arange(length) for length in lengths.values()]),
        num_boxes=np.zeros(len(ids), np.int64), boxes=np.zeros((0, 4)), labels=none,
        instance_ids=none, crowd=none.astype(bool), areas=np.zeros(0),
        img_shapes=np.array([shapes[video_id] for video_id in ids]), classes=tuple(classes))


def _boxes(boxes: np.ndarray) -> list[float]:
    """Boxes as a flat list, to a tenth of a pixel."""
    return np.round(boxes.astype(np.float64), 1).reshape(-1).tolist()


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)

