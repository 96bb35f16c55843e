"""Hook that draws annotated frames and videos during testing."""

from __future__ import annotations

import re
import warnings
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
from mmdet.registry import HOOKS
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.fileio import get
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmvod_plugins.datasets.video_index import class_names
from mmvod_plugins.visualization import VideoWriter, draw_detections

GREEN = (0, 200, 0)
GREY = 114
#: Longest part of a video's name, in bytes; file systems take 255 with a suffix.
MAX_BYTES = 150


@HOOKS.register_module()
class VideoVisualizationHook(Hook):
    """Draw every detected frame of a test, for ``default_hooks = dict(visualization=...)``.

    ``tools/test.py --show-dir DIR`` writes ``DIR/<video name>/<frame_id>.jpg`` and
    ``DIR/<video name>.mp4`` (below ``<work_dir>/<timestamp>`` unless DIR is absolute), ``--show``
    opens a window; with neither, ``draw=True`` passes the frames to the runner's visualizer. A
    test step may return no, one or many frames, of one or several videos.

    Args:
        draw: Whether to draw; set by mmdet's ``tools/test.py``.
        score_thr: Smallest score of a box that is drawn.
        draw_gt: Whether to draw the annotated boxes too, in green.
        fps: Frames per second of the mp4 files; None for no mp4 files.
        show: Whether to open a window; set by ``--show``.
        wait_time: Seconds that a frame is shown; set by ``--wait-time``.
        test_out_dir: Folder; set by ``--show-dir``.
        backend_args: Storage backend of the frames, see ``mmengine.fileio``.
    """

    def __init__(self,
                 draw: bool = False,
                 *,
                 score_thr: float = 0.3,
                 draw_gt: bool = False,
                 fps: float | None = 25.0,
                 show: bool = False,
                 wait_time: float = 0.0,
                 test_out_dir: str | None = None,
                 backend_args: dict[str, Any] | None = None) -> None:
        self.draw = draw
        self.score_thr = score_thr
        self.draw_gt = draw_gt
        self.fps = fps
        self.show = show
        self.wait_time = wait_time
        self.test_out_dir = test_out_dir
        self.backend_args = backend_args
        self._folder: Path | None = None
        self._names: dict[str, Hashable] = {}
        self._writers: dict[Hashable, VideoWriter] = {}

    def before_test_epoch(self, runner: Runner) -> None:
        """Choose the folder."""
        self._names = {}
        if self.draw and self.test_out_dir is not None:
            self._folder = Path(runner.work_dir, runner.timestamp, self.test_out_dir)
            self._folder.mkdir(parents=True, exist_ok=True)

    def after_test_iter(self,
                        runner: Runner,
                        batch_idx: int,
                        data_batch: dict | None = None,
                        outputs: Sequence[TrackDataSample] | None = None) -> None:
        """Draw all frames that the step detected."""
        if not self.draw:
            return
        for sample in detected_frames(outputs or []):
            image = self._annotate(runner, sample)
            if self._folder is not None:
                self._save(sample, image)
            if self.show:
                runner.visualizer.show(image[..., ::-1], win_name=self._video_name(sample),
                                       wait_time=self.wait_time)
            elif self._folder is None:
                runner.visualizer.add_image(self._video_name(sample), image[..., ::-1],
                                            step=sample.metainfo.get('frame_id', batch_idx))

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Close the files and log the folder."""
        for name in list(self._writers):
            self._close(name)
        if self.draw and self._folder is not None:
            runner.logger.info(f'Annotated frames and videos are in {self._folder}')

    def _annotate(self, runner: Runner, sample: DetDataSample) -> np.ndarray:
        names = class_names(runner.visualizer.dataset_meta)
        image = self._load(sample)
        if self.draw_gt:
            truth = sample.metainfo.get('instances', [])
            image = draw_detections(image, [i['bbox'] for i in truth],
                                    [i['bbox_label'] for i in truth], None, names, colour=GREEN)
        found = sample.get('pred_instances')
        if found is None:
            return image
        found = found[found.scores >= self.score_thr]
        return draw_detections(image, found.bboxes, found.labels, found.scores, names)

    def _load(self, sample: DetDataSample) -> np.ndarray:
        """Load the original frame; a grey one if the file cannot be read."""
        shape = tuple(sample.metainfo['ori_shape'][:2])
        if not sample.metainfo.get('unreadable', False):
            try:
                content = get(sample.metainfo['img_path'], backend_args=self.backend_args)
                image = mmcv.imfrombytes(content)
            except (OSError, cv2.error):
                image = None
            if image is not None:
                return image
            warnings.warn(f'{sample.metainfo["img_path"]} cannot be read; its boxes are drawn on '
                          'a grey image', stacklevel=2)
        return np.full((*shape, 3), GREY, dtype=np.uint8)

    def _video_name(self, sample: DetDataSample) -> str:
        """Unique name of a video as a relative path."""
        video_id = sample.metainfo.get('video_id', 0)
        name = safe_path(str(sample.metainfo.get('video_name', f'video_{video_id}')))
        if self._names.setdefault(name, video_id) != video_id:
            name = f'{name}_{safe_path(str(video_id))}'
        return name

    def _save(self, sample: DetDataSample, image: np.ndarray) -> None:
        name = self._video_name(sample)
        frame_id = sample.metainfo.get('frame_id', 0)
        length = sample.metainfo.get('ori_video_length', 1)
        path = self._folder / name / f'{frame_id:06d}.jpg'
        if not path.parent.resolve().is_relative_to(self._folder.resolve()):
            raise ValueError(f'{path.parent} is a link that leads out of {self._folder}: remove '
                             'it, or name another folder')
        path.parent.mkdir(parents=True, exist_ok=True)
        mmcv.imwrite(image, str(path))
        if self.fps is not None and length > 1:
            self._write(name, image)
            if frame_id == length - 1:
                self._close(name)

    def _close(self, name: str) -> None:
        try:
            self._writers.pop(name).close()
        except OSError as error:
            warnings.warn(f'{error} The frames are written as jpg', stacklevel=2)

    def _write(self, name: str, image: np.ndarray) -> None:
        if name not in self._writers:
            self._writers[name] = VideoWriter(self._folder / f'{name}.mp4', self.fps)
        try:
            self._writers[name].write(image)
        except (OSError, ValueError) as error:
            warnings.warn(f'{error}; frames are still written as jpg', stacklevel=2)


def detected_frames(outputs: Sequence[TrackDataSample]) -> Iterator[DetDataSample]:
    """Iterate over the frames in the output of a test step."""
    for output in outputs:
        yield from output.video_data_samples if 'video_data_samples' in output else [output]


def safe_path(name: str) -> str:
    """Relative path without ``..`` and without characters or lengths that file systems reject."""
    parts = [re.sub(r'[^\w.\-+ ]', '_', part) for part in name.replace('\\', '/').split('/')]
    parts = [part.encode()[:MAX_BYTES].decode(errors='ignore') for part in parts]
    return '/'.join(part for part in parts if part.strip('. ')) or 'video'
