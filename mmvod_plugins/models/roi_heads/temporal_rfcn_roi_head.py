"""R-FCN's RoI head with an aggregator between pooling and voting."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mmdet.models.roi_heads import StandardRoIHead
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from mmvod_plugins.models.temporal_part import Needs
from mmvod_plugins.structures import Maps

from .rfcn_roi_head import RFCNRoIHead
from .temporal_roi_head import TemporalRoIHead


@MODELS.register_module()
class TemporalRFCNRoIHead(TemporalRoIHead, RFCNRoIHead):
    """Enhances position-sensitively pooled scores of RoIs, then lets their bins vote.

    An object's features are its pooled scores, bin by bin, k k (K + 1) numbers (7 x 7 x 31 = 1519
    in OGEMN); the aggregator keeps this width. Box deltas are pooled from the key frame's own maps:
    OGEMN enhances scores alone.

    Args:
        aggregator: Config of an :class:`Aggregator`.
        **kwargs: As :class:`RFCNRoIHead`.
    """

    def __init__(self, aggregator: dict, **kwargs: Any) -> None:  # noqa: ANN401 - handed on
        super().__init__(embedding=None, aggregator=aggregator, **kwargs)

    @property
    def needs(self) -> Needs:
        """Objects, and the maps of the key frame, from which box deltas are pooled."""
        needs = super().needs
        return replace(needs, of_key=needs.of_key | {'maps'})

    def forward(self, x: Maps, rpn_results_list: list[InstanceData],
                batch_data_samples: list[DetDataSample] | None = None) -> tuple[Tensor, Tensor]:
        """Logits and deltas of all proposals; see mmdet's ``StandardRoIHead``."""
        return StandardRoIHead.forward(self, x, rpn_results_list, batch_data_samples)

    def _embed(self, x: Maps, rois: Tensor, reference_maps: None = None) -> Tensor:
        """Pooled scores (N, k k (K + 1)) of RoIs (N, 5)."""
        scores = self.bbox_head.fc_cls(self.reduced(x))
        return self.bbox_roi_extractor(scores, rois).permute(0, 2, 3, 1).flatten(1)

    def _score(self, enhanced: Tensor, x: Maps, rois: Tensor) -> tuple[Tensor, Tensor]:
        """Votes of enhanced scores (N, k k (K + 1)) and of deltas pooled at RoIs (N, 5)."""
        scores = enhanced.unflatten(1, (self.bbox_head.grid_size, self.bbox_head.grid_size, -1))
        deltas = self.bbox_roi_extractor(self.bbox_head.fc_reg(self.reduced(x)), rois)
        return self.bbox_head(scores.permute(0, 3, 1, 2), deltas)
