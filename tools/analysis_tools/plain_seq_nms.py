"""Literal Seq-NMS, which searches every sequence from scratch: the reference of the fast one."""

from dataclasses import dataclass

import numpy as np

from mmvod_plugins.structures import VideoDetections


@dataclass
class PlainResult:
    """As :class:`mmvod_plugins.postprocessing.SeqNMSResult`, in lists."""

    scores: list[float]
    sequences: list[int]
    suppressed: list[bool]


def plain_seq_nms(video: VideoDetections, *, link_iou: float = 0.5, suppress_iou: float = 0.3,
                  rescore: str = 'avg', pixel_offset: float = 0.0,
                  min_sum: float | None = None, stop_without_links: bool = False) -> PlainResult:
    """Seq-NMS in plain Python; the options are those of ``SeqNMS``."""
    boxes, scores = video.boxes.astype(np.float64).tolist(), video.scores.tolist()
    result = PlainResult(list(scores), [-1] * len(scores), [False] * len(scores))
    count = 0
    for label in sorted(set(video.labels.tolist())):
        frames = [[row for row in range(video.offsets[t], video.offsets[t + 1])
                   if video.labels[row] == label] for t in range(video.num_frames)]
        links = find_links(boxes, frames, video.consecutive.tolist(), link_iou, pixel_offset)
        while any(frames):
            total, sequence = best_sequence(frames, links, scores)
            if min_sum is not None and total < min_sum:
                break
            if stop_without_links and not any(links.values()):
                break
            for row in sequence:
                result.sequences[row] = count
                result.scores[row] = (total / len(sequence) if rescore == 'avg'
                                      else max(scores[row] for row in sequence))
            for row in suppress(sequence, frames, links, boxes, suppress_iou, pixel_offset):
                result.suppressed[row] = True
            count += 1
    return result


def iou(a: list[float], b: list[float], pixel_offset: float) -> float:
    """Intersection over union of two boxes."""
    width = max(min(a[2], b[2]) - max(a[0], b[0]) + pixel_offset, 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]) + pixel_offset, 0)
    areas = [(box[2] - box[0] + pixel_offset) * (box[3] - box[1] + pixel_offset)
             for box in (a, b)]
    return width * height / (areas[0] + areas[1] - width * height)


def find_links(boxes: list[list[float]], frames: list[list[int]], consecutive: list[bool],
               link_iou: float, pixel_offset: float) -> dict[int, list[int]]:
    """For every row the rows of the frame before that it is linked with."""
    links: dict[int, list[int]] = {row: [] for rows in frames for row in rows}
    for t, joined in enumerate(consecutive):
        for row in frames[t + 1] if joined else []:
            links[row] = [other for other in frames[t]
                          if iou(boxes[other], boxes[row], pixel_offset) >= link_iou]
    return links


def best_sequence(frames: list[list[int]], links: dict[int, list[int]],
                  scores: list[float]) -> tuple[float, list[int]]:
    """The largest sum of scores along links, and its rows."""
    sums: dict[int, float] = {}
    parents: dict[int, int] = {}
    best = -1
    for rows in frames:
        for row in rows:
            before = 0.0
            for other in links[row]:
                if sums[other] > before:
                    before, parents[row] = sums[other], other
            sums[row] = scores[row] + before
            if best < 0 or sums[row] > sums[best]:
                best = row
    sequence = [best]
    while sequence[-1] in parents:
        sequence.append(parents[sequence[-1]])
    return sums[best], sequence[::-1]


def suppress(sequence: list[int], frames: list[list[int]], links: dict[int, list[int]],
             boxes: list[list[float]], suppress_iou: float, pixel_offset: float) -> list[int]:
    """Remove a sequence and the boxes that overlap it; return the suppressed ones."""
    start = next(t for t, rows in enumerate(frames) if sequence[0] in rows)
    gone: set[int] = set()
    for t, row in enumerate(sequence, start):
        gone.update(other for other in frames[t]
                    if iou(boxes[row], boxes[other], pixel_offset) >= suppress_iou)
        frames[t] = [row for row in frames[t] if row not in gone]
    for row in gone:
        del links[row]
    for rows in frames[start + 1:start + len(sequence) + 1]:
        for row in rows:
            links[row] = [other for other in links[row] if other not in gone]
    return sorted(gone - set(sequence))
