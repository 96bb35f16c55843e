"""ILSVRC2015 on disk: list files and xml."""

from __future__ import annotations


def train_frame_numbers(length: int, count: int = 15) -> list[int]:
    """Key frames for training, evenly spread, as ``VID_train_15frames.txt`` numbers them.

    Args:
        length: Frames of the video.
        count: Number of key frames; short videos have fewer.

    Returns:
        Increasing numbers from 1 to ``length - 1``, which is valid whether a reader subtracts
        1 from them or not; ``[1]`` for a video of one frame.
    """
    count = min(count, max(length - 1, 1))
    return [1 + int((i + 0.5) * (length - 1) / count) for i in range(count)]
