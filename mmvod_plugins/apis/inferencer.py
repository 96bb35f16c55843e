"""Detection in anything that has frames, in one call."""

from __future__ import annotations

import json
import sys
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.utils import register_all_modules
from tqdm import tqdm

from mmvod_plugins.evaluation import Predictions
from mmvod_plugins.evaluation.frame_predictions import (
    FramePrediction,
    frame_predictions,
    group_by_video,
)
from mmvod_plugins.models import VideoDetector
from mmvod_plugins.postprocessing import ObjectTracker, PostProcessor, build_post_processors
from mmvod_plugins.results import write_results
from mmvod_plugins.results.json_file import video_dict
from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.visualization import VideoWriter

from .build import Model, build_model, class_names, colours_of, labels_of
from .outputs import Outputs
from .painter import Painter, check_window
from .session import VideoSession
from .sources import Inputs, VideoSource, open_sources


class InferenceInterrupted(KeyboardInterrupt):
    """An interruption (Ctrl-C), after what was done is written.

    Attributes:
        results: What the call would have returned, as far as it came.
    """

    def __init__(self, message: str, results: dict[str, Any]) -> None:
        super().__init__(message)
        self.results = results


@dataclass
class _Run:
    """Options and results of one call."""

    batch_size: int
    threshold: float
    show: bool
    wait_time: int
    keep_samples: bool
    videos: list[VideoDetections] = field(default_factory=list)
    samples: list[list[DetDataSample]] = field(default_factory=list)
    fps: dict[object, float] = field(default_factory=dict)
    drawn: list[Path | None] = field(default_factory=list)
    stopped: str = ''


class VideoDetInferencer:
    """Detects objects in videos, with the names of mmdet's ``DetInferencer``.

    Args:
        model: Config of a video detector or of any image detector of mmdet: its path, its name
            or alias in our model zoo or mmdet's, or a ``Config``; or a model that
            :func:`init_video_detector` built. None: the config that is in ``weights``.
        weights: Checkpoint, a file or an http(s) address. None: the published weights of a model
            in the zoo.
        device: None for the first GPU if there is one, else the CPU.
        palette: Colours of the classes: ``'coco'``, ``'voc'``, ``'citys'``, ``'random'``, a
            colour, or ``'none'`` for those of the data set, else one per class.
        show_progress: Whether to show a bar with frames per second.
        classes: Names of the classes that are returned; None for all.
        post_processors: Post-processors of whole videos or their configs, such as
            ``dict(type='SeqNMS')``, in order. If one needs the boxes from before suppression, the
            model gives them.
        tracker: ``'bytetrack'``, ``'ocsort'`` or the config of a tracker of mmdet, for track ids.
        amp: Whether to compute in mixed precision (float16), which needs a GPU.
        trust: Whether a checkpoint may run code while it is read.

    Attributes:
        model: The model.
        classes: Names of all its classes.

    Raises:
        FileNotFoundError: If the model or its weights do not exist.
        CheckpointError: If the checkpoint is damaged, or would run code.
        ValueError: If there are no weights, they do not fit, a class is not known, or ``amp`` has
            no GPU.
    """

    def __init__(self,  # noqa: PLR0913 the names of DetInferencer, and ours by keyword
                 model: Model | None = None,
                 weights: str | Path | None = None,
                 device: str | None = None,
                 palette: str | tuple[int, int, int] = 'none',
                 show_progress: bool = True,
                 *,
                 classes: Sequence[str] | None = None,
                 post_processors: Sequence[dict[str, Any] | PostProcessor] | None = None,
                 tracker: str | dict[str, Any] | None = None,
                 amp: bool = False,
                 trust: bool = False) -> None:
        register_all_modules(init_default_scope=True)
        self.post_processors = build_post_processors(post_processors)
        unsuppressed = any(step.refuses_suppressed for step in self.post_processors)
        if tracker is not None:
            self.post_processors.append(ObjectTracker(tracker))
        if isinstance(model, VideoDetector):
            self.model = model if device is None else model.to(device)
        else:
            self.model = build_model(model, weights, device, unsuppressed=unsuppressed, trust=trust)
        self.show_progress, self.amp = show_progress, amp
        if amp and self.device.type != 'cuda':
            raise ValueError(f'amp=True needs a GPU, the model is on {self.device}: there is no '
                             'suppression in half precision elsewhere')
        self.classes = class_names(self.model)
        self._labels = labels_of(classes, self.classes)
        self._colours = colours_of(palette, self.model.dataset_meta, len(self.classes))

    @property
    def delay(self) -> int | None:
        """Frames that must follow a frame before it is detected; None: possibly all of them."""
        return self.model.policy.lookahead

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return next(self.model.parameters()).device

    def __call__(self,  # noqa: PLR0913 the names of DetInferencer, and ours
                 inputs: Inputs,
                 batch_size: int = 1,
                 *,
                 pred_score_thr: float = 0.3,
                 out_dir: str | Path = '',
                 vis_out: str | Path | None = None,
                 pred_out: str | Path | None = None,
                 pred_format: str | None = None,
                 fps: float | None = None,
                 show: bool = False,
                 wait_time: int = 1,
                 no_save_vis: bool = False,
                 no_save_pred: bool = False,
                 return_datasamples: bool = False,
                 print_result: bool = False) -> dict[str, Any]:
        """Detect in one or several videos; write what is asked for.

        Everything that can be checked is checked before the first frame. A video that fails
        leaves no file; those before it are written. An interruption (Ctrl-C) writes what was
        done.

        Args:
            inputs: See :func:`mmvod_plugins.apis.sources.open_sources`.
            batch_size: Frames in one pass through the network.
            pred_score_thr: Weakest box that is drawn; all are returned and written.
            out_dir: Folder for ``vis/NAME.mp4`` and ``preds/NAME.json`` of each video.
            vis_out: Annotated video, ``.mp4``, of the only video.
            pred_out: File of all detections, see :func:`mmvod_plugins.results.write_results`.
            pred_format: ``'coco'`` or ``'label_studio'`` for a ``.json`` file of that kind.
            fps: Frame rate of annotated videos; None for that of the source.
            show: Whether to show the frames in a window; the keys q and Escape stop.
            wait_time: Milliseconds that each of them stays.
            no_save_vis: Whether ``out_dir`` gets no annotated videos.
            no_save_pred: Whether ``out_dir`` gets no detections.
            return_datasamples: Whether ``predictions`` are lists of ``DetDataSample``, one for
                each frame, from before post-processing.
            print_result: Whether to print the predictions as JSON.

        Returns:
            ``predictions``: for each video what
            :func:`mmvod_plugins.results.json_file.video_dict` describes. ``results``: the same as
            :class:`~mmvod_plugins.evaluation.Predictions`. ``visualization``: the files of the
            annotated videos, None where there is none.

        Raises:
            InferenceInterrupted: After an interruption; the end of a live source is none.
            ValueError: If an input or an output is not possible, or a frame has another size.
            OSError: If something cannot be read or written.
            ModuleNotFoundError: If a format needs a package that is not installed.
        """
        if batch_size < 1:
            raise ValueError(f'batch_size must be 1 or more, got {batch_size}')
        outputs = Outputs(*(Path(path) if path else None for path in (out_dir, vis_out, pred_out)),
                          pred_format, not no_save_vis, not no_save_pred, fps)
        sources = open_sources(inputs)
        outputs.check(sources)
        if show:
            check_window()
        run = _Run(batch_size, pred_score_thr, show, wait_time, return_datasamples)
        written: list[Path] = []
        try:
            for source, writer, file in zip(sources, outputs.writers(sources),
                                            outputs.predictions(sources), strict=True):
                self._detect(source, writer, run)
                if file is not None and run.videos and run.videos[-1].video_id == source.name:
                    written += write_results(file, self._found(run, run.videos[-1:]), fps=run.fps)
                if run.stopped:
                    break
        finally:  # also the videos before one that fails
            if outputs.pred_out is not None and run.videos:
                written += write_results(outputs.pred_out, self._found(run, run.videos),
                                         pred_format, run.fps)
        results = self._results(run)
        if print_result:
            sys.stdout.write(json.dumps([video_dict(video, run.fps.get(video.video_id))
                                         for video in run.videos], ensure_ascii=False) + '\n')
        if run.stopped:
            files = [*filter(None, run.drawn), *written]
            raise InferenceInterrupted(run.stopped + (
                f'; written: {", ".join(map(str, files))}' if files else ''), results)
        return results

    def stream(self, source: Inputs,
               batch_size: int = 1) -> Iterator[tuple[np.ndarray, DetDataSample]]:
        """Detect in one video as its frames come; nothing is kept.

        A frame comes out :attr:`delay` frames after it went in, and up to ``batch_size - 1``
        more; that many frames are held. A model whose delay is None needs the whole video first:
        its frames are then read a second time, and a source that cannot be is refused.
        Post-processors need whole videos and are not applied.

        Args:
            source: One video, see :func:`mmvod_plugins.apis.sources.open_sources`.
            batch_size: Frames in one pass through the network.

        Yields:
            Frame (H, W, 3) uint8 BGR, and its detections in ``pred_instances``, on the CPU.

        Raises:
            ValueError: If there are several videos, or the model needs the length of a source
                that has none.
        """
        sources = open_sources(source)
        if len(sources) != 1:
            raise ValueError(f'a stream is one video, {source!r} are {len(sources)}')
        yield from self._pairs(sources[0], batch_size)

    def _pairs(self, source: VideoSource,
               batch_size: int) -> Iterator[tuple[np.ndarray, DetDataSample]]:
        """Every frame with its detections."""
        if self.delay is None:
            samples = self._samples(source, source.frames(), batch_size)
            # samples first: they ask for the length, and a file then keeps its frames
            yield from ((image, sample) for sample, image in
                        zip(samples, source.frames(), strict=False))
            for _ in samples:  # the end of the source is theirs
                pass
            return
        waiting: deque[np.ndarray] = deque()

        def held() -> Iterator[np.ndarray]:
            for frame in source.frames():
                waiting.append(frame)
                yield frame

        for sample in self._samples(source, held(), batch_size):
            yield waiting.popleft(), sample

    def _samples(self, source: VideoSource, frames: Iterable[np.ndarray],
                 batch_size: int) -> Iterator[DetDataSample]:
        """Detections of every frame, in order."""
        if self.delay is None and source.length is None:
            raise ValueError(
                f'{source.name}: the references of this model are frames of the whole video, whose '
                'length is not known. Save it as a file, pass a list of frames, or use a config '
                'that looks back only')
        session = VideoSession(self.model, source.name,
                               source.length() if self.delay is None else None)
        frames = iter(frames)
        while batch := list(islice(frames, batch_size)):
            with self._precision():
                found = session.push_frames(batch)
            yield from map(self._of_classes, found)
        with self._precision():
            found = session.close()
        yield from map(self._of_classes, found)
        if not session.num_frames:
            source.end(0)
            raise ValueError(f'{source.name} has no frame')
        source.end(session.num_frames)

    def _precision(self) -> AbstractContextManager:
        return torch.autocast('cuda', torch.float16) if self.amp else nullcontext()

    def _of_classes(self, sample: DetDataSample) -> DetDataSample:
        sample = sample.cpu()
        if self._labels is not None:
            found = sample.pred_instances
            sample.pred_instances = found[torch.isin(found.labels, self._labels)]
        return sample

    def _detect(self, source: VideoSource, writer: VideoWriter | None, run: _Run) -> None:
        """Detect in one video, post-process, draw."""
        painter = Painter(writer, run.show, self.classes, self._colours, run.threshold,
                          run.wait_time) if run.show or writer is not None else None
        late = painter is not None and bool(self.post_processors)
        if late and not source.replayable:
            late = False
            warnings.warn(f'{source.name} can be read once: the boxes that are drawn are those '
                          'before post-processing', stacklevel=3)
        run.fps[source.name] = source.fps if writer is None else writer.fps
        frames: list[FramePrediction] = []
        samples: list[DetDataSample] = []
        stopped = ''
        try:
            with nullcontext() if writer is None else writer:
                stopped = self._first_pass(source, None if late else painter, run, frames, samples)
                for video in group_by_video(frames):  # one, or none after an early interruption
                    video = video.with_arrays(image_ids=None)  # they would be the frames' numbers
                    video, cut = self._post_process(video)
                    stopped = cut or stopped
                    if late:
                        stopped = self._second_pass(source, painter, video) or stopped
                    run.videos.append(video)
                    run.samples += [samples] if run.keep_samples else []
        except KeyboardInterrupt:  # while the file was finished, which it waited for
            if not run.videos or run.videos[-1].video_id != source.name:
                raise
            stopped = stopped or f'interrupted: all {len(frames)} frames of {source.name} are done'
        run.drawn.append(writer.path if writer is not None and writer.num_frames else None)
        run.stopped = '' if source.live else stopped

    def _post_process(self, video: VideoDetections) -> tuple[VideoDetections, str]:
        """Apply the post-processors; with a sentence if that was interrupted."""
        try:
            for step in self.post_processors:
                video = step(video)
        except KeyboardInterrupt:
            return video, (f'interrupted: the detections of {video.video_id} are not wholly '
                           'post-processed')
        return video, ''

    def _first_pass(self, source: VideoSource, painter: Painter | None, run: _Run,
                    frames: list[FramePrediction], samples: list[DetDataSample]) -> str:
        """Detect, draw if there is a painter; returns why it stopped early."""
        pairs = self._pairs(source, run.batch_size) if painter is not None else (
            (None, sample) for sample in self._samples(source, source.frames(), run.batch_size))
        try:
            for image, sample in self._progress(pairs, source.expected, source.name):
                frames += frame_predictions(sample.to_dict(), None)
                samples += [sample] if run.keep_samples else []
                if painter is not None:
                    rows = frames[-1].rows
                    painter.paint(image, rows['boxes'], rows['labels'], rows['scores'])
        except KeyboardInterrupt:
            if painter is not None and painter.writer is not None:
                # a frame may be detected and not written
                del frames[painter.writer.num_frames:], samples[painter.writer.num_frames:]
            total = f' of {source.expected}' if source.expected else ''
            return f'interrupted: {len(frames)}{total} frames of {source.name} are detected'
        return ''

    def _second_pass(self, source: VideoSource, painter: Painter, video: VideoDetections) -> str:
        """Draw what post-processing found; returns why it stopped early."""
        pairs = zip(range(video.num_frames), source.frames(), strict=False)
        done = 0
        try:
            for t, image in self._progress(pairs, video.num_frames, f'draw {source.name}'):
                rows = video.rows(t)
                painter.paint(image, video.boxes[rows], video.labels[rows], video.scores[rows],
                              None if video.track_ids is None else video.track_ids[rows])
                done = t + 1
        except KeyboardInterrupt:
            return (f'interrupted: {done} of {video.num_frames} detected frames of {source.name} '
                    'are drawn')
        return ''

    def _progress(self, pairs: Iterable, total: int | None, name: str) -> Iterable:
        return tqdm(pairs, total=total, desc=name, unit='frame', mininterval=1.0,
                    disable=not self.show_progress)

    def _found(self, run: _Run, videos: list[VideoDetections]) -> Predictions:
        names = {video.video_id for video in videos}
        info = dict(config=str(self.model.cfg.filename or ''),
                    post_processors=[type(step).__name__ for step in self.post_processors],
                    fps={str(name): rate for name, rate in run.fps.items() if name in names})
        return Predictions(videos, self.classes, info)

    def _results(self, run: _Run) -> dict[str, Any]:
        predictions: list = run.samples if run.keep_samples else [
            video_dict(video, run.fps.get(video.video_id)) for video in run.videos]
        return dict(predictions=predictions, results=self._found(run, run.videos),
                    visualization=run.drawn)
