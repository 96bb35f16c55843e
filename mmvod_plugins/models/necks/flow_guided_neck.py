"""Base class of FGFA and DFF: maps of other frames, warped by flow to the key frame."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from mmvod_plugins.models.layers.flow_warp import Grid, check_grid, flow_warp, resize_flow
from mmvod_plugins.models.motion import Motion
from mmvod_plugins.models.temporal_part import Needs
from mmvod_plugins.structures import FrameRecord, References

from .temporal_neck import TemporalNeck

#: Entry of a record's extras: input of the flow network.
FLOW_INPUT = 'flow_input'


class FlowGuidedNeck(TemporalNeck):
    """Warps maps by one flow per pair of frames, resized to every level of a pyramid.

    Args:
        motion: Config of the flow network, :class:`FlowNetSimple`.
        grid: How positions are sampled, see :func:`flow_warp`.
        init_cfg: Initial weights.
    """

    needs = Needs(of_key=frozenset({'maps', 'image'}),
                  of_references=frozenset({'maps', 'image'}))

    def __init__(self, motion: dict[str, Any], grid: Grid = 'exact',
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        check_grid(grid)
        self.motion = MODELS.build(motion)
        self.grid = grid

    def encode(self, record: FrameRecord, image: Tensor) -> dict[str, Any]:
        """Input of the flow network, (1, 3, H / 2, W / 2)."""
        return flow_input(self.motion, record, image)

    def find_motion(self, key: FrameRecord, references: list[FrameRecord]) -> Motion:
        """Motion from the key frame to each reference, in one pass of the flow network."""
        return find_motion(self.motion, key, references)

    def warp(self, maps: Tensor, motion: Motion) -> Tensor:
        """Bring maps of references to the key frame, see :func:`warp`."""
        return warp(maps, motion, self.grid)


def flow_input(network: nn.Module, record: FrameRecord, image: Tensor) -> dict[str, Any]:
    """Entry of a record's extras: input of the flow network, (1, 3, H / 2, W / 2)."""
    shape = record.sample.metainfo.get('img_shape', image.shape[-2:])
    return {FLOW_INPUT: network.prepare(image, shape[:2])}


def find_motion(network: nn.Module, key: FrameRecord, references: list[FrameRecord]) -> Motion:
    """Motion from the key frame to each reference, in one pass of the flow network."""
    inputs = torch.cat([record.extras[FLOW_INPUT] for record in references])
    return network(key.extras[FLOW_INPUT], inputs)


def warp(maps: Tensor, motion: Motion, grid: Grid) -> Tensor:
    """Bring maps of references to the key frame.

    Args:
        maps: (N, C, H, W), one of each reference.
        motion: From the key frame to each of them.
        grid: How positions are sampled, see :func:`flow_warp`.

    Returns:
        (N, C, H, W).

    Raises:
        ValueError: If the scale map has another number of channels.
    """
    flow = resize_flow(motion.flow, maps.shape[-2:])
    warped = flow_warp(maps, flow, grid)
    if motion.scale is None:
        return warped
    scale = motion.scale
    if scale.shape[1] != warped.shape[1]:
        raise ValueError(f'temporal_neck.motion.scale_channels is {scale.shape[1]}, but the '
                         f'detector gives maps of {warped.shape[1]} channels: make them equal')
    if scale.shape[-2:] != warped.shape[-2:]:
        scale = functional.interpolate(scale, size=warped.shape[-2:], mode='bilinear',
                                       align_corners=False)
    return warped * scale


def records_of(references: References) -> list[FrameRecord]:
    """The references of all roles, with repetitions."""
    return [record for records in references.values() for record in records]
