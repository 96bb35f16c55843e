"""Records of frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mmdet.structures import DetDataSample
from torch import Tensor

from .frame_place import FramePlace, FramePlan
from .object_features import ObjectFeatures

#: Feature maps of a frame, (1, C, H, W) for every level; of N frames (N, C, H, W).
Maps = tuple[Tensor, ...]


@dataclass
class FrameRecord:
    """One frame after its single pass through the network.

    Attributes:
        place: Video and number of the frame.
        plan: What the reference policy requires of it.
        sample: Metainfo and ground truth; the detections of the frame go into a copy.
        maps: Feature maps of every level, (1, C, H, W) each, or None when not kept.
        objects: Boxes with features, or None when not computed.
        extras: Anything else that a temporal part keeps of a frame, by name.
    """

    place: FramePlace
    plan: FramePlan
    sample: DetDataSample
    maps: Maps | None = None
    objects: ObjectFeatures | None = None
    extras: dict[str, Any] = field(default_factory=dict)

    @property
    def frame_id(self) -> int:
        """Number of the frame in its video, from 0."""
        return self.place.frame_id


#: Records of the references of a key frame, by role.
References = dict[str, list[FrameRecord]]


def place_of(sample: DetDataSample) -> FramePlace:
    """The place that the metainfo of a frame names; an image without one is a video of its own."""
    meta = sample.metainfo
    return FramePlace(meta.get('video_id', f'image {meta.get("img_id")}'), meta.get('frame_id', 0),
                      meta.get('ori_video_length', 1))


def in_temporal_order(key: FrameRecord, references: References) -> list[FrameRecord]:
    """The key frame and its references in temporal order, each frame once."""
    frames = {key.frame_id: key}
    for records in references.values():
        frames.update({record.frame_id: record for record in records})
    return [frames[frame_id] for frame_id in sorted(frames)]
