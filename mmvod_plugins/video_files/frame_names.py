"""Names of frames in video files: ``clip.mp4#17``, counted from 0."""

from __future__ import annotations

import os
import re
from functools import lru_cache

import numpy as np

from mmvod_plugins.utils.names import VIDEO_SUFFIXES

from .frame_reader import FrameReader

FRAME_NAME = re.compile(rf'(.+(?:{"|".join(map(re.escape, VIDEO_SUFFIXES))}))#(\d+)',
                        re.IGNORECASE | re.DOTALL)


def split_frame_name(name: str) -> tuple[str, int] | None:
    """Video file and number of the frame that a name means; None for other names."""
    found = FRAME_NAME.fullmatch(name)
    return (found[1], int(found[2])) if found else None


def read_frame(path: str, number: int) -> np.ndarray:
    """A frame of a video file, (H, W, 3) uint8 BGR; the last eight files stay open.

    Raises:
        FileNotFoundError: If there is no such file.
        IndexError: If it has fewer frames.
    """
    changed = os.stat(path).st_mtime_ns if os.path.isfile(path) else 0
    return _reader(path, changed, os.getpid())[number]  # a forked process needs readers of its own


@lru_cache(maxsize=8)
def _reader(path: str, changed: int, process: int) -> FrameReader:  # noqa: ARG001 parts of the key
    return FrameReader(path)
