"""Writing of frames to an mp4 file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np


class VideoWriter:
    """Writer of an mp4 file (codec ``mp4v``), which the first frame opens.

    Args:
        path: The file; its folder is created.
        fps: Frames per second.

    Raises:
        ValueError: If ``fps`` is not positive or the name does not end in ``.mp4``.
    """

    def __init__(self, path: str | Path, fps: float = 25.0) -> None:
        self.path = Path(path)
        if fps <= 0 or self.path.suffix.lower() != '.mp4':
            raise ValueError(f'a video needs a name that ends in .mp4 and a positive fps, got '
                             f'{self.path} and {fps}')
        self.fps = fps
        self.num_frames = 0
        self._shape: tuple[int, ...] | None = None
        self._writer: cv2.VideoWriter | None = None

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
        self.path.parent.mkdir(parents=True, exist_ok=True)
        codec = cv2.VideoWriter_fourcc(*'mp4v')
        self._writer = cv2.VideoWriter(str(self.path), codec, self.fps, (shape[1], shape[0]))
        self._shape = shape
        if not self._writer.isOpened():
            self._writer = None
            raise OSError(f'OpenCV cannot write {self.path} with the codec mp4v: is the folder '
                          'writable, is the disk full, has this OpenCV an mp4v encoder?')

    def close(self) -> None:
        """Finish the file; a second call does nothing."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


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
