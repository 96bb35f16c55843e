"""Drawing of detections while they come, into a file and a window."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mmvod_plugins.visualization import VideoWriter, draw_detections

from .session import as_bgr

WINDOW = 'mmvod'
STOP_KEYS = (ord('q'), 27)


@dataclass(frozen=True)
class Painter:
    """Draws frames.

    Attributes:
        writer: Of the annotated video, or None.
        show: Whether frames are shown in a window.
        classes: Names of the classes.
        colours: Of the classes (BGR); None for the default ones.
        threshold: Weakest box that is drawn.
        wait_time: Milliseconds that a frame stays in the window.
    """

    writer: VideoWriter | None
    show: bool
    classes: Sequence[str]
    colours: list[tuple[int, int, int]] | None
    threshold: float
    wait_time: int

    def paint(self, frame: np.ndarray, boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray,
              track_ids: np.ndarray | None = None) -> None:
        """Draw, write and show one frame.

        Raises:
            KeyboardInterrupt: If q or Escape is pressed in the window.
            ValueError: If the frame has another size than those before.
            OSError: If it cannot be written.
        """
        strong = scores >= self.threshold
        picture = draw_detections(
            as_bgr(frame, 'the frame'), boxes[strong], labels[strong], scores[strong],
            self.classes, palette=self.colours,
            track_ids=None if track_ids is None else track_ids[strong])
        if self.writer is not None:
            self.writer.write(picture)
        if self.show:
            cv2.imshow(WINDOW, picture)
            if cv2.waitKey(max(self.wait_time, 1)) & 0xFF in STOP_KEYS:
                raise KeyboardInterrupt


def check_window(name: str = WINDOW) -> None:
    """Open a window, or raise if that is not possible.

    Raises:
        OSError: With the reason.
    """
    # Without a display Qt ends the process: there is nothing to catch.
    displays = ('DISPLAY', 'WAYLAND_DISPLAY', 'QT_QPA_PLATFORM')
    if sys.platform.startswith('linux') and not any(map(os.environ.get, displays)):
        raise OSError('no window can be opened: there is no display. Leave out show and write '
                      'a video')
    try:
        cv2.namedWindow(name, cv2.WINDOW_NORMAL)
    except cv2.error as error:
        raise OSError('no window can be opened: this OpenCV has no windows (opencv-python-headless)'
                      '. Leave out show and write a video') from error
