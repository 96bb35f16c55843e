"""Flow-guided feature aggregation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import torch
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from torch import Tensor, nn

from mmvod_plugins.models.layers.flow_warp import Grid
from mmvod_plugins.models.motion import Motion
from mmvod_plugins.models.temporal_part import NeckStep
from mmvod_plugins.structures import FrameRecord, References
from mmvod_plugins.utils.constants import constant
from mmvod_plugins.utils.precision import at_least_float32

from .flow_guided_neck import FlowGuidedNeck, records_of

EMBEDDING = 'embedding'
Embed = Literal['before', 'after']
WarpKey = Literal['none', 'copies', 'all']


@MODELS.register_module()
class FGFANeck(FlowGuidedNeck):
    """Mean of the warped maps of all references, weighted by place (Zhu et al., ICCV 2017).

    At every place a frame has the weight softmax(cosine of its embedding and the key frame's),
    eqs. 1 to 3; a frame that is named m times counts m times. The levels of a pyramid share the
    embedding network, each has weights of its own.

    Args:
        channels: Channels of every map.
        motion: Config of the flow network.
        embed_layers: (channels, kernel size) of every convolution of the embedding network, ReLU
            between them.
        embed: ``'after'``: warped maps are embedded (the paper, MMTracking); ``'before'``: frames
            are, once each, and their embeddings are warped (mega.pytorch while testing).
        train_embed: The same in training; None for as in testing.
        warp_key: The key frame among its references while testing: it and its copies are not
            warped (``'none'``), its copies at the ends of a video alone are (``'copies'``,
            MMTracking), it is warped as all others, its embedding too (``'all'``, mega.pytorch).
            In training, where policies leave it out, every reference is warped.
        grid: How positions are sampled, see :func:`flow_warp`.
        init_cfg: Initial weights.

    Raises:
        ValueError: If an option is not known.
    """

    method = 'FGFA'

    def __init__(self,
                 channels: int,
                 motion: dict[str, Any],
                 *,
                 embed_layers: Sequence[Sequence[int]] = ((512, 3), ),
                 embed: Embed = 'after',
                 train_embed: Embed | None = None,
                 warp_key: WarpKey = 'none',
                 grid: Grid = 'exact',
                 init_cfg: dict | None = None) -> None:
        super().__init__(motion, grid, init_cfg)
        if embed not in ('before', 'after') or train_embed not in ('before', 'after', None):
            raise ValueError("embed and train_embed must be 'before' or 'after', got "
                             f'{embed!r} and {train_embed!r}')
        if warp_key not in ('none', 'copies', 'all'):
            raise ValueError(f"warp_key must be 'none', 'copies' or 'all', got {warp_key!r}")
        if not embed_layers or any(len(layer) != 2 or layer[1] % 2 == 0
                                   for layer in embed_layers):
            raise ValueError('embed_layers are (channels, odd kernel size), at least one, got '
                             f'{embed_layers}')
        self.channels = channels
        self.embed = embed
        self.train_embed = train_embed or embed
        self.warp_key = warp_key
        layers = []
        for i, (width, kernel) in enumerate(embed_layers, start=1):
            act_cfg = dict(type='ReLU') if i < len(embed_layers) else None
            layers.append(ConvModule(channels, width, kernel, padding=kernel // 2,
                                     act_cfg=act_cfg))
            channels = width
        self.embed_convs = nn.Sequential(*layers)

    @property
    def embeds_frames(self) -> bool:
        """Whether frames are embedded before they are warped."""
        return (self.train_embed if self.training else self.embed) == 'before'

    def encode(self, record: FrameRecord, image: Tensor) -> dict[str, Any]:
        """Input of the flow network, and the embedding of the maps if that is warped."""
        extras = super().encode(record, image)
        if record.maps is not None and self.embeds_frames:
            extras[EMBEDDING] = tuple(self.embed_convs(level) for level in record.maps)
        return extras

    def enhance(self, key: FrameRecord, references: References, memory: object) -> NeckStep:
        """Aggregate warped maps; a key frame that is its only reference stays as it is.

        In training such a key frame is warped to itself, so that every parameter has a gradient.

        Args:
            key: Record of the key frame.
            references: Records by role; whether the key frame is among them is the policy's
                matter.
            memory: None.

        Raises:
            ValueError: If maps have another number of channels than ``channels``.
        """
        for level in key.maps:
            if level.shape[1] != self.channels:
                raise ValueError(f'temporal_neck.channels is {self.channels}, but the detector '
                                 f'gives maps of {level.shape[1]} channels: make them equal')
        warped, counts, unwarped = self._sort(key, records_of(references))
        if not warped:
            return NeckStep(key.maps)
        motion = self.find_motion(key, warped)
        # exp(log m) = m: a frame that is named m times has m times the weight in the softmax
        counts = [*counts, unwarped] if unwarped else counts
        log_counts = constant(map(math.log, counts), key.maps[0])
        log_counts = log_counts.view(-1, 1, 1, 1)
        return NeckStep(tuple(
            self._aggregate(key, warped, motion, level, log_counts, with_key=unwarped > 0)
            for level in range(len(key.maps))))

    @property
    def _warps_key(self) -> bool:
        return self.warp_key == 'all' and not self.training

    def _sort(self, key: FrameRecord,
              frames: list[FrameRecord]) -> tuple[list[FrameRecord], list[int], int]:
        """Frames to warp, how often each counts, and how often the unwarped key frame does."""
        copies = sum(record is key for record in frames)
        unwarped = 0
        if not self.training and self.warp_key != 'all':
            unwarped = copies if self.warp_key == 'none' else min(copies, 1)
        by_id = {id(record): record for record in frames}
        counts = Counter(id(record) for record in frames)
        counts[id(key)] -= unwarped
        warped = [record for i, record in by_id.items() if counts[i] > 0]
        return warped, [counts[id(record)] for record in warped], unwarped

    def _aggregate(self, key: FrameRecord, warped: list[FrameRecord], motion: Motion, level: int,
                   log_counts: Tensor, *, with_key: bool) -> Tensor:
        """One level of the key frame, (1, C, H, W): equations 1 to 3.

        Args:
            key: Record of the key frame.
            warped: The N frames to warp.
            motion: From the key frame to each of them.
            level: Index of the level.
            log_counts: Logarithms of how often each frame counts, (N [+ 1], 1, 1, 1).
            with_key: Whether the unwarped key frame takes part as the last one.
        """
        maps = self.warp(torch.cat([record.maps[level] for record in warped]), motion)
        own = key.maps[level]
        # Embeddings (N, E, H, W) of the warped maps, or warped embeddings of the frames.
        if self.embeds_frames:
            embedded = self.warp(
                torch.cat([record.extras[EMBEDDING][level] for record in warped]), motion)
        else:
            embedded = self.embed_convs(maps)
        # The embedding (1, E, H, W) that all are compared with: where mega.pytorch warps the key
        # frame to itself, the warped one.
        row = next((i for i, record in enumerate(warped) if record is key and self._warps_key),
                   None)
        if row is not None:
            key_embedded = embedded[row:row + 1]
        elif self.embeds_frames:
            key_embedded = key.extras[EMBEDDING][level]
        else:
            key_embedded = self.embed_convs(own)
        if with_key:
            maps = torch.cat([maps, own])
            embedded = torch.cat([embedded, key_embedded])
        # A softmax over the frames at every place, then the weighted mean of the maps.
        logits = cosine(embedded, key_embedded) + log_counts
        return (maps * logits.softmax(dim=0).to(maps.dtype)).sum(dim=0, keepdim=True)


def cosine(embedded: Tensor, key: Tensor, eps: float = 1e-10) -> Tensor:
    """Cosine similarity at every place; 0 where an embedding is 0.

    Args:
        embedded: (N, C, H, W).
        key: (1, C, H, W).
        eps: Added to the norms, as mega.pytorch does.

    Returns:
        (N, 1, H, W), in single precision at least.
    """
    embedded, key = at_least_float32(embedded), at_least_float32(key)
    norms = (embedded.norm(dim=1, keepdim=True) + eps) * (key.norm(dim=1, keepdim=True) + eps)
    return (embedded * key).sum(dim=1, keepdim=True) / norms
