"""Validation of a video detector's settings and of what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.structures import DetDataSample

from mmvod_plugins.references import WINDOW_ROLE, ReferencePolicy
from mmvod_plugins.structures import FrameRecord

from .clip import Clip
from .temporal_part import TemporalPart


def check_roles(policy: ReferencePolicy, parts: Sequence[TemporalPart]) -> None:
    """Refuse references that no temporal part of the model looks at.

    Raises:
        ValueError: With the roles of the policy and those that the parts know, or with the part
            that does not know windows beside one that does.
    """
    known = frozenset().union(*(part.needs.roles for part in parts))
    if policy.draws.keys() - known:
        raise ValueError(
            f'references name the roles {sorted(policy.draws)}, but the model knows '
            f'{sorted(known)}: give the policy the right `role`, or the model a temporal neck or '
            'RoI head')
    strangers = [part for part in parts if WINDOW_ROLE not in part.needs.roles]
    if WINDOW_ROLE in policy.draws and strangers:
        raise ValueError(
            f'{policy!r} has detections or losses in every frame of a window, and '
            f'{type(strangers[0]).__name__} in the key frame alone: use parts that know the role '
            f"'{WINDOW_ROLE}' (STMMNeck with one of mmdet's heads), or another policy "
            '(LocalWindow)')


def check_clip(policy: ReferencePolicy, clip: Clip) -> None:
    """Refuse training clips with other roles than the policy draws.

    Raises:
        ValueError: With the expected and the found roles.
    """
    expected = {role for role, count in policy.draws.items() if count}
    if expected != clip.roles.keys():
        raise ValueError(
            f'the model expects references in the roles {sorted(expected)} but the clip has '
            f"{sorted(clip.roles)}: name the policy in model.references alone and train with "
            "runner_type='VideoRunner', or give SampleReferenceFrames.references the same value")


def check_shape(shapes: dict[float, tuple[int, int]], record: FrameRecord) -> None:
    """Refuse a frame of another size than the first of its video (at the same scale).

    Args:
        shapes: (height, width) of the first frame by scale, which is added to.
        record: The frame.

    Raises:
        ValueError: With the file and both sizes.
    """
    meta, place = record.sample.metainfo, record.place
    shape = tuple(meta['img_shape'][:2])
    first = shapes.setdefault(record.plan.scale, shape)
    if first != shape:
        raise ValueError(
            f'video {place.video_id}: frame {place.frame_id} ({meta.get("img_path")}) is {shape} '
            f'(height, width) in the network, earlier frames are {first}; frames of a video need '
            'one size: resize them, or split the video where the size changes')


def check_key(record: FrameRecord, policy: ReferencePolicy, reader: str,
              needs: frozenset[str]) -> None:
    """Refuse a key frame without what its detection reads.

    Raises:
        ValueError: With the policy, the frame and what is missing.
    """
    missing = [name for name in ('maps', 'objects')
               if name in needs and getattr(record, name) is None]
    if missing:
        raise ValueError(f'{policy!r} asks for no {missing[0]} of frame {record.frame_id}, but '
                         f'{reader} reads them of every key frame: use DFFNeck, or another policy '
                         '(LocalWindow)')


def check_finite(losses: dict[str, Any], samples: list[DetDataSample]) -> None:
    """Stop at losses that are not finite; with autocast the gradient scaler handles them.

    Raises:
        FloatingPointError: With the names of the losses and the files of the key frames.
    """
    if torch.is_autocast_enabled():
        return
    bad = [
        name for name, value in losses.items()
        if not all(torch.isfinite(part).all()
                   for part in (value if isinstance(value, list | tuple) else [value]))
    ]
    if bad:
        files = [sample.metainfo.get('img_path') for sample in samples]
        raise FloatingPointError(
            f'{bad} not finite for the key frames {files}. Check the boxes of these frames with '
            'tools/dataset_converters/check_coco_vid.py, or lower the learning rate; training '
            'continues from the last checkpoint with --resume')
