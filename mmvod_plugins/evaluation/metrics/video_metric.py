"""Base class of metrics that need the detections of whole videos."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from mmdet.evaluation.metrics import BaseVideoMetric

from mmvod_plugins.datasets.coco_vid_file import CocoVIDFile, read_joined
from mmvod_plugins.datasets.video_index import class_names
from mmvod_plugins.evaluation.frame_predictions import FramePlace, frame_predictions


class VideoPredictionMetric(BaseVideoMetric):
    """Collects the detections of frames, for metrics that look at whole videos.

    It accepts samples of :class:`VideoDetector` and of image detectors that run frame by frame on
    a COCO data set; results of several processes are gathered.

    Args:
        ann_file: COCO-VID json, or those of data sets that are tested together; needed where
            samples carry no video id.
        backend_args: Storage backend of the file, see ``mmengine.fileio``.
        **kwargs: ``collect_device`` and ``prefix`` of mmengine's ``BaseMetric``.
    """

    def __init__(self,
                 ann_file: str | Sequence[str] | None = None,
                 backend_args: dict[str, Any] | None = None,
                 **kwargs: Any) -> None:  # noqa: ANN401 mmengine's
        super().__init__(**kwargs)
        self.ann_file = ann_file
        self.backend_args = backend_args

    @cached_property
    def source(self) -> CocoVIDFile | None:
        """The annotation file, read on first use."""
        return None if self.ann_file is None else CocoVIDFile(self.annotations, self.backend_args)

    @cached_property
    def annotations(self) -> str | dict[str, Any] | None:
        """The annotation file, or the content of several."""
        if self.ann_file is None or isinstance(self.ann_file, (str, Path)):
            return self.ann_file and str(self.ann_file)
        return read_joined(self.ann_file, self.backend_args)

    @cached_property
    def places(self) -> dict[Hashable, FramePlace] | None:
        """Places of all annotated frames by image id."""
        if self.source is None:
            return None
        return {image['id']: FramePlace(video['video_id'], image['frame_id'],
                                        len(video['images']))
                for video in self.source.videos() for image in video['images']}

    def places_for(self, sample: dict[str, Any]) -> dict[Hashable, FramePlace] | None:
        """:attr:`places`, or None for a sample that carries its own video id."""
        knows = 'video_data_samples' in sample or sample.get('video_id') is not None
        return None if knows else self.places

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the labels.

        Raises:
            ValueError: If neither the data set nor an annotation file defines them.
        """
        names = class_names(self.dataset_meta)
        if not names and self.source is None:
            raise ValueError('the data set has no metainfo classes: pass ann_file to the metric')
        return tuple(names or self.source.classes)

    def process(self, data_batch: dict[str, Any] | None,
                data_samples: Sequence[dict[str, Any]]) -> None:
        """Collect the detections of a batch.

        Args:
            data_batch: Unused.
            data_samples: Samples with ``pred_instances``.
        """
        for sample in data_samples:
            self.results.extend(frame_predictions(sample, self.places_for(sample)))
