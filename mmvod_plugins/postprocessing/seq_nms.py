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

#: How the new score of a sequence comes from its old ones.
Rescore = Literal['avg', 'max']


@dataclass(frozen=True)
class SeqNMSResult:
    """What Seq-NMS says about every detection, suppressed ones included.

    Attributes:
        scores: (N,), float64; a box that no sequence took keeps its score.
        sequences: (N,), int64, the number of the sequence that took the box, else -1. Sequences
            are counted as they are found, classes in ascending order.
        suppressed: (N,), bool: what a sequence suppressed. Boxes left over when a class stopped
            early are neither suppressed nor in a sequence.
    """

    scores: np.ndarray
    sequences: np.ndarray
    suppressed: np.ndarray


@TASK_UTILS.register_module()
class SeqNMS(PostProcessor):
    """Links boxes over time, rescores the best sequences, suppresses what overlaps them.

    Per class, until no box is left: take the sequence of linked boxes in neighbouring frames
    with the largest sum of scores (a single box is one), give its boxes one new score, and
    suppress the boxes of its frames that overlap it. It wants what the detector says before
    non-maximum suppression, and takes the place of that.

    Of equal sums the sequence whose last box comes first counts, in frames, then in rows. Frames
    that are missing from the video end every sequence, as frames without detections do.

    The paper links above 0.5; all public programs link, and suppress, at equality too.
    """

    def __init__(self, *, link_iou: float = 0.5, suppress_iou: float = 0.3,
                 rescore: Rescore = 'avg', pixel_offset: float = 0.0,
                 min_sum: float | None = None, stop_without_links: bool = False,
                 force: bool = False) -> None:
        """Set the options.

        Args:
            link_iou: Boxes of neighbouring frames are linked from this IoU on.
            suppress_iou: Boxes are suppressed from this IoU with their frame's box of a sequence
                on.
            rescore: A sequence's new score: the ``avg`` or ``max`` of its scores.
            pixel_offset: Added to the sides of boxes: 1 where coordinates name the last pixel.
            min_sum: A class is done when its best sum is below this; None goes on until no box
                is left. Boxes that are left then stay as they are.
            stop_without_links: Whether a class is also done when none of its links is left; a
                link to a sequence whose scores are all 0 is none.
            force: Whether to take detections to which per-frame suppression was applied.
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
        """Rescore and suppress; ``track_ids`` are the sequences' numbers, -1 for boxes left over.

        Raises:
            ValueError: If per-frame suppression was applied, or seems to have been.
        """
        if not self.force:
            check_not_suppressed(video, type(self).__name__)
        result = self.search(video)
        rescored = video.with_arrays(scores=result.scores.astype(video.scores.dtype),
                                     track_ids=result.sequences, suppressed=True)
        return rescored.select(~result.suppressed)

    def search(self, video: VideoDetections) -> SeqNMSResult:
        """Find the sequences, and say what becomes of every detection."""
        found = class_groups(video)
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

    Inclusive pixels, and a class is done when its best sum is below 0.01 or no link is left: what
    is left then keeps its scores, and is not suppressed.
    """

    def __init__(self, *, pixel_offset: float = 1.0, min_sum: float | None = 0.01,
                 stop_without_links: bool = True, link_iou: float = 0.5,
                 suppress_iou: float = 0.3, rescore: Rescore = 'avg',
                 force: bool = False) -> None:
        """Set the options, which are those of :class:`SeqNMS`."""
        super().__init__(link_iou=link_iou, suppress_iou=suppress_iou, rescore=rescore,
                         pixel_offset=pixel_offset, min_sum=min_sum,
                         stop_without_links=stop_without_links, force=force)


def _sorted_boxes(video: VideoDetections, found: ClassGroups, pixel_offset: float) -> Boxes:
    """The boxes as the search wants them."""
    joined = (np.diff(found.labels) == 0) & (np.diff(found.frames) == 1)
    joined[joined] = video.consecutive[found.frames[:-1][joined]]
    before = np.zeros_like(found.groups)
    before[1:][joined] = found.groups[:-1][joined]
    sizes = found.groups[:, 1] - found.groups[:, 0]
    corners = video.boxes[found.rows].astype(np.float64)
    return Boxes(corners, box_areas(corners, pixel_offset),
                 video.scores[found.rows].astype(np.float64),
                 np.repeat(found.groups, sizes, axis=0), np.repeat(before, sizes, axis=0))
