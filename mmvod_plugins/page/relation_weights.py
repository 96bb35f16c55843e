"""The weights with which a model looked at its references, from its own relations."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np
import torch

from mmvod_plugins.apis import trace_frames
from mmvod_plugins.models import VideoDetector

from .reference_file import Reference

#: How far before the key frame a memory is looked for, in frames.
MEMORY_REACH = 50


@torch.no_grad()
def weighted_references(model: VideoDetector, frames: Iterable[np.ndarray], video_length: int,
                        video_id: Hashable) -> dict[int, list[Reference]]:
    """References of every key frame of a video, each frame once, with weights where known.

    The weight of a frame is what the key frame's objects give to all its objects in the first
    relation that the model names (RDN, MEGA, MST), averaged over the key objects; frames outside
    of that relation, and methods without one, have none. Frames that are no references and have a
    weight are in the ``memory``.

    Args:
        model: From :func:`init_video_detector`.
        frames: (H, W, 3) images, BGR uint8, in order.
        video_length: Their number.
        video_id: Identity of the video.
    """
    table = {}
    for trace in trace_frames(model, frames, video_length, video_id):
        key = trace.key.frame_id
        roles: dict[int, list[str]] = {t: [] for t in range(max(key - MEMORY_REACH, 0), key)}
        for role, ids in model.policy.frames(key, video_length, video_id).items():
            for t in dict.fromkeys(ids):
                roles.setdefault(t, []).append(role)
        relations = None if trace.step.head is None else trace.step.head.details.get('relations')
        seen: list[Reference] = []
        for t, names in sorted(roles.items()):
            weights = None if relations is None else relations(t)
            weight = float(weights.sum(1).mean()) if weights is not None and len(
                weights) and weights.shape[1] else None
            if names or weight is not None:
                seen.append((t, '+'.join(names) or 'memory', weight))
        table[key] = seen
    return table
