"""Writing of frames to an mp4 file."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from mmvod_plugins.utils.files import check_output, temporary_name
from mmvod_plugins.utils.interrupts import interruptions_wait

from .encoders import Encoder, open_encoder

SUFFIXES = ('.mp4', )


class VideoWriter:
    """Writer of an mp4 file, which the first frame opens.

    The codec is H.264 where PyAV is installed, which browsers play, else OpenCV's ``mp4v``.

    The frames go to a temporary file beside it; :meth:`close` counts the frames that can be read
    and renames it. Leaving a ``with`` block by an error other than an interruption discards it.

    Args:
        path: The file; its folder is created.
        fps: Frames per second.

    Raises:
        ValueError: If ``fps`` is not positive or the name does not end in ``.mp4``.
    """

    def __init__(self, path: str | Path, fps: float = 25.0) -> None:
        self.path = Path(path)
        if not 0 < fps < math.inf or self.path.suffix.lower() not in SUFFIXES:
            raise ValueError(f'a video needs a name that ends in .mp4 and a positive fps, got '
                             f'{self.path} and {fps}')
        self.fps = fps
        self.num_frames = 0
        self._shape: tuple[int, ...] | None = None
        self._writer: Encoder | None = None
        self._part: Path | None = None

    def check(self, inputs: Iterable[str | os.PathLike[str]] = ()) -> None:
        """Check that the file can be written, before the frames are computed.

        Args:
            inputs: Files and folders that are read, which it must not replace.

        Raises:
            ValueError: If the file is one that is read.
            OSError: If its folder, the frame rate or the codec is refused.
        """
        check_output(self.path, inputs, SUFFIXES)
        existing = next(folder for folder in self.path.absolute().parents if folder.exists())
        probe = temporary_name(existing / self.path.name)
        try:
            self._opened(probe, (64, 64)).release()
        finally:
            probe.unlink(missing_ok=True)

    def write(self, frame: np.ndarray) -> None:
        """Append a frame, (H, W, 3) uint8, BGR.

        Raises:
            ValueError: If it is not such an image or differs in size from earlier frames.
            OSError: If the file cannot be written.
        """
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ValueError(f'a frame must be (H, W, 3) uint8, got {frame.shape} {frame.dtype}')
        if self._writer is None:
            self._open(frame.shape)
        if frame.shape != self._shape:
            raise ValueError(f'{self.path}: frame {self.num_frames} is {frame.shape[:2]} '
                             f'(height, width), earlier frames are {self._shape[:2]}')
        self._writer.write(np.ascontiguousarray(frame))
        self.num_frames += 1

    def _open(self, shape: tuple[int, ...]) -> None:
        path = Path(os.path.realpath(self.path))
        if path.is_dir():
            raise IsADirectoryError(f'cannot write {self.path}: it is a folder')
        path.parent.mkdir(parents=True, exist_ok=True)
        part = temporary_name(path)
        self._writer = self._opened(part, shape)
        self._part, self._shape = part, shape

    def _opened(self, part: Path, shape: tuple[int, ...]) -> Encoder:
        try:
            return open_encoder(part, self.fps, shape)
        except OSError as error:
            raise OSError(f'{self.path} cannot be written with {self.fps} frames per second '
                          f'({error}): is the folder writable, is the disk full, is the rate '
                          'usual?') from error

    def close(self) -> None:
        """Finish the file; a second call does nothing. An interruption waits for the end.

        Raises:
            OSError: If not all frames can be read from it; an older file remains.
        """
        if self._writer is None:
            return
        with interruptions_wait():
            self._finish()

    def _finish(self) -> None:
        self._release()
        try:
            readable = _count(self._part)
            if readable != self.num_frames:
                raise OSError(f'{self.path} is not written: {self.num_frames} frames were given, '
                              f'{readable} can be read from the new file. Is the disk full?')
            self._part.replace(os.path.realpath(self.path))
        finally:
            self._part.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete what was written; an older file remains."""
        if self._writer is not None:
            self._release()
            self._part.unlink(missing_ok=True)

    def _release(self) -> None:
        self._writer.release()
        self._writer = None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if error is None or isinstance(error, KeyboardInterrupt):
            self.close()
        else:
            self.discard()


def _count(path: Path) -> int:
    """Frames of a file that can be decoded."""
    capture, count = cv2.VideoCapture(str(path)), 0
    while capture.grab():
        count += 1
    capture.release()
    return count


def write_video(path: str | Path, frames: Iterable[np.ndarray], fps: float = 25.0) -> int:
    """Write frames, each (H, W, 3) uint8 BGR, to an mp4 file.

    Returns:
        The number of frames.

    Raises:
        ValueError: If there is no frame, or one is of another size.
        OSError: If the file cannot be written.
    """
    with VideoWriter(path, fps) as writer:
        for frame in frames:
            writer.write(frame)
        if not writer.num_frames:
            raise ValueError(f'{path}: no frames to write')
        return writer.num_frames
