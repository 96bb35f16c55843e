"""Frames of the page as JPEG files, each copied or written once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from mmvod_plugins.apis.sources import VideoSource
from mmvod_plugins.utils.files import replacing, write_text
from mmvod_plugins.video_files import read_frame, split_frame_name

QUALITY = 90


def frame_path(folder: Path, t: int) -> Path:
    """File of frame number t, from 0."""
    return folder / f'{t:06d}.jpg'


def copy_frames(images: list[Path], folder: Path) -> tuple[int, int]:
    """Copy the JPEG images of a video, convert others; skips those that are there.

    Args:
        images: Files, or frames of a video file (``clip.mp4#17``).
        folder: Where they go.

    Returns:
        (height, width) of the first one.

    Raises:
        FileNotFoundError: If an image does not exist.
        OSError: If it cannot be read.
        ValueError: If the images are in the folder.
    """
    if any(image.parent.resolve() == folder.resolve() for image in images):
        raise ValueError(f'{folder} has the frames themselves, which the page would overwrite: '
                         'name another folder with --out')
    sources, names = folder / 'sources.txt', '\n'.join(str(image.resolve()) for image in images)
    same = sources.is_file() and sources.read_text(encoding='utf-8') == names
    sources.unlink(missing_ok=True)
    for t, image in enumerate(images):
        target = frame_path(folder, t)
        place = None if image.is_file() else split_frame_name(str(image))
        origin = Path(place[0]) if place else image
        if not origin.is_file():
            raise FileNotFoundError(f'the frame {image} does not exist: check the folder of the '
                                    'images')
        if same and _is_of(target, origin):
            continue
        if place:
            _write(target, read_frame(*place))
        elif image.suffix.lower() in ('.jpg', '.jpeg'):
            with replacing(target) as part:
                shutil.copyfile(image, part)
        else:
            _write(target, _read(image))
        _mark(target, origin)
    write_text(sources, names)
    return _read(frame_path(folder, 0)).shape[:2]


def extract_frames(source: VideoSource, folder: Path,
                   progress: Callable[[int], object] = lambda _: None
                   ) -> tuple[int, tuple[int, int]]:
    """Write the frames of a video file or a folder; skips them if all are there.

    Args:
        source: The video.
        folder: Where they go.
        progress: Called with 1 after each frame.

    Returns:
        Their number, and (height, width).

    Raises:
        ValueError: If the source can be read only once, or has no frame.
        OSError: If it cannot be read, or a frame not be written.
    """
    if not source.paths:
        raise ValueError(f'{source.name} is no file: a page needs a video file or a folder of '
                         'frames')
    path = source.paths[0]
    if path.is_dir():
        images = list(source.paths[1:])
        return len(images), copy_frames(images, folder)
    done = sorted(folder.glob('[0-9]*.jpg'))
    last = folder / 'complete'
    if done and _is_of(last, path):
        return len(done), _read(done[0]).shape[:2]
    last.unlink(missing_ok=True)
    for old in done:
        old.unlink()
    count, shape = 0, (0, 0)
    for frame in source.frames():
        _write(frame_path(folder, count), frame)
        count, shape = count + 1, frame.shape[:2]
        progress(1)
    source.end(count)
    last.touch()
    _mark(last, path)
    return count, shape


def _read(path: Path) -> np.ndarray:
    image = cv2.imread(str(path))
    if image is None:
        raise OSError(f'the frame {path} cannot be read as an image')
    return image


def _write(target: Path, image: np.ndarray) -> None:
    with replacing(target) as part:
        if not cv2.imwrite(str(part), image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY]):
            raise OSError(f'{target} cannot be written: is the disk full?')


def _is_of(target: Path, source: Path) -> bool:
    """Whether a file was made from a source that has not changed since."""
    return target.is_file() and target.stat().st_mtime_ns == source.stat().st_mtime_ns


def _mark(target: Path, source: Path) -> None:
    time = source.stat().st_mtime_ns
    os.utime(target, ns=(time, time))
