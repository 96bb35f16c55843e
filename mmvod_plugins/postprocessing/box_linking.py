"""Box linking with relations (BLR) of RDN (arXiv 1908.09511, section 3.4)."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
from mmdet.registry import TASK_UTILS

from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.structures.boxes import pairwise_iou

from .path_rescoring import RESCORINGS, PathRescoring
from .tubelet_rescoring import score_sums


@TASK_UTILS.register_module(name=['BoxLinkingWithRelations', 'BLR'])
class BoxLinkingWithRelations(PathRescoring):
    """Links boxes by score, overlap and relation weight, and rescores the paths (BLR).

    The paper states that linking is an optimal-path problem per class, that the score of a link
    uses the relation weight of its two boxes beside their scores, and that the boxes of a path
    are rescored together, following D&T. No program was available to check the rest, which is our
    reading: the edge ``(s_i + s_j + IoU_ij) * exp(w_ij)``, w from the box of the earlier frame to
    that of the later one, softmax weights averaged over the heads; paths over the whole video;
    the mean of a path's better half *added* to its scores.

    Boxes without a relation weight, including those on both sides of a missing or skipped frame,
    have w = 0. See :class:`PathRescoring` for paths, track ids and ``causal``.
    """

    def __init__(self, *, edge: Literal['exponential', 'additive'] = 'exponential',
                 gate: float | None = None, rescore: str = 'add_top_half',
                 max_per_frame: int | None = None, skip_empty: bool = True,
                 causal: bool = False) -> None:
        """Set the options.

        Args:
            edge: ``exponential``: as above; ``additive``: ``s_i + s_j + w_ij``.
            gate: The edge is 0 unless the IoU is above this; None for no gate.
            rescore: A key of :data:`.path_rescoring.RESCORINGS`.
            max_per_frame: Number of best boxes of a class and frame that are linked; None for all.
            skip_empty: Whether frames without a box of the class are skipped, as D&T do;
                otherwise one such frame prevents all linking of the class. RDN does not specify.
            causal: Whether later frames must not be used.
        """
        for name, value, known in (('edge', edge, ('exponential', 'additive')),
                                   ('rescore', rescore, tuple(RESCORINGS))):
            if value not in known:
                raise ValueError(f'BoxLinkingWithRelations: {name} must be one of {known}, '
                                 f'got {value!r}')
        super().__init__(RESCORINGS[rescore], max_per_frame, skip_empty=skip_empty, causal=causal)
        self.edge = edge
        self.gate = gate

    def process(self, video: VideoDetections) -> VideoDetections:
        """Link and rescore all classes; warn if there are no relation weights."""
        if video.relations is None:
            # Without the id of the video: Python shows a repeated text only once.
            warnings.warn('BoxLinkingWithRelations got detections without relation weights and '
                          'links without them: test with model.detections.relations=True',
                          stacklevel=2)
        return super().process(video)

    def edges(self, video: VideoDetections, t: int, u: int) -> np.ndarray:
        """Link scores by the formula chosen in the options, (n_t, n_u)."""
        scores = score_sums(video, t, u)
        iou = pairwise_iou(video.boxes[video.rows(t)], video.boxes[video.rows(u)])
        known = (video.relations is not None and u == t + 1
                 and video.frame_ids[u] == video.frame_ids[t] + 1)
        weights = video.relation_weights(t) if known else np.zeros_like(scores)
        linked = (scores + weights if self.edge == 'additive'
                  else (scores + iou) * np.exp(weights))
        return linked if self.gate is None else np.where(iou > self.gate, linked, 0.0)
