"""The RoI head of R-FCN: everything that learns is convolutional, RoIs only pool and vote."""

from __future__ import annotations

from typing import Any

from mmcv.cnn import ConvModule
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from mmvod_plugins.structures import Maps


@MODELS.register_module()
class RFCNRoIHead(StandardRoIHead):
    """mmdet's ``StandardRoIHead`` on position-sensitive maps.

    The maps are computed once per image from the last map of the detector. What mmdet then hands
    about as feature maps, to the samplers also (``OHEMSampler``), are these maps, so looking at
    all proposals costs a pooling each.

    Args:
        bbox_roi_extractor: Config of :class:`PSRoIPool` or :class:`PSRoIAlign`.
        bbox_head: Config of :class:`RFCNBBoxHead`.
        in_channels: Channels of the detector's last map.
        reduction: Whether a 1 x 1 convolution with ReLU reduces them to the channels that the box
            head takes.
        **kwargs: ``train_cfg``, ``test_cfg`` and ``init_cfg`` of mmdet's ``BaseRoIHead``.

    Raises:
        ValueError: If head and pooling differ in their grid.
    """

    def __init__(self,
                 bbox_roi_extractor: dict,
                 bbox_head: dict,
                 in_channels: int = 1024,
                 *,
                 reduction: bool = True,
                 **kwargs: Any) -> None:  # noqa: ANN401 handed on to BaseRoIHead
        super().__init__(bbox_roi_extractor, bbox_head, **kwargs)
        grids = self.bbox_roi_extractor.grid_size, self.bbox_head.grid_size
        if grids[0] != grids[1]:
            raise ValueError(f'bbox_roi_extractor.grid_size is {grids[0]} and bbox_head.grid_size '
                             f'is {grids[1]}: give them the same number of bins')
        self.reduction = None
        if reduction:
            self.reduction = ConvModule(in_channels, self.bbox_head.in_channels, 1)

    def position_maps(self, x: Maps) -> tuple[Tensor, Tensor]:
        """Score and box maps (:meth:`RFCNBBoxHead.position_maps`) from the last map of ``x``."""
        return self.bbox_head.position_maps(self.reduced(x))

    def reduced(self, x: Maps) -> Tensor:
        """The map (B, C, H, W) that position-sensitive maps are computed from."""
        return x[-1] if self.reduction is None else self.reduction(x[-1])

    def forward(self, x: Maps, rpn_results_list: list[InstanceData],
                batch_data_samples: list[DetDataSample] | None = None) -> tuple[Tensor, Tensor]:
        """Logits and deltas of all proposals; see mmdet's ``StandardRoIHead``."""
        return super().forward(self.position_maps(x), rpn_results_list, batch_data_samples)

    def loss(self, x: Maps, rpn_results_list: list[InstanceData],
             batch_data_samples: list[DetDataSample]) -> dict[str, Tensor]:
        """Losses of sampled proposals; see mmdet's ``StandardRoIHead``."""
        return super().loss(self.position_maps(x), rpn_results_list, batch_data_samples)

    def predict_bbox(self,
                     x: Maps,
                     batch_img_metas: list[dict],
                     rpn_results_list: list[InstanceData],
                     rcnn_test_cfg: ConfigDict | None,
                     rescale: bool = False) -> list[InstanceData]:
        """Detections of every image; see mmdet's ``StandardRoIHead``."""
        return super().predict_bbox(self.position_maps(x), batch_img_metas, rpn_results_list,
                                    rcnn_test_cfg, rescale)

    def _bbox_forward(self, x: Maps, rois: Tensor) -> dict[str, Tensor]:
        """Pool and vote.

        Args:
            x: Score and box maps.
            rois: (N, 5), batch index and box in pixels.
        """
        pooled = [self.bbox_roi_extractor(maps, rois) for maps in x]
        cls_score, bbox_pred = self.bbox_head(*pooled)
        return dict(cls_score=cls_score, bbox_pred=bbox_pred, bbox_feats=pooled[0])
