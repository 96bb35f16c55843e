"""Seq-NMS (arXiv 1602.08465): suppression and rescoring along sequences of linked boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from mmdet.registry import TASK_UTILS

from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.structures.boxes import box_areas

from .base import PostProcessor
from .overlapping_pairs import ClassGroups, class_groups
from .per_frame_nms import check_not_suppressed
from .sequence_search import Boxes, Rule, find_sequences

#: New score of a sequence from its old ones.
Rescore = Literal['avg', 'max']


@dataclass(frozen=True)
class SeqNMSResult:
    """Result of Seq-NMS for every detection, suppressed ones included.

    Attributes:
        scores: (N,), float64; a box in no sequence keeps its score.
        sequences: (N,), int64, number of the box's sequence, -1 for none. Sequences are counted
            as they are found, classes in ascending order.
        suppressed: (N,), bool. Boxes that remain when a class stops early are neither suppressed
            nor in a sequence.
    """

    scores: np.ndarray
    sequences: np.ndarray
    suppressed: np.ndarray


@TASK_UTILS.register_module()
class SeqNMS(PostProcessor):
    """Links boxes over time, rescores the best sequences, suppresses what overlaps them.

    Per class, until no box is left: take the sequence of linked boxes in neighbouring frames
    with the largest sum of scores (a single box is a sequence), give its boxes one new score, and
    suppress the boxes of its frames that overlap it. It replaces non-maximum suppression and
    needs the detections from before it.

    Of equal sums the sequence with the earliest last box is taken, by frame, then by row.
    Sequences end at frames that are missing from the video or have no detections.

    The paper links above 0.5; all public programs link, and suppress, at equality too.
    """

    def __init__(self, *, link_iou: float = 0.5, suppress_iou: float = 0.3,
                 rescore: Rescore = 'avg', pixel_offset: float = 0.0,
                 min_sum: float | None = None, stop_without_links: bool = False,
                 force: bool = False) -> None:
        """Set the options.

        Args:
            link_iou: Smallest IoU of a link between neighbouring frames.
            suppress_iou: Smallest IoU with a box of the sequence at which a box of the same frame
                is suppressed.
            rescore: New score of a sequence: the ``avg`` or ``max`` of its scores.
            pixel_offset: Added to the sides of boxes: 1 where coordinates name the last pixel.
            min_sum: The search of a class stops when its best sum is below this, and the remaining
                boxes are unchanged; None to continue until no box is left.
            stop_without_links: Whether the search also stops when the class has no links left; a
                link to a sequence whose scores are all 0 does not count.
            force: Whether to accept detections after per-frame suppression.
        """
        for name, value in (('link_iou', link_iou), ('suppress_iou', suppress_iou)):
            if not 0 < value <= 1:
                raise ValueError(f'SeqNMS: {name} must be above 0 and at most 1, got {value}')
        if rescore not in ('avg', 'max'):
            raise ValueError(f"SeqNMS: rescore must be 'avg' or 'max', got {rescore!r}")
        self.link_iou = link_iou
        self.suppress_iou = suppress_iou
        self.rescore = rescore
        self.pixel_offset = pixel_offset
        self.min_sum = min_sum
        self.stop_without_links = stop_without_links
        self.force = force
        self.refuses_suppressed = not force

    def process(self, video: VideoDetections) -> VideoDetections:
        """Rescore and suppress; ``track_ids`` are the numbers of the sequences, -1 for none.

        Raises:
            ValueError: If per-frame suppression was applied, or seems to have been applied.
        """
        if not self.force:
            check_not_suppressed(video, type(self).__name__)
        result = self.search(video)
        rescored = video.with_arrays(scores=result.scores.astype(video.scores.dtype),
                                     track_ids=result.sequences, suppressed=True)
        return rescored.select(~result.suppressed)

    def search(self, video: VideoDetections) -> SeqNMSResult:
        """Find the sequences; nothing is removed yet."""
        found = class_groups(video)
        # Until the end all arrays are in the sorted order of ``found.rows``.
        boxes = _sorted_boxes(video, found, self.pixel_offset)
        rule = Rule(float(self.link_iou), float(self.suppress_iou), float(self.pixel_offset),
                    -np.inf if self.min_sum is None else float(self.min_sum),
                    bool(self.stop_without_links))
        sequences, left, totals = find_sequences(boxes, found.classes, rule)
        new_scores, taken = boxes.scores.copy(), sequences >= 0
        new_scores[taken] = self._sequence_scores(boxes.scores, sequences, totals)[sequences[taken]]
        result = SeqNMSResult(*(np.empty(len(video), kind) for kind in (float, np.int64, bool)))
        result.scores[found.rows], result.sequences[found.rows] = new_scores, sequences
        result.suppressed[found.rows] = ~left & ~taken
        return result

    def _sequence_scores(self, scores: np.ndarray, sequences: np.ndarray,
                         totals: np.ndarray) -> np.ndarray:
        """New score of each sequence, (S,)."""
        taken = sequences >= 0
        if self.rescore == 'avg':
            return totals / np.bincount(sequences[taken], minlength=len(totals))
        highest = np.full(len(totals), -np.inf)
        np.maximum.at(highest, sequences[taken], scores[taken])
        return highest


@TASK_UTILS.register_module()
class FGFASeqNMS(SeqNMS):
    """Seq-NMS as FGFA's program runs it (``lib/nms/seq_nms.py``).

    Inclusive pixels, and the search of a class stops when its best sum is below 0.01 or no link is
    left: remaining boxes keep their scores and are not suppressed.
    """

    def __init__(self, *, pixel_offset: float = 1.0, min_sum: float | None = 0.01,
                 stop_without_links: bool = True, link_iou: float = 0.5,
                 suppress_iou: float = 0.3, rescore: Rescore = 'avg',
                 force: bool = False) -> None:
        """Set the options, see :class:`SeqNMS`."""
        super().__init__(link_iou=link_iou, suppress_iou=suppress_iou, rescore=rescore,
                         pixel_offset=pixel_offset, min_sum=min_sum,
                         stop_without_links=stop_without_links, force=force)


def _sorted_boxes(video: VideoDetections, found: ClassGroups, pixel_offset: float) -> Boxes:
    """Boxes in the order and form of the search."""
    # A group is joined with the one before it if that is the previous frame of the same class,
    # and no frame is missing between them.
    joined = (np.diff(found.labels) == 0) & (np.diff(found.frames) == 1)
    joined[joined] = video.consecutive[found.frames[:-1][joined]]
    before = np.zeros_like(found.groups)
    before[1:][joined] = found.groups[:-1][joined]
    sizes = found.groups[:, 1] - found.groups[:, 0]
    corners = video.boxes[found.rows].astype(np.float64)
    return Boxes(corners, box_areas(corners, pixel_offset),
                 video.scores[found.rows].astype(np.float64),
                 np.repeat(found.groups, sizes, axis=0), np.repeat(before, sizes, axis=0))
