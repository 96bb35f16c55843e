"""Double-Head R-CNN's RoI head with an aggregator before its classification."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mmdet.registry import MODELS
from torch import Tensor

from mmvod_plugins.models.temporal_part import Needs
from mmvod_plugins.structures import Maps

from .temporal_roi_head import TemporalRoIHead


@MODELS.register_module()
class TemporalDoubleHeadRoIHead(TemporalRoIHead):
    """Classifies enhanced embeddings; regresses boxes from the key frame's own pooled maps.

    In Double-Head R-CNN (Wu et al., CVPR 2020) fully connected layers classify and convolutions
    localise. The former become the embedding and the aggregator; the latter stay as they are.

    Args:
        embedding: Config of the layer from pooled features to embeddings.
        aggregator: Config of an :class:`Aggregator`.
        reg_roi_scale_factor: Side of the RoIs that boxes are regressed from, in sides of the
            proposals (1.3 in the paper).
        **kwargs: As :class:`TemporalRoIHead`; ``bbox_head`` is an
            :class:`EmbeddingDoubleBBoxHead`.
    """

    single_frame_fcs = 'fc_branch'

    def __init__(self, embedding: dict, aggregator: dict, *, reg_roi_scale_factor: float,
                 **kwargs: Any) -> None:  # noqa: ANN401 - mmdet's
        super().__init__(embedding, aggregator, **kwargs)
        self.reg_roi_scale_factor = reg_roi_scale_factor

    @property
    def needs(self) -> Needs:
        """Objects, and the maps of the key frame, from which boxes are regressed."""
        needs = super().needs
        return replace(needs, of_key=needs.of_key | {'maps'})

    def _score(self, enhanced: Tensor, x: Maps, rois: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of embeddings (N, C), deltas of the larger RoIs around RoIs (N, 5)."""
        extractor = self.bbox_roi_extractor
        pooled = extractor(
            x[:extractor.num_inputs], rois, roi_scale_factor=self.reg_roi_scale_factor)
        if self.with_shared_head:
            pooled = self.shared_head(pooled)
        return self.bbox_head(enhanced, pooled)
