"""Deep feature flow: maps of one frame serve its successors."""

from __future__ import annotations

from typing import Any

from mmdet.registry import MODELS
from torch import nn

from mmvod_plugins.models.layers.flow_warp import Grid
from mmvod_plugins.models.temporal_part import NeckStep, Needs
from mmvod_plugins.structures import FrameRecord, References

from .flow_guided_neck import FlowGuidedNeck, records_of


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

    method = 'DFF'
    needs = Needs(of_key=frozenset({'image'}), of_references=frozenset({'maps', 'image'}))

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

    def check(self, model: nn.Module) -> None:
        """Refuse policies that draw several references; see the base class."""
        count = sum(model.policy.draws.get(role, 0) for role in self.needs.roles)
        if count > 1:
            raise ValueError(f'{model.policy!r} names {count} references for a key frame, but '
                             'DFFNeck looks at one: use KeyFrameInterval')

    def enhance(self, key: FrameRecord, references: References, memory: object) -> NeckStep:
        """Warp the maps of the reference; a key frame that is its own keeps its maps.

        Args:
            key: Record of the key frame; its maps are not used if another frame is the reference.
            references: Records by role, one in all.
            memory: None.

        Raises:
            ValueError: If there are several references.
        """
        records = records_of(references)
        if len(records) > 1:
            raise ValueError(f'the reference policy names {len(records)} references for frame '
                             f'{key.frame_id}, but DFFNeck looks at one: use KeyFrameInterval')
        [source] = records
        if source is key and not self.training and not self.warp_self:
            return NeckStep(key.maps)
        motion = self.find_motion(key, [source])
        warped = tuple(self.warp(level, motion) for level in source.maps)
        if self.training and not self.warp_stills and is_still(key):
            # a still image keeps its maps; the warped ones give every weight a gradient of zero
            warped = tuple(level + 0 * moved
                           for level, moved in zip(source.maps, warped, strict=True))
        return NeckStep(warped)


def is_still(key: FrameRecord) -> bool:
    """Whether a frame is a video of its own: a still image of a mixed training set."""
    return key.place.video_length == 1
