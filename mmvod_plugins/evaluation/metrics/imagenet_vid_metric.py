"""AP of video object detection by every published protocol."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import Any

from mmdet.registry import METRICS
from mmengine.fileio import exists
from mmengine.logging import print_log

from mmvod_plugins.evaluation.coco_json import write_predictions
from mmvod_plugins.evaluation.frame_predictions import FramePrediction, group_by_video
from mmvod_plugins.evaluation.functional import GroundTruth
from mmvod_plugins.evaluation.predictions import REQUIRED, Predictions
from mmvod_plugins.evaluation.report import Evaluation, ReportOptions
from mmvod_plugins.postprocessing import apply_post_processors, build_post_processors
from mmvod_plugins.structures import VideoDetections

from .video_metric import VideoPredictionMetric


@METRICS.register_module()
class ImageNetVIDMetric(VideoPredictionMetric):
    """Evaluates detections of videos by the protocols of ImageNet VID.

    Numbers are named after their protocol: ``vid/fgfa_AP50``, ``vid/mega_AP50_fast``. Any COCO-VID
    annotations will do, of any classes. ``docs/evaluation.md`` says how the protocols differ.

    Args:
        ann_file: COCO-VID json with the ground truth.
        post_processors: Configs of post-processors, applied in order before evaluation.
        videos: Ids or names of the videos to evaluate; ``'predicted'`` for those that have
            predictions; None for all.
        outfile_prefix: Where to write the evaluated detections as COCO results,
            ``<prefix>.bbox.json``.
        backend_args: Where the json lies, see ``mmengine.fileio``.
        collect_device: As in mmengine's ``BaseMetric``.
        prefix: Of the names, ``'vid'`` by default.
        **options: Attributes of :class:`ReportOptions`.
    """

    default_prefix = 'vid'

    def __init__(self,
                 ann_file: str,
                 *,
                 post_processors: Sequence[dict[str, Any]] | None = None,
                 videos: Sequence[Hashable] | str | None = None,
                 outfile_prefix: str | None = None,
                 backend_args: dict[str, Any] | None = None,
                 collect_device: str = 'cpu',
                 prefix: str | None = None,
                 **options: Any) -> None:  # noqa: ANN401 checked by ReportOptions
        super().__init__(ann_file, backend_args, collect_device=collect_device, prefix=prefix)
        if isinstance(videos, str) and videos != 'predicted':
            raise ValueError(f"videos must be a list, 'predicted' or None, got {videos!r}")
        if not exists(ann_file, backend_args):
            raise FileNotFoundError(f'there is no ann_file {ann_file}')
        self.options = ReportOptions(**options)
        self.post_processors = build_post_processors(post_processors)
        self.videos = videos
        if isinstance(videos, Sequence) and not isinstance(videos, str):
            self.videos = named_videos(self.source.videos(), videos)
        self.outfile_prefix = outfile_prefix

    @cached_property
    def truth(self) -> GroundTruth:
        """The annotated objects."""
        return GroundTruth.from_coco_vid(self.ann_file, self.classes)

    def process(self, data_batch: dict[str, Any] | None,
                data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep of the detections of a batch what the evaluation will use.

        Args:
            data_batch: Not used.
            data_samples: Samples with ``pred_instances``.

        Raises:
            ValueError: If a post-processor wants boxes before NMS and they went through it.
        """
        start = len(self.results)
        super().process(data_batch, data_samples)
        for frame in self.results[start:]:
            for processor in self.post_processors:
                if processor.refuses_suppressed and frame.suppressed:
                    raise ValueError(
                        f'{type(processor).__name__} takes the place of NMS, but the detector '
                        'applied it: test with model.detections.nms=False, or give the '
                        'post-processor force=True')
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
    """Ids of videos that are named by name or by id (an id may be written as a text).

    Args:
        infos: Videos with ``video_id`` and ``video_name``.
        asked: Ids or names.

    Raises:
        ValueError: If there is no such video.
    """
    known = {**{str(info['video_id']): info['video_id'] for info in infos},
             **{info['video_id']: info['video_id'] for info in infos},
             **{info['video_name']: info['video_id'] for info in infos}}
    unknown = [name for name in asked if name not in known]
    if unknown:
        names = [info['video_name'] for info in infos]
        raise ValueError(f'there is no video {unknown[0]!r} ({len(unknown)} such); the annotations '
                         f'have {len(names)} videos, for instance {names[:3]}')
    return [known[name] for name in asked]
