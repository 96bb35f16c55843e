"""Deep feature flow: maps of one frame serve its successors."""

from __future__ import annotations

from typing import Any

from mmdet.registry import MODELS

from mmvod_plugins.models.layers.flow_warp import Grid
from mmvod_plugins.structures import FrameRecord

from .flow_guided_neck import FlowGuidedNeck, records_of
from .temporal_neck import EnhancedMaps


@MODELS.register_module()
class DFFNeck(FlowGuidedNeck):
    """Maps of the last frame that passed the backbone, warped (Zhu et al., CVPR 2017, eq. 3).

    With :class:`KeyFrameInterval` most frames never pass the backbone: the flow network takes its
    place. Maps are always warped from that frame, never from warped ones.

    Args:
        motion: Config of the flow network; with ``scale_channels`` warped maps are multiplied by
            its scale map (the paper and mega.pytorch; MMTracking has none).
        grid: How positions are sampled, see :func:`flow_warp`.
        warp_self: Whether a frame that passed the backbone is warped by the flow to itself
            (mega.pytorch), not taken as it is (MMTracking).
        warp_stills: The same for still images in training. Without, their warped map counts zero
            times, so that every parameter has a gradient in every step.
        init_cfg: Initial weights.
    """

    needs_key_maps = False
    max_references = 1

    def __init__(self,
                 motion: dict[str, Any],
                 grid: Grid = 'exact',
                 *,
                 warp_self: bool = False,
                 warp_stills: bool = False,
                 init_cfg: dict | None = None) -> None:
        super().__init__(motion, grid, init_cfg)
        self.warp_self = warp_self
        self.warp_stills = warp_stills

    def forward(self, key: FrameRecord, references: dict[str, list[FrameRecord]],
                memory: object) -> EnhancedMaps:
        """Warp the maps of the last reference; without any the key frame keeps its own.

        Args:
            key: Record of the key frame; its maps are not used if there is a reference.
            references: Records by role.
            memory: None.
        """
        source = (records_of(references) or [key])[-1]
        if source is key and not self.training and not self.warp_self:
            return EnhancedMaps(key.feats)
        motion = self.find_motion(key, [source])
        warped = tuple(self.warp(level, motion) for level in source.feats)
        if self.training and not self.warp_stills and is_still(key):
            warped = tuple(level + 0 * moved
                           for level, moved in zip(source.feats, warped, strict=True))
        return EnhancedMaps(warped)


def is_still(key: FrameRecord) -> bool:
    """Whether a frame is a video of its own: a still image of a mixed training set."""
    return key.sample.metainfo.get('ori_video_length') == 1
