"""Encoders of mp4 files."""

from __future__ import annotations

import math
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

#: What to say of a file that is written without PyAV.
MP4V_NOTE = 'the videos are mp4v, which browsers do not play: pip install av for H.264'


class Encoder(Protocol):
    """What writes frames."""

    def write(self, frame: np.ndarray) -> None:
        """Append a frame, (H, W, 3) uint8 BGR, of the size that the encoder was opened for."""

    def release(self) -> None:
        """Finish the file; what cannot be written is missing in it."""


def has_h264() -> bool:
    """Whether PyAV is installed, which writes H.264."""
    return find_spec('av') is not None


def open_encoder(path: Path, fps: float, shape: tuple[int, ...]) -> Encoder:
    """An encoder of a file.

    Args:
        path: The file, which ends in ``.mp4``.
        fps: Frames per second.
        shape: Height and width; H.264 repeats the last row or column of an odd one.

    Raises:
        OSError: If the file, the frame rate or the codec is refused.
    """
    if has_h264():
        return _H264(path, fps, shape)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), fps, shape[1::-1])
    if not writer.isOpened():
        raise OSError('OpenCV refuses the codec mp4v')
    return writer


class _H264:
    """H.264 in the form that every browser plays, by PyAV; see :func:`open_encoder`."""

    def __init__(self, path: Path, fps: float, shape: tuple[int, ...]) -> None:
        import av

        self._av = av
        self._pad = [(0, side % 2) for side in shape[:2]] + [(0, 0)]
        self._failed = False
        try:
            self._container = av.open(str(path), 'w', options=dict(movflags='faststart'))
            self._stream = self._container.add_stream(
                'libx264', rate=Fraction(fps).limit_denominator(1001),
                options=dict(crf='20', preset='fast'))
        except (av.FFmpegError, ValueError) as error:
            raise OSError(f'PyAV: {error}') from error
        self._stream.pix_fmt = 'yuv420p'
        self._stream.height, self._stream.width = (math.ceil(side / 2) * 2 for side in shape[:2])

    def write(self, frame: np.ndarray) -> None:
        """Append a frame."""
        self._mux(self._av.VideoFrame.from_ndarray(
            np.ascontiguousarray(np.pad(frame, self._pad, 'edge')), format='bgr24'))

    def release(self) -> None:
        """Encode what waits and close the file."""
        self._mux(None)
        try:
            self._container.close()
        except (self._av.FFmpegError, OSError):
            self._failed = True

    def _mux(self, frame) -> None:  # noqa: ANN001 PyAV's VideoFrame
        """Encode; after a failure nothing, and whoever counts the frames of the file sees it."""
        if self._failed:
            return
        try:
            self._container.mux(self._stream.encode(frame))
        except (self._av.FFmpegError, OSError):
            self._failed = True
