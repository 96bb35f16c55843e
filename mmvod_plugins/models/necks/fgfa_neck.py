"""Flow-guided feature aggregation."""

from __future__ import annotations

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
from mmvod_plugins.utils.forms import frames_at_once
from mmvod_plugins.utils.precision import at_least_float32

from .flow_guided_neck import FlowGuidedNeck, records_of

EMBEDDING = 'embedding'
#: Values of maps that are warped at once on a CPU: fewer take more time on small maps.
PORTION = 2**20
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
        counts = constant(counts, key.maps[0]).view(-1, 1, 1, 1)
        return NeckStep(tuple(self._aggregate(key, warped, motion, level, counts, unwarped)
                              for level in range(len(key.maps))))

    @property
    def _warps_key(self) -> bool:
        return self.warp_key == 'all' and not self.training

    def _sort(self, key: FrameRecord,
              frames: list[FrameRecord]) -> tuple[list[FrameRecord], list[int], int]:
        """Frames to warp, how often each counts, and how often the unwarped key frame does.

        A key frame that is warped comes first.
        """
        copies = sum(record is key for record in frames)
        unwarped = 0
        if not self.training and self.warp_key != 'all':
            unwarped = copies if self.warp_key == 'none' else min(copies, 1)
        by_id = {id(record): record for record in [key, *frames]}
        counts = Counter(id(record) for record in frames)
        counts[id(key)] -= unwarped
        warped = [record for i, record in by_id.items() if counts[i] > 0]
        return warped, [counts[id(record)] for record in warped], unwarped

    def _aggregate(self, key: FrameRecord, warped: list[FrameRecord], motion: Motion, level: int,
                   counts: Tensor, unwarped: int) -> Tensor:
        """One level of the key frame, (1, C, H, W): equations 1 to 3.

        Args:
            key: Record of the key frame.
            warped: The N frames to warp.
            motion: From the key frame to each of them.
            level: Index of the level.
            counts: How often each of them counts, (N, 1, 1, 1).
            unwarped: How often the key frame counts as it is.
        """
        own = key.maps[level]
        # What all are compared with: where mega.pytorch warps the key frame to itself, that.
        warps_key = self._warps_key and warped[0] is key
        wanted = None if warps_key else direction(self._embedding(key, level))
        total = weight = 0
        at_once = frames_at_once(own, len(warped), PORTION)
        for start in range(0, len(warped), at_once):
            part = slice(start, start + at_once)
            maps, embedded = self._warp_and_embed(warped[part], motion[part], level)
            wanted = direction(embedded[:1]) if wanted is None else wanted
            # A softmax over the frames at every place needs no maximum: a cosine is at most 1.
            weights = along(embedded, wanted).exp() * counts[part]
            total, weight = add_weighted(total, maps, weights), weight + weights.sum(0, True)
        if unwarped:
            weights = (wanted.square().sum(1, True)).exp() * unwarped
            total, weight = add_weighted(total, own, weights), weight + weights
        return (total / weight).to(own.dtype)

    def _embedding(self, record: FrameRecord, level: int) -> Tensor:
        """Embedding (1, E, H, W) of a frame as it is."""
        return (record.extras[EMBEDDING][level] if self.embeds_frames
                else self.embed_convs(record.maps[level]))

    def _warp_and_embed(self, frames: list[FrameRecord], motion: Motion,
                        level: int) -> tuple[Tensor, Tensor]:
        """Warped maps (N, C, H, W) and their embeddings, or the frames' warped embeddings."""
        maps = self.warp(torch.cat([record.maps[level] for record in frames]), motion)
        if not self.embeds_frames:
            return maps, self.embed_convs(maps)
        return maps, self.warp(torch.cat([record.extras[EMBEDDING][level] for record in frames]),
                               motion)


def direction(embedded: Tensor, eps: float = 1e-10) -> Tensor:
    """Embeddings (N, C, H, W) of length one, or of zero; in single precision at least.

    Args:
        embedded: (N, C, H, W).
        eps: Added to the norms, as mega.pytorch does.
    """
    embedded = at_least_float32(embedded)
    return embedded / (embedded.norm(dim=1, keepdim=True) + eps)


def along(embedded: Tensor, wanted: Tensor, eps: float = 1e-10) -> Tensor:
    """Cosine similarity at every place; 0 where an embedding is 0.

    Without gradients it may overwrite the embeddings: fresh memory for the products costs more.

    Args:
        embedded: (N, C, H, W).
        wanted: :func:`direction` to compare with, (1, C, H, W).
        eps: As there.

    Returns:
        (N, 1, H, W), in single precision at least.
    """
    embedded = at_least_float32(embedded)
    norm = embedded.norm(dim=1, keepdim=True) + eps
    product = embedded * wanted if torch.is_grad_enabled() else embedded.mul_(wanted)
    return product.sum(dim=1, keepdim=True) / norm


def add_weighted(total: Tensor | int, maps: Tensor, weights: Tensor) -> Tensor:
    """Add maps (N, C, H, W), weighted at every place (N, 1, H, W), to a sum or to 0."""
    if torch.is_grad_enabled() or len(maps) > 1 or not isinstance(total, Tensor):
        return total + (maps * weights).sum(0, True)
    return total.addcmul_(maps.to(total.dtype), weights)
