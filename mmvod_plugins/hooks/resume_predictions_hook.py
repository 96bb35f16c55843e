"""Hook that resumes an interrupted test run with the unfinished videos."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import Any

from mmdet.evaluation.metrics import CocoMetric
from mmdet.registry import HOOKS
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmvod_plugins.datasets.samplers import VideoStreamSampler
from mmvod_plugins.datasets.video_index import leaves_of
from mmvod_plugins.evaluation import DumpVideoPredictions
from mmvod_plugins.evaluation.frame_predictions import to_track_samples
from mmvod_plugins.evaluation.metrics.dump_video_predictions import PartFile


@HOOKS.register_module()
class ResumePredictionsHook(Hook):
    """Skips the videos that :class:`DumpVideoPredictions` wrote before an interruption.

    Their predictions are read back and passed to the other metrics of the evaluator, so that all
    numbers are those of an uninterrupted run (scores of all classes and relation weights are
    restored in half precision). Model, checkpoint and data must be the same.
    """

    def before_test_epoch(self, runner: Runner) -> None:
        """Find the finished videos and skip them."""
        sampler = runner.test_dataloader.sampler
        for metric in runner.test_evaluator.metrics:
            if isinstance(metric, DumpVideoPredictions):
                parts: list[Any] = [None]
                if is_main_process():
                    parts = [metric.resume(describe_run(runner))]
                broadcast_object_list(parts)
                metric.join()
                if parts[0] and isinstance(sampler, VideoStreamSampler):
                    self._skip(runner, sampler, metric, parts[0])
                elif parts[0]:
                    runner.logger.info('test_dataloader has no VideoStreamSampler: every frame '
                                       'is tested again')

    def _skip(self, runner: Runner, sampler: VideoStreamSampler, metric: DumpVideoPredictions,
              parts: list[PartFile]) -> None:
        others = [other for other in runner.test_evaluator.metrics if other is not metric]
        check_metrics(others)
        runner.logger.info(f'{len(parts)} videos are read from {metric.folder}, left by an '
                           'interrupted run; the others are tested')
        sampler.skip({part.video_id for part in parts})
        if is_main_process():
            metric.results += parts
            for part in parts:
                video = metric.read(part)
                samples = to_track_samples(video, video.num_frames)
                for other in others:
                    other.process(None, samples)


def describe_run(runner: Runner) -> dict[str, Any]:
    """Identity of a run: everything that its predictions depend on."""
    config = runner.cfg
    dataset = config.test_dataloader.dataset
    files = [getattr(leaf, 'ann_file', '') for leaf in leaves_of(runner.test_dataloader.dataset)]
    checkpoint = str(config.get('load_from'))
    return dict(
        model=_digest(config.model), data=_digest(dataset), checkpoint=checkpoint,
        checkpoint_state=_state(checkpoint),
        annotations_state=[_state(file) for file in files])


def _state(path: str) -> list[float] | None:
    """Size and modification time of a local file; None for other paths."""
    found = os.stat(path) if os.path.isfile(path) else None
    return found and [found.st_size, found.st_mtime]


def check_metrics(metrics: Sequence[BaseMetric]) -> None:
    """Raise for metrics that read annotations with the frames, as skipped frames are not loaded.

    Raises:
        ValueError: If a metric does.
    """
    for metric in metrics:
        if isinstance(metric, CocoMetric) and metric._coco_api is None:
            raise ValueError(
                f'{type(metric).__name__} without ann_file reads the annotations with the frames '
                'and cannot evaluate videos that an earlier run finished: set its ann_file, or '
                'delete the folder of parts to start from scratch')


def _digest(config: Any) -> str:  # noqa: ANN401 any part of a config
    return hashlib.sha256(repr(config).encode()).hexdigest()[:16]
