"""Whether per-frame non-maximum suppression was done before, told from the boxes."""

from __future__ import annotations

import numpy as np

from mmvod_plugins.structures import VideoDetections

from .class_groups import class_groups
from .overlapping_pairs import iter_overlapping_pairs

#: Boxes of one class in one frame that touch at least this much are a pair that counts.
TOUCHING_IOU = 0.1
#: Customary suppression (0.3 to 0.7) leaves no pair above this.
HIGHEST_IOU_LEFT = 0.7
#: So many pairs without one above are taken for no accident.
ENOUGH_PAIRS = 100


def looks_suppressed(video: VideoDetections) -> bool:
    """Whether many pairs of boxes touch and none overlaps much.

    Pairs are two boxes of one class in one frame. False also means that there are too few pairs
    to tell.
    """
    found = class_groups(video)
    touching = 0
    for pairs, iou in iter_overlapping_pairs(video.boxes[found.rows], found.groups, found.groups,
                                             TOUCHING_IOU):
        iou = iou[pairs[:, 0] < pairs[:, 1]]
        if np.any(iou > HIGHEST_IOU_LEFT):
            return False
        touching += len(iou)
    return touching >= ENOUGH_PAIRS


def check_not_suppressed(video: VideoDetections, name: str) -> None:
    """Refuse a video whose boxes were suppressed per frame.

    Args:
        video: What ``video.suppressed`` says counts; the boxes are looked at if it is None.
        name: Of the post-processor, for the message.

    Raises:
        ValueError: With the remedy.
    """
    if video.suppressed is False or (video.suppressed is None and not looks_suppressed(video)):
        return
    found = ('says that per-frame NMS was applied' if video.suppressed else
             f'has over {ENOUGH_PAIRS} pairs of boxes that touch, none with an IoU above '
             f'{HIGHEST_IOU_LEFT}: it seems that per-frame NMS was applied')
    raise ValueError(
        f'video {video.video_id!r} {found}. {name} takes the place of per-frame NMS and expects '
        'the boxes before it: test with model.detections.nms=False, or pass force=True to go on '
        'with these')
