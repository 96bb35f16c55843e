"""AP of video object detection by every published protocol."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from mmdet.registry import METRICS
from mmengine.fileio import exists
from mmengine.logging import print_log

from mmvod_plugins.datasets.annotation_cache import LARGE
from mmvod_plugins.evaluation.cached_truth import read_truth
from mmvod_plugins.evaluation.coco_json import write_predictions
from mmvod_plugins.evaluation.frame_predictions import FramePrediction, group_by_video
from mmvod_plugins.evaluation.functional import GroundTruth, degraded_frames
from mmvod_plugins.evaluation.predictions import REQUIRED, Predictions
from mmvod_plugins.evaluation.report import Evaluation, ReportOptions
from mmvod_plugins.postprocessing import apply_post_processors, build_post_processors
from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.utils.files import check_output

from .video_metric import VideoPredictionMetric


@METRICS.register_module()
class ImageNetVIDMetric(VideoPredictionMetric):
    """Evaluates detections of videos by the protocols of ImageNet VID.

    Numbers are named after their protocol: ``vid/fgfa_AP50``, ``vid/mega_AP50_fast``. Any COCO-VID
    annotations and classes are accepted. ``docs/evaluation.md`` compares the protocols.

    Args:
        ann_file: COCO-VID json with the ground truth, or those of data sets that are tested
            together.
        post_processors: Configs of post-processors, applied in order before evaluation.
        videos: Ids or names of the videos to evaluate; ``'predicted'`` for those that have
            predictions; None for all.
        outfile_prefix: The evaluated detections are written as COCO results to
            ``<prefix>.bbox.json``; None to write nothing.
        cache_above: Size in bytes of an annotation file, on a disk, from which on its ground truth
            is kept in compact form beside it; None: never.
        backend_args: Storage backend of the json, see ``mmengine.fileio``.
        collect_device: As in mmengine's ``BaseMetric``.
        prefix: Prefix of the names, ``'vid'`` by default.
        **options: Attributes of :class:`ReportOptions`.
    """

    default_prefix = 'vid'

    def __init__(self,
                 ann_file: str | Sequence[str],
                 *,
                 post_processors: Sequence[dict[str, Any]] | None = None,
                 videos: Sequence[Hashable] | str | None = None,
                 outfile_prefix: str | None = None,
                 cache_above: int | None = LARGE,
                 backend_args: dict[str, Any] | None = None,
                 collect_device: str = 'cpu',
                 prefix: str | None = None,
                 **options: Any) -> None:  # noqa: ANN401 checked by ReportOptions
        super().__init__(ann_file, backend_args, collect_device=collect_device, prefix=prefix)
        if isinstance(videos, str) and videos != 'predicted':
            raise ValueError(f"videos must be a list, 'predicted' or None, got {videos!r}")
        files = [ann_file] if isinstance(ann_file, (str, Path)) else list(ann_file)
        for file in files:
            if not exists(file, backend_args):
                raise FileNotFoundError(f'ann_file {file} does not exist')
        self.options = ReportOptions(**options)
        self.post_processors = build_post_processors(post_processors)
        self.videos = videos
        if isinstance(videos, Sequence) and not isinstance(videos, str):
            self.videos = named_videos(self.source.videos(), videos)
        if self.options.degraded is not None:
            degraded_frames(self.source.images, self.options.degraded, self.source.path)
        self.cache_above = cache_above
        self.outfile_prefix = outfile_prefix
        if outfile_prefix is not None:
            check_output(f'{outfile_prefix}.bbox.json', files)

    @cached_property
    def truth(self) -> GroundTruth:
        """The annotated objects."""
        return read_truth(self.annotations, self.classes, degraded=self.options.degraded,
                          cache_above=self.cache_above)

    def process(self, data_batch: dict[str, Any] | None,
                data_samples: Sequence[dict[str, Any]]) -> None:
        """Collect from a batch what the evaluation will use.

        Args:
            data_batch: Unused.
            data_samples: Samples with ``pred_instances``.

        Raises:
            ValueError: If a post-processor needs boxes from before NMS and NMS was applied.
        """
        start = len(self.results)
        super().process(data_batch, data_samples)
        for frame in self.results[start:]:
            for processor in self.post_processors:
                if processor.refuses_suppressed and frame.suppressed:
                    raise ValueError(
                        f'{type(processor).__name__} replaces NMS, but the detector already '
                        'applied it: test with model.detections.nms=False, or set force=True in '
                        'the post-processor')
            if not self.post_processors:
                frame.rows = {name: frame.rows[name] for name in REQUIRED}
                frame.relations = None

    def compute_metrics(self, results: list[FramePrediction]) -> dict[str, float]:
        """Evaluate everything that was collected.

        Args:
            results: Frames of all processes.
        """
        videos = list(apply_post_processors(group_by_video(results), self.post_processors))
        if self.outfile_prefix is not None:
            self._write(videos)
        evaluation = Evaluation(self.truth, self.options, self._video_ids(videos))
        report = evaluation.report(videos)
        print_log('\n' + '\n'.join(report.lines), logger='current')
        return report.values

    def _video_ids(self, videos: list[VideoDetections]) -> list[Hashable] | None:
        if self.videos == 'predicted':
            return [video.video_id for video in videos]
        return self.videos

    def _write(self, videos: list[VideoDetections]) -> None:
        write_predictions(f'{self.outfile_prefix}.bbox.json', Predictions(videos, self.classes),
                          self.source)


def named_videos(infos: Sequence[dict[str, Any]], asked: Sequence[Hashable]) -> list[Hashable]:
    """Look up videos by name or by id (also an id written as text).

    Args:
        infos: Videos with ``video_id`` and ``video_name``.
        asked: Ids or names.

    Raises:
        ValueError: If a video is not known.
    """
    known = {**{str(info['video_id']): info['video_id'] for info in infos},
             **{info['video_id']: info['video_id'] for info in infos},
             **{info['video_name']: info['video_id'] for info in infos}}
    unknown = [name for name in asked if name not in known]
    if unknown:
        names = [info['video_name'] for info in infos]
        raise ValueError(f'video {unknown[0]!r} is not in the annotations ({len(unknown)} '
                         f'unknown), which have {len(names)} videos, for instance {names[:3]}')
    return [known[name] for name in asked]
