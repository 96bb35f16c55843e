"""Place and plan of a frame."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True)
class FramePlace:
    """Position of a frame in its video.

    Attributes:
        video_id: Identity of the video.
        frame_id: Number of the frame in its video, from 0.
        video_length: Number of frames of the video; None while a live input has no end yet.
    """

    video_id: Hashable
    frame_id: int
    video_length: int | None


@dataclass(frozen=True)
class FramePlan:
    """Products of a frame that a reference policy requires; the model computes those it uses.

    Attributes:
        maps: Whether the backbone runs.
        objects: Whether objects are extracted, for a detector with a temporal head.
        scale: Factor of the network input's sides, in (0, 1]; detections are returned in pixels
            of the original image in any case.
        memorize: Whether memories are written after the frame was detected.

    Raises:
        ValueError: If the scale is outside (0, 1].
    """

    maps: bool = True
    objects: bool = True
    scale: float = 1.0
    memorize: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.scale <= 1:
            raise ValueError(f'FramePlan.scale is {self.scale}, expected more than 0 and at most 1')
