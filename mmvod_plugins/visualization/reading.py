"""Reading of frames from a video file or a folder of images."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from mmvod_plugins.utils.names import IMAGE_SUFFIXES, natural_key
from mmvod_plugins.video_files import FrameReader, backend_name
from mmvod_plugins.video_files.backends import header

GREY = 114


def read_frames(path: str | Path) -> Iterator[np.ndarray]:
    """Decode a video frame by frame, (H, W, 3) uint8 BGR.

    Args:
        path: A video file, or a folder whose images are the frames, in the order of the numbers
            in their names. Hidden files are omitted; for an image that cannot be read there is a
            grey frame, with a warning.

    Raises:
        OSError: If no image of a folder can be read.
    """
    path = Path(path)
    yield from read_images(images_of(path)) if path.is_dir() else FrameReader(path)


def count_frames(path: str | Path) -> int:
    """Count the frames by decoding them, as the number in the container is often wrong.

    A file with fewer frames than its container states gives a warning: it may be cut off.

    Raises:
        FileNotFoundError: If the file or folder does not exist.
        OSError: If an image of a folder cannot be read.
        ValueError: If it contains no frame, or images of different sizes.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f'{path} does not exist')
    if path.is_dir():
        if not images_of(path):
            raise ValueError(f'{path} contains no image: names must end with one of '
                             f'{IMAGE_SUFFIXES}')
        shapes = {frame.shape for frame in read_images(images_of(path))}
        if len(shapes) > 1:
            raise ValueError(f'the images of {path} have different sizes (height, width): '
                             f'{sorted(shape[:2] for shape in shapes)[:3]}')
        return len(images_of(path))
    count = sum(1 for _ in FrameReader(path))
    check_count(path, count)
    return count


def check_count(path: str | Path, count: int) -> None:
    """Raise if no frame of a video file could be decoded; warn if it states more than could.

    Raises:
        ValueError: If ``count`` is 0.
    """
    if not count:
        raise ValueError(f'{path} contains no frame that {backend_name()} can decode; '
                         'convert it, for instance to H.264 in an mp4 file')
    if count < (stated := stated_frames(path)):
        warnings.warn(f'{path}: {count} of {stated} frames can be decoded; the file may be cut '
                      'off or damaged', stacklevel=3)


def stated_frames(path: str | Path) -> int:
    """Number of frames that the container states, often wrong; 0 if it states none."""
    stated = header(path, cv2.CAP_PROP_FRAME_COUNT)
    return int(stated) if 0 < stated < 1e12 else 0


def frames_per_second(path: str | Path) -> float:
    """Frame rate of a file; 25 if it does not give one, and for folders."""
    return 25.0 if Path(path).is_dir() else FrameReader(path).fps


def images_of(folder: Path) -> list[Path]:
    """Images of a folder in the order of the numbers in their names; hidden files are omitted."""
    found = [path for path in folder.iterdir()
             if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith('.')]
    return sorted(found, key=lambda path: natural_key(path.name))


def read_images(paths: Sequence[Path]) -> Iterator[np.ndarray]:
    """Read images as frames, (H, W, 3) uint8 BGR; a grey one for what cannot be read, see above.

    Raises:
        OSError: If none can be read.
    """
    size: tuple[int, ...] | None = None
    for path in paths:
        frame = cv2.imread(str(path))
        if frame is None:
            size = size or _first_size(paths)
            warnings.warn(f'{path} cannot be read as an image; a grey frame is used instead',
                          stacklevel=3)
            frame = np.full(size, GREY, np.uint8)
        size = frame.shape
        yield frame


def _first_size(paths: list[Path]) -> tuple[int, ...]:
    images = (cv2.imread(str(path)) for path in paths)
    size = next((image.shape for image in images if image is not None), None)
    if size is None:
        raise OSError(f'none of the {len(paths)} images of {paths[0].parent} can be read, the '
                      f'first is {paths[0]}')
    return size

