"""Frames of a video file, in order or any of them, each decoded once."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from .backends import BACKENDS, Decoded, backend_name, header


class FrameReader:
    """Frames of a video file: ``for frame in reader``, ``reader[17]``, ``len(reader)``.

    Frames have the number in which they are decoded: positions in a file are never sought, as
    containers state wrong ones. Whoever asks for a frame or the length has the frames decoded up
    to there and kept in a temporary file without a name, so that each is decoded once in whatever
    order they are asked for. A loop over the frames keeps none; ``list`` asks for the length.

    Args:
        path: The file.
        backend: ``'opencv'``, ``'pyav'`` or ``'torchcodec'``; None: what the environment variable
            ``MMVOD_VIDEO_BACKEND`` names, else OpenCV.
        scratch: Bytes of the temporary file at most, and half of what is free. Frames of a longer
            video are decoded again, with a warning.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If there is no such back end.
        ModuleNotFoundError: If the back end is not installed (when the first frame is decoded).
    """

    def __init__(self, path: str | os.PathLike[str], backend: str | None = None,
                 scratch: int = 8 << 30) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f'{path} is no file')
        self.backend = backend_name(backend)
        self._kept = _Scratch(scratch)
        self._times: list[float] = []
        self._decoding: Decoded | None = None
        self._length: int | None = None

    @property
    def fps(self) -> float:
        """Frames per second that the file states; 25 if it states none that is possible."""
        rate = header(self.path, cv2.CAP_PROP_FPS)
        return rate if 0 < rate < 1000 else 25.0

    @property
    def times(self) -> np.ndarray:
        """Time of every frame in seconds, (T,), NaN where the file has none; decodes all."""
        len(self)
        return np.array(self._times)

    def __len__(self) -> int:
        """Number of frames that can be decoded, 0 if there is none."""
        if self._length is None:
            while self._next() is not None:
                pass
        return self._length

    def __iter__(self) -> Iterator[np.ndarray]:
        """Every frame, (H, W, 3) uint8 BGR, in order."""
        if self._length is not None and len(self._kept) == self._length:
            yield from map(self._kept.read, range(self._length))
        else:
            for _, frame in BACKENDS[self.backend](self.path):
                yield frame

    def __getitem__(self, number: int) -> np.ndarray:
        """A frame, (H, W, 3) uint8 BGR.

        Raises:
            IndexError: If there are fewer frames.
        """
        if number < 0:
            number += len(self)
        if 0 <= number < len(self._kept):
            return self._kept.read(number)
        if number < len(self._times) and number >= 0:  # passed and not kept
            warnings.warn(f'{self.path}: frames are asked for out of order and do not fit into '
                          f'{self._kept.limit} bytes of temporary space: they are decoded again. '
                          'Extract the frames to images', stacklevel=2)
            self._decoding, self._times, self._length = None, [], None
        while number >= len(self._times) and number >= 0:
            if (frame := self._next()) is None:
                break
            if len(self._times) == number + 1:
                return frame
        raise IndexError(f'{self.path} has {len(self)} frames, asked for frame {number}')

    def _next(self) -> np.ndarray | None:
        """Decode one more frame, None after the last."""
        if self._length is not None:
            return None
        if self._decoding is None:
            self._decoding = BACKENDS[self.backend](self.path)
        time, frame = next(self._decoding, (0.0, None))
        if frame is None:
            self._length = len(self._times)
            return None
        if len(self._kept) == len(self._times):
            self._kept.append(frame)
        self._times.append(time)
        return frame


class _Scratch:
    """Frames in a temporary file, the first ones up to a number of bytes.

    Args:
        limit: Number of bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._places: list[tuple[int, tuple[int, ...]]] = []
        self._end = 0
        self._file = None

    def __len__(self) -> int:
        return len(self._places)

    def append(self, frame: np.ndarray) -> None:
        """Keep a frame if there is room for it."""
        if self._file is None:  # half of what is free: the folder may be in memory
            self.limit = min(self.limit, shutil.disk_usage(tempfile.gettempdir()).free // 2)
        if self._end + frame.nbytes > self.limit:
            return
        try:
            self._file = self._file or tempfile.TemporaryFile(buffering=0)
            written = os.pwrite(self._file.fileno(), np.ascontiguousarray(frame).data, self._end)
        except OSError:  # the disk is full
            written = 0
        if written != frame.nbytes:
            self.limit = self._end
            return
        self._places.append((self._end, frame.shape))
        self._end += frame.nbytes

    def read(self, number: int) -> np.ndarray:
        """A frame that was kept."""
        offset, shape = self._places[number]
        content = os.pread(self._file.fileno(), int(np.prod(shape)), offset)
        return np.frombuffer(bytearray(content), np.uint8).reshape(shape)
