"""Decoders of video files. All of them give the frames in order; no position in a file is trusted.

A frame is its time in seconds, NaN if unknown, and (H, W, 3) uint8, BGR, turned upright. Colours
of two decoders may differ by rounding.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np

Decoded = Iterator[tuple[float, np.ndarray]]
#: Environment variable that names the decoder.
VARIABLE = 'MMVOD_VIDEO_BACKEND'


def opencv_frames(path: Path) -> Decoded:
    """Decode with OpenCV, up to the first frame that it cannot decode."""
    capture = cv2.VideoCapture(str(path))
    try:
        while True:
            there, frame = capture.read()
            if not there:
                return
            yield capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, frame
    finally:
        capture.release()


def pyav_frames(path: Path) -> Decoded:
    """Decode with PyAV, up to the first frame that it cannot decode."""
    av = _imported('av', 'av')
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                return
            stream = container.streams.video[0]
            stream.thread_type = 'AUTO'
            for frame in container.decode(stream):
                image = frame.to_ndarray(format='bgr24')
                if turns := round(frame.rotation / 90) % 4:
                    image = np.ascontiguousarray(np.rot90(image, turns))
                yield math.nan if frame.time is None else frame.time, image
    except av.FFmpegError:
        return


def torchcodec_frames(path: Path) -> Decoded:
    """Decode with torchcodec, which needs FFmpeg on the system."""
    module = _imported('torchcodec.decoders', 'torchcodec')
    try:
        decoder = module.VideoDecoder(str(path), dimension_order='NHWC', seek_mode='exact')
    except (ValueError, RuntimeError):  # no video
        return
    for number in range(len(decoder)):
        frame = decoder.get_frame_at(number)
        yield frame.pts_seconds, np.ascontiguousarray(frame.data.numpy()[..., ::-1])


BACKENDS: dict[str, Callable[[Path], Decoded]] = dict(
    opencv=opencv_frames, pyav=pyav_frames, torchcodec=torchcodec_frames)


def backend_name(name: str | None = None) -> str:
    """Name of a decoder that there is; None: the one that the environment variable names.

    Raises:
        ValueError: If there is no such decoder.
    """
    name = name or os.environ.get(VARIABLE) or 'opencv'
    if name not in BACKENDS:
        raise ValueError(f'no video back end {name!r} (argument backend or variable {VARIABLE}): '
                         f'there are {", ".join(BACKENDS)}')
    return name


def _imported(module: str, package: str) -> ModuleType:
    """An optional decoder.

    Raises:
        ModuleNotFoundError: If it is not installed, or its libraries cannot be loaded.
    """
    try:
        return import_module(module)
    except (ImportError, OSError, RuntimeError) as error:
        remedy = (f'pip install {package}' if isinstance(error, ModuleNotFoundError) else
                  'it needs FFmpeg 4 or newer on the system')
        raise ModuleNotFoundError(f'the video back end {package} cannot be used ({remedy}): '
                                  f'{str(error).splitlines()[0]}') from error


def header(path: str | os.PathLike[str], key: int) -> float:
    """A property that the header of a file states, by OpenCV's number; 0 if it states none."""
    capture = cv2.VideoCapture(str(path))
    value = capture.get(key)
    capture.release()
    return value
