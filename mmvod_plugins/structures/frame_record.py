"""What is kept of a frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mmdet.structures import DetDataSample
from torch import Tensor

from .object_features import ObjectFeatures


@dataclass
class FrameRecord:
    """One frame after its single pass through the network.

    Attributes:
        frame_id: Number of the frame in its video, from 0.
        sample: Metainfo and ground truth; the detections of the frame go into a copy.
        feats: Feature maps of every level, (1, C, H, W) each, or None when not kept.
        objects: Proposals with embeddings, or None when not computed.
        extras: Anything else a method keeps of a frame, by name.
    """

    frame_id: int
    sample: DetDataSample
    feats: tuple[Tensor, ...] | None = None
    objects: ObjectFeatures | None = None
    extras: dict[str, Any] = field(default_factory=dict)
