"""Metric that writes all predictions of a test run, video by video."""

from __future__ import annotations

import json
import re
import shutil
import warnings
import zlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmdet.registry import METRICS
from mmengine.dist import is_main_process
from mmengine.logging import print_log

from mmvod_plugins.evaluation.frame_predictions import (
    FramePrediction,
    frame_predictions,
    group_by_video,
)
from mmvod_plugins.evaluation.predictions import (
    Predictions,
    first_image,
    load_predictions,
    save_predictions,
)
from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.utils.file_lock import FileLock
from mmvod_plugins.utils.files import check_output

from .video_metric import VideoPredictionMetric


@dataclass(frozen=True)
class PartFile:
    """A finished video on disk."""

    video_id: Hashable
    name: str


@METRICS.register_module()
class DumpVideoPredictions(VideoPredictionMetric):
    """Writes the predictions of every frame as a file or a folder.

    A video is written as soon as its last frame was detected, so memory does not grow with the
    data set and an interrupted run can be resumed (:class:`ResumePredictionsHook`). Several
    processes need a shared file system.

    Args:
        out: ``<name>.npz`` for one file, merged at the end from the folder ``<name>.npz.parts``;
            any other name is a folder with a file per video, for predictions that do not fit into
            memory. :func:`load_predictions` reads both.
        info: Facts of the run to store in the file.
        **kwargs: As :class:`VideoPredictionMetric`.
    """

    def __init__(self, out: str, info: dict[str, Any] | None = None,
                 **kwargs: Any) -> None:  # noqa: ANN401 mmengine's
        super().__init__(**kwargs)
        self.out = Path(out)
        self.info = info or {}
        self.merge = self.out.suffix == '.npz'
        self.folder = self.out.with_name(f'{self.out.name}.parts') if self.merge else self.out
        check_output(self.out if self.merge else self.out / 'run.json')
        self._lock = FileLock(self.out.with_name(f'.{self.out.name}.lock'))
        self._open: dict[Hashable, dict[int, FramePrediction]] = {}
        self._done: set[Hashable] = set()
        self._repeated = 0
        # Listed now: by the first frame other processes may already have written files.
        self._left_by_others = list(self.folder.glob('video_*.npz'))

    @property
    def _run_file(self) -> Path:
        return self.folder / 'run.json'

    def resume(self, run: dict[str, Any]) -> list[PartFile]:
        """Claim the folder for a run; return the videos that it finished before an interruption.

        Call it in the main process before testing, then :meth:`join` in every process.

        Args:
            run: Identity of the run: model, checkpoint, data.

        Raises:
            ValueError: If another test is writing there, or the folder holds the results of
                another run, or a damaged file.
        """
        self._claim()
        self.folder.mkdir(parents=True, exist_ok=True)
        run = json.loads(json.dumps(run))
        if any(self.folder.glob('video_*.npz')):
            self._check_run(run)
        self.join()
        self._write_run(run)
        return [PartFile(self._read(path).video_id, path.name)
                for path in sorted(self.folder.glob('video_*.npz'))]

    def _claim(self) -> None:
        holder = self._lock.acquire()
        if holder is not None:
            raise ValueError(f'{self.out} is being written by another test ({holder}): wait for '
                             'it, or write to another path')

    def join(self) -> None:
        """Accept the files that are there, after :meth:`resume` in the main process did."""
        self._left_by_others = []

    def _check_run(self, run: dict[str, Any]) -> None:
        """Raise if the folder was left by another run."""
        try:
            found = json.loads(self._run_file.read_text())
        except (FileNotFoundError, ValueError):
            found = None
        if not isinstance(found, dict):
            found = None
        if found == run:
            return
        if found is None:
            why = 'predictions of an unknown run'
        elif found.pop('finished', False) and found == run:
            why = 'the predictions of a finished run'
        else:
            changed = sorted(key for key in run.keys() | found if run.get(key) != found.get(key))
            why = f'the results of an interrupted run that differs in {changed}'
        raise ValueError(f'{self.folder} holds {why}: delete the folder to start from scratch, or '
                         f'write to a path other than {self.out}')

    def _write_run(self, run: dict[str, Any]) -> None:
        part = self._run_file.with_suffix('.part')
        part.write_text(json.dumps(run))
        part.replace(self._run_file)

    def read(self, part: PartFile) -> VideoDetections:
        """Detections of a finished video."""
        return self._read(self.folder / part.name)

    def _read(self, path: Path) -> VideoDetections:
        try:
            [video] = load_predictions(path).videos
        except ValueError as error:
            raise ValueError(f'{error}. Delete {path} and start the test again: it detects in '
                             'this video once more and reads the others') from error
        return video

    def process(self, data_batch: dict[str, Any] | None,
                data_samples: Sequence[dict[str, Any]]) -> None:
        """Collect the detections of a batch and write the videos that it completes.

        Args:
            data_batch: Unused.
            data_samples: Samples with ``pred_instances``.

        Raises:
            ValueError: If the folder holds predictions of another run, or another test is
                writing there.
        """
        if is_main_process():
            self._claim()
        if self._left_by_others:
            raise ValueError(
                f'{self.folder} holds predictions of another run: delete the folder, write to a '
                f'path other than {self.out}, or resume that run with ResumePredictionsHook')
        for sample in data_samples:
            for frame in frame_predictions(sample, self.places_for(sample)):
                self._add(frame)

    def _add(self, frame: FramePrediction) -> None:
        video_id, frame_id = frame.place.video_id, frame.place.frame_id
        frames = self._open.setdefault(video_id, {})
        if video_id in self._done or frame_id in frames:
            self._repeated += 1
        frames.setdefault(frame_id, frame)
        if video_id in self._done:
            del self._open[video_id]
        elif len(frames) == frame.place.video_length:
            self.results.append(self._write(group_by_video(list(frames.values()))[0]))
            self._done.add(video_id)
            del self._open[video_id]

    def evaluate(self, size: int = 1) -> dict[str, float]:
        """Write incomplete videos and merge the file.

        Args:
            size: Unused.
        """
        self.results += [frame for frames in self._open.values() for frame in frames.values()]
        self._open.clear()
        if self._repeated:
            warnings.warn(f'{self._repeated} frames were predicted more than once; the first '
                          'prediction of each is written', stacklevel=2)
        return super().evaluate(size)

    def compute_metrics(self, results: list[PartFile | FramePrediction]) -> dict[str, float]:
        """Write the file; return no numbers.

        Args:
            results: Finished videos, and frames of others, of all processes.
        """
        try:
            self._merge(results)
        finally:
            self._lock.release()
        return {}

    def _merge(self, results: list[PartFile | FramePrediction]) -> None:
        parts = {result.name: result for result in results if isinstance(result, PartFile)}
        frames = [result for result in results if isinstance(result, FramePrediction)]
        for video in group_by_video(frames):
            part = self._write(video)
            parts[part.name] = part
        missing = [part.name for part in parts.values() if not (self.folder / part.name).is_file()]
        if missing:
            warnings.warn(f'{self.folder} lacks {len(missing)} videos that other processes wrote '
                          f'({missing[0]}): all processes need a shared file system. The '
                          'files that exist are kept', stacklevel=2)
            return
        if self.merge:
            videos = sorted(map(self.read, parts.values()), key=first_image)
            save_predictions(self.out, Predictions(videos, self.classes, self.info))
            shutil.rmtree(self.folder)
        elif self._run_file.exists():
            self._write_run(dict(json.loads(self._run_file.read_text()), finished=True))
        print_log(f'The predictions of {len(parts)} videos are in {self.out}', logger='current')

    def _write(self, video: VideoDetections) -> PartFile:
        """Write one video; a checksum keeps apart ids that give the same readable name."""
        readable = re.sub(r'\W+', '_', str(video.video_id), flags=re.ASCII)[:60]
        name = f'video_{readable}_{zlib.crc32(repr(video.video_id).encode()):08x}.npz'
        save_predictions(self.folder / name, Predictions([video], self.classes, self.info))
        return PartFile(video.video_id, name)
