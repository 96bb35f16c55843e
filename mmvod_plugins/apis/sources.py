"""What frames can come from: files, folders, lists, arrays, cameras, network addresses."""

from __future__ import annotations

import glob
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mmvod_plugins.utils.names import IMAGE_SUFFIXES, VIDEO_SUFFIXES, natural_key
from mmvod_plugins.video_files import FrameReader
from mmvod_plugins.visualization.reading import (
    check_count,
    images_of,
    read_images,
    stated_frames,
)

ADDRESS = re.compile(r'(https?|rtsps?|rtmps?|udp|tcp|srt)://')
_TURNED = range(5, 9)  # values of EXIF's orientation that exchange width and height

Inputs = str | Path | int | np.ndarray | Iterable


@dataclass(frozen=True)
class VideoSource:
    """Frames of one video.

    Attributes:
        name: Identity of the video, unique among the sources of one call.
        frames: Opens it: (H, W, 3) images, BGR uint8, in order.
        fps: Frames per second.
        expected: Number of frames for a progress bar, possibly wrong; None if nobody knows.
        length: Counts the frames, which may decode all of them; None if that is not possible.
        replayable: Whether ``frames`` can be called again.
        live: Whether the frames come from a camera or the network, as long as that gives some.
        paths: Files and folders that are read.
        end: Called with the number of frames when all are read; warns or raises if some lack.
    """

    name: str
    frames: Callable[[], Iterator[np.ndarray]]
    fps: float = 25.0
    expected: int | None = None
    length: Callable[[], int] | None = None
    replayable: bool = True
    live: bool = False
    paths: tuple[Path, ...] = ()
    end: Callable[[int], None] = lambda _: None


def open_sources(inputs: Inputs) -> list[VideoSource]:
    """The videos that an input means; nothing is decoded yet.

    Args:
        inputs: One of

            * a video file, or a folder of images, which are the frames in the order of the
              numbers in their names
            * a folder of videos or of such folders, a pattern (``clips/*.mp4``, ``**`` for all
              folders below), a text file (``.txt``) of paths, one in a line and relative to
              the file, or a list of paths: a list of images is one video
            * a list of arrays, or an array (T, H, W, 3): one video, BGR uint8
            * a generator of arrays: one video that can be read once
            * the number of a camera, or its number as text
            * an address ``rtsp://``, ``http://`` and similar, read while it is received

    Raises:
        FileNotFoundError: If a file or folder does not exist, or nothing fits a pattern.
        ValueError: If there is no frame or video in it, or the images of a video have different
            sizes.
        TypeError: If it is something else.
    """
    sources = list(_sources(inputs))
    names = [source.name for source in sources]
    return [replace(source, name=str(source.paths[0])) if names.count(source.name) > 1
            and source.paths else source for source in sources]


def _sources(inputs: Inputs) -> Iterator[VideoSource]:
    if isinstance(inputs, int | np.integer) and not isinstance(inputs, bool):
        yield _live(int(inputs), f'camera {inputs}')
    elif isinstance(inputs, np.ndarray):
        yield _arrays(list(inputs) if inputs.ndim == 4 else [inputs])
    elif isinstance(inputs, str | Path):
        yield from _named(str(inputs))
    elif isinstance(inputs, Sequence) and len(inputs):
        if all(isinstance(item, str | Path) for item in inputs):
            yield from _listed([Path(item) for item in inputs])
        elif isinstance(inputs[0], np.ndarray):
            yield _arrays(inputs)
        else:
            raise TypeError(f'a list of inputs holds paths or images, got a '
                            f'{type(inputs[0]).__name__} at its start')
    elif isinstance(inputs, Iterable) and not isinstance(inputs, Sequence):
        yield VideoSource('frames', lambda: iter(inputs), replayable=False)
    else:
        raise TypeError(f'cannot read frames from {inputs!r}: expected a path, a pattern, a list '
                        'of paths or images, a generator of images, the number of a camera, or '
                        'an address')


def _named(name: str) -> Iterator[VideoSource]:
    """Sources of a text: an address, a path, a pattern, or the number of a camera."""
    path = Path(name).expanduser()
    if ADDRESS.match(name):
        yield _live(name, name)
    elif path.is_dir():
        yield from _folder(path)
    elif path.is_file():
        yield from _listed(_lines(path) if path.suffix.lower() == '.txt' else [path])
    elif glob.has_magic(name):
        yield from _listed(_fitting(path))
    elif name.isdecimal():
        yield _live(int(name), f'camera {name}')
    else:
        raise FileNotFoundError(f'{name} does not exist')


def list_videos(names: Sequence[str]) -> list[Path]:
    """Videos that names mean, each once, without opening them; see :func:`open_sources`.

    Args:
        names: Files, folders, patterns, ``.txt`` files of paths.

    Raises:
        FileNotFoundError: If one does not exist, or nothing fits a pattern.
        ValueError: If there is no video in it.
    """
    found: list[Path] = []
    for name in names:
        path = Path(name).expanduser()
        if path.is_dir():
            found += [path] if images_of(path) else _videos_in(path)
        elif path.is_file():
            found += _lines(path) if path.suffix.lower() == '.txt' else [path]
        elif glob.has_magic(name):
            found += _fitting(path)
        else:
            raise FileNotFoundError(f'{name} does not exist')
    return list(dict.fromkeys(found))


def _lines(path: Path) -> list[Path]:
    """Paths in a text file."""
    lines = path.read_text(encoding='utf-8-sig').splitlines()
    named = [path.parent / line.strip() for line in lines
             if line.strip() and not line.startswith('#')]
    if not named:
        raise ValueError(f'{path} names no file: expected a path in each line')
    return named


def _fitting(pattern: Path) -> list[Path]:
    """Files and folders that fit a pattern."""
    found = sorted(glob.glob(str(pattern), recursive=True), key=natural_key)
    if not found:
        raise FileNotFoundError(f'no file fits the pattern {pattern}')
    return list(map(Path, found))


def _folder(folder: Path) -> Iterator[VideoSource]:
    if images := images_of(folder):
        yield _images(images, folder)
    else:
        yield from _listed(_videos_in(folder))


def _videos_in(folder: Path) -> list[Path]:
    """Video files and folders of images in a folder."""
    inside = sorted(folder.iterdir(), key=lambda path: natural_key(path.name))
    videos = [path for path in inside if not path.name.startswith('.') and (
        path.suffix.lower() in VIDEO_SUFFIXES or (path.is_dir() and images_of(path)))]
    if not videos:
        raise ValueError(f'{folder} contains neither images {IMAGE_SUFFIXES} nor videos '
                         f'{VIDEO_SUFFIXES} nor folders of images')
    return videos


def _listed(paths: list[Path]) -> Iterator[VideoSource]:
    """Sources of files and folders; several images are the frames of one video."""
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise FileNotFoundError(f'{missing} does not exist')
    if all(path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() for path in paths):
        yield _images(paths, paths[0] if len(paths) == 1 else paths[0].parent)
        return
    for path in paths:
        if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
            yield from _folder(path) if path.is_dir() else [_images([path], path)]
        else:
            yield _file(path)


def _file(path: Path) -> VideoSource:
    reader = FrameReader(path)
    first = iter(reader)
    if next(first, None) is None:
        check_count(path, 0)
    first.close()

    def length() -> int:
        check_count(path, len(reader))
        return len(reader)

    return VideoSource(path.name, lambda: iter(reader), reader.fps, stated_frames(path) or None,
                       length, paths=(path, ), end=lambda count: check_count(path, count))


def _images(paths: list[Path], named: Path) -> VideoSource:
    _check_sizes(paths, named)
    return VideoSource(named.name or str(named), lambda: read_images(paths), expected=len(paths),
                       length=lambda: len(paths), paths=(named, *paths))


def _check_sizes(paths: Sequence[Path], named: Path) -> None:
    """Compare the sizes that the headers of images state."""
    sizes: dict[tuple[int, int], Path] = {}
    for path in paths:
        try:
            with Image.open(path) as image:
                turned = image.getexif().get(0x0112) in _TURNED
                sizes.setdefault(image.size if turned else image.size[::-1], path)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue  # the reader uses a grey frame and says so
    if len(sizes) > 1:
        files = ', '.join(path.name for path in list(sizes.values())[:3])
        raise ValueError(f'the images of {named} have different sizes (height, width): '
                         f'{sorted(sizes)[:3]} ({files}); frames of a video need one size')


def _arrays(frames: Sequence[np.ndarray]) -> VideoSource:
    return VideoSource('frames', lambda: iter(frames), expected=len(frames),
                       length=lambda: len(frames))


def _live(address: int | str, name: str) -> VideoSource:
    def frames() -> Iterator[np.ndarray]:
        capture = cv2.VideoCapture(address)
        if not capture.isOpened():
            raise OSError(f'{name} cannot be opened: is it connected, free and spelt right?')
        count = 0
        try:
            while True:
                there, frame = capture.read()
                if not there:
                    break
                count += 1
                yield frame
        finally:
            capture.release()
        if not count:
            raise OSError(f'{name} gives no frame')
        warnings.warn(f'{name} gives no more frames after {count}', stacklevel=2)

    return VideoSource(name, frames, replayable=False, live=True)
