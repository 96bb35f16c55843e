"""Detection in many videos by many processes: a result file for each, claims, resume, merge."""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from mmvod_plugins.evaluation import Predictions
from mmvod_plugins.results import read_results, write_results
from mmvod_plugins.utils.claims import Claim
from mmvod_plugins.utils.files import write_text
from mmvod_plugins.utils.text import safe_stem
from mmvod_plugins.visualization.reading import images_of, stated_frames

from .inferencer import InferenceInterrupted, VideoDetInferencer

#: What a bad video raises; the work goes on.
BAD_VIDEO = (OSError, ValueError, RuntimeError, MemoryError, cv2.error)


@dataclass(frozen=True)
class VideoJob:
    """A video of many.

    Attributes:
        path: The file or the folder of its frames.
        name: Name of its files, the same in every process.
    """

    path: Path
    name: str

    @classmethod
    def of(cls, path: Path) -> VideoJob:
        """The job of a path; two paths never have one name."""
        real = os.path.realpath(path)
        return cls(path, f'{safe_stem(path.stem)[:80]}-{zlib.crc32(os.fsencode(real)):08x}')


class ManyVideos:
    """A list of videos and the folder of their results, shared by any number of processes.

    Every process is given the same list and takes the next video that is neither done nor
    claimed; nothing else connects them. ``results/NAME.npz`` exists if and only if a video is done,
    ``failed/NAME.json`` if it cannot be.

    Args:
        paths: The videos.
        out: The folder.
        patience: Seconds without a sign of life after which the video of a process is taken over.
    """

    def __init__(self, paths: Sequence[Path], out: Path, patience: float = 600.0) -> None:
        self.out, self.patience = out, patience
        jobs = {job.name: job for job in map(VideoJob.of, paths)}
        lengths = self._lengths(jobs.values())
        #: All jobs, the longest first, so that no process is left alone with it at the end.
        self.jobs = sorted(jobs.values(), key=lambda job: (-lengths[job.name], job.name))

    def result(self, job: VideoJob) -> Path:
        """File of the detections."""
        return self.out / 'results' / f'{job.name}.npz'

    def failure(self, job: VideoJob) -> Path:
        """File that says why there are none."""
        return self.out / 'failed' / f'{job.name}.json'

    def open_jobs(self) -> list[VideoJob]:
        """Jobs that are neither done nor failed."""
        return [job for job in self.jobs
                if not (self.result(job).exists() or self.failure(job).exists())]

    def failures(self) -> list[dict[str, str]]:
        """``video`` and ``error`` of every job that failed."""
        return [json.loads(self.failure(job).read_text(encoding='utf-8')) for job in self.jobs
                if self.failure(job).exists()]

    def claim_for(self, model: Mapping[str, object]) -> None:
        """Note what makes the results, so that they are never mixed with those of another model.

        Args:
            model: The settings.

        Raises:
            ValueError: If the folder has results of other settings.
        """
        file, text = self.out / 'model.json', json.dumps(model)
        if not file.exists():
            write_text(file, text)
        elif (other := file.read_text(encoding='utf-8')) != text:
            raise ValueError(f'{self.out} has results of {other}, not of {text}: name another '
                             'folder with --out')

    def retry(self) -> None:
        """Forget the failures."""
        for job in self.jobs:
            self.failure(job).unlink(missing_ok=True)

    def work(self, detect: Callable[[Path], Predictions]) -> Iterator[tuple[VideoJob, int, str]]:
        """Do what no other process does.

        Args:
            detect: Gives the detections of a video.

        Yields:
            After every job: it, the number of its frames, and the error or an empty text.

        Raises:
            OSError: If a result cannot be written, or the GPU failed; the job is left to others.
        """
        for job in self.open_jobs():
            claim = Claim(self.out / 'claims', job.name, self.patience)
            if not claim.acquire():
                continue
            with claim:
                if self.result(job).exists() or self.failure(job).exists():
                    continue  # done by another process since
                try:
                    found = detect(job.path)
                    if len(found.videos) != 1:
                        raise ValueError(f'it has {len(found.videos)} videos: name each of them')
                except BAD_VIDEO as error:
                    if 'CUDA' in str(error):  # the fault of the device, not of the video
                        raise OSError(f'{job.path}: {error}: the video is left to others'
                                      ) from error
                    text = f'{type(error).__name__}: {error}'
                    write_text(self.failure(job), json.dumps(
                        dict(video=str(job.path), error=text), ensure_ascii=False))
                    yield job, 0, text
                    continue
                [video] = found.videos
                write_results(self.result(job), replace(
                    found, videos=[replace(video, video_id=str(job.path))]))
            yield job, video.num_frames, ''

    def merge(self, path: Path) -> int:
        """Write all results to one file, see ``write_results``; returns the number of videos.

        Raises:
            ValueError: If there is no result, or results are of models with other classes.
        """
        files = [self.result(job) for job in self.jobs if self.result(job).exists()]
        parts = list(map(read_results, files))
        if not parts:
            raise ValueError(f'{self.out} has no results to merge')
        other = next((file for file, part in zip(files, parts, strict=True)
                      if part.classes != parts[0].classes), None)
        if other is not None:
            raise ValueError(f'{other} has other classes than {files[0]}: results of two models')
        write_results(path, replace(parts[0], videos=[v for part in parts for v in part.videos]))
        return len(parts)

    def _lengths(self, jobs: Sequence[VideoJob]) -> dict[str, int]:
        """Frames of every video as headers state them, kept in a file for the other processes."""
        file = self.out / 'lengths.json'
        try:
            known = json.loads(file.read_text())
        except (OSError, ValueError):
            known = {}
        if missing := [job for job in jobs if job.name not in known]:
            known.update((job.name, _length(job.path)) for job in missing)
            write_text(file, json.dumps(known))
        return known


def _length(path: Path) -> int:
    try:
        return len(images_of(path)) if path.is_dir() else stated_frames(path)
    except OSError:
        return 0


def detector_of(inferencer: VideoDetInferencer,
                batch_size: int = 1) -> Callable[[Path], Predictions]:
    """The function that :meth:`ManyVideos.work` calls."""
    def detect(path: Path) -> Predictions:
        try:
            return inferencer(path, batch_size)['results']
        except InferenceInterrupted:
            raise KeyboardInterrupt from None  # half a video is no result

    return detect


def device_of_process() -> str | None:
    """The GPU of this process under torchrun or srun, else None."""
    import torch

    rank = os.environ.get('LOCAL_RANK', os.environ.get('SLURM_LOCALID'))
    count = torch.cuda.device_count()
    return f'cuda:{int(rank) % count}' if rank is not None and count else None


def timed(jobs: Iterator[tuple[VideoJob, int, str]]) -> Iterator[tuple[VideoJob, int, str, float]]:
    """The same with the seconds that each took."""
    start = time.perf_counter()
    for item in jobs:
        yield *item, time.perf_counter() - start
        start = time.perf_counter()
